#include "storage/storage_rotation.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "storage/internal/key_rig.h"

namespace meridian::storage {
namespace {

using Use = std::map<KeyVersion, std::uint64_t>;

/// Sealed files in several folders, as a node has them, and some that are none.
const std::map<std::string, Purpose>& paths() {
  static const std::map<std::string, Purpose> all{
      {"headers/0000000000000001.seg", Purpose::headers},
      {"payloads/0000000000000001.seg", Purpose::payloads},
      {"generations/1/headers/0000000000000001.seg", Purpose::headers},
      {"index/ids/0000000000000001.run", Purpose::sorted_run},
      {"wal/0000000000000001.wal", Purpose::write_ahead_log},
      {"ca.key", Purpose::other}};
  return all;
}

std::unique_ptr<KeyRig> make_rig() {
  auto rig = make_key_rig();
  for (const char* folder :
       {"headers", "payloads", "generations/1/headers", "index/ids", "wal", "state"}) {
    ASSERT(rig->disk->make_directory(folder).has_value());
    ASSERT(rig->disk->sync_directory(folder).has_value());
  }
  for (const char* folder : {"", "generations", "generations/1", "index"})
    ASSERT(rig->disk->sync_directory(folder).has_value());
  for (const auto& [path, purpose] : paths()) {
    auto writer = SealedWriter::create(rig->context(), path, purpose, 1);
    ASSERT(writer.has_value());
    ASSERT(writer->append(1, as_bytes(std::string_view(path))).has_value());
    ASSERT(writer->sync().has_value());
    const std::size_t slash = path.find_last_of('/');
    ASSERT(rig->disk->sync_directory(slash == std::string::npos ? "" : path.substr(0, slash))
               .has_value());
  }
  ASSERT(io::replace_file(*rig->disk, "cosigned", as_bytes(std::string_view("not sealed")))
             .has_value());
  return rig;
}

/// Every file opens and holds what was put in.
void expect_all_open(KeyRig& rig, const std::string& when) {
  for (const auto& [path, purpose] : paths()) {
    auto reader = SealedReader::open(rig.context(), path, purpose, 1);
    ASSERT_TRUE(reader.has_value()) << when << ": " << reader.error().message;
    auto frame = reader->read(sealed_file_header_size);
    ASSERT_TRUE(frame.has_value()) << when << ": " << frame.error().message;
    EXPECT_EQ(as_text(frame->plain), path) << when;
  }
}

TEST(StorageRotation, every_file_opens_under_the_new_key_and_the_old_one_is_gone) {
  auto rig = make_rig();
  const Buffer old_key = to_buffer(rig->keys->get("storage", KeyVersion{1})->secret);
  const Buffer before = rig->read("ca.key");
  EXPECT_EQ(*find_storage_key_use(*rig->disk), (Use{{KeyVersion{1}, paths().size()}}));
  const auto done = rotate_storage_key(*rig->disk, *rig->keys);
  ASSERT_TRUE(done.has_value()) << done.error().message;
  EXPECT_EQ(done->newest, KeyVersion{2});
  EXPECT_EQ(done->files, paths().size());
  EXPECT_EQ(done->destroyed, std::vector{KeyVersion{1}});
  expect_all_open(*rig, "after the rotation");
  EXPECT_EQ(*find_storage_key_use(*rig->disk), (Use{{KeyVersion{2}, paths().size()}}));
  EXPECT_EQ(rig->keys->get("storage", KeyVersion{1}).error().code, Code::not_found);
  EXPECT_NE(to_buffer(rig->keys->newest("storage")->secret), old_key);
  // What is behind the header is as it was: no record was written again.
  const Buffer after = rig->read("ca.key");
  EXPECT_EQ(to_hex(Bytes(after).subspan(sealed_file_header_size)),
            to_hex(Bytes(before).subspan(sealed_file_header_size)));
  EXPECT_EQ(rig->read("cosigned"), to_buffer(as_bytes(std::string_view("not sealed"))));
}

TEST(StorageRotation, a_file_whose_header_is_damaged_keeps_the_old_key) {
  auto rig = make_rig();
  ASSERT_TRUE(rig->disk->flip_bit("headers/0000000000000001.seg", 60).has_value());
  const auto done = rotate_storage_key(*rig->disk, *rig->keys);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Code::data_loss);
  EXPECT_NE(done.error().message.find("headers/0000000000000001.seg"), std::string::npos);
  EXPECT_TRUE(rig->keys->get("storage", KeyVersion{1}).has_value());
  ASSERT_TRUE(rig->disk->flip_bit("headers/0000000000000001.seg", 60).has_value());
  ASSERT_TRUE(finish_storage_rotation(*rig->disk, *rig->keys).has_value());
  expect_all_open(*rig, "after it was mended");
  EXPECT_FALSE(rig->keys->get("storage", KeyVersion{1}).has_value());
}

TEST(StorageRotation, a_spare_file_of_the_log_that_a_crash_tore_hinders_nothing) {
  auto rig = make_rig();
  Buffer torn = rig->read("ca.key");
  torn[70] ^= 1;
  rig->put("wal/0000000000000002.spare", torn);
  ASSERT_TRUE(rotate_storage_key(*rig->disk, *rig->keys).has_value());
  expect_all_open(*rig, "after the rotation");
}

TEST(StorageRotation, without_one_begun_nothing_is_read_or_written) {
  auto rig = make_rig();
  const std::uint64_t reads = rig->disk->count(sim::DiskOperation::read);
  const std::uint64_t mutations = rig->disk->mutation_count();
  const auto done = finish_storage_rotation(*rig->disk, *rig->keys);
  ASSERT_TRUE(done.has_value());
  EXPECT_EQ(done->newest, KeyVersion{1});
  EXPECT_EQ(rig->disk->count(sim::DiskOperation::read), reads);
  EXPECT_EQ(rig->disk->mutation_count(), mutations);
}

// Every crash point, with the page cache lost in several ways, and headers torn where they stand.
TEST(StorageRotation, after_a_crash_anywhere_the_next_start_finishes_it_and_every_file_opens) {
  auto whole = make_rig();
  const std::uint64_t first = whole->disk->mutation_count() + 1;
  ASSERT_TRUE(rotate_storage_key(*whole->disk, *whole->keys).has_value());
  const std::uint64_t last = whole->disk->mutation_count();
  ASSERT_GE(last - first, 20U);
  bool was_torn = false;
  for (std::uint64_t point = first; point <= last; ++point) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const std::string when = "point " + std::to_string(point) + " seed " + std::to_string(seed);
      auto rig = make_rig();
      rig->disk->crash_at_mutation(point);
      EXPECT_FALSE(rotate_storage_key(*rig->disk, *rig->keys).has_value() && point < last) << when;
      rig->disk = rig->disk->crash(seed);
      auto opened = rig->open();
      ASSERT_TRUE(opened.has_value()) << when << ": " << opened.error().message;
      rig->keys = *std::move(opened);
      // What a disk with smaller sectors than the simulated one leaves: half a header.
      if (seed % 2 == 0 && *is_storage_rotating(*rig->disk)) {
        for (std::uint64_t at = 60; at < 128; at += 3)
          ASSERT_TRUE(rig->disk->flip_bit("headers/0000000000000001.seg", at).has_value());
        was_torn = true;
      }
      const auto finished = finish_storage_rotation(*rig->disk, *rig->keys);
      ASSERT_TRUE(finished.has_value()) << when << ": " << finished.error().message;
      expect_all_open(*rig, when);
      EXPECT_EQ(find_storage_key_use(*rig->disk)->size(), 1U) << when;
      EXPECT_FALSE(*is_storage_rotating(*rig->disk)) << when;
      std::size_t versions = 0;
      for (const auto& key : rig->keys->list()) versions += key.name == "storage" ? 1 : 0;
      EXPECT_EQ(versions, 1U) << when;
    }
  }
  EXPECT_TRUE(was_torn) << "a header that was half written";
}

}  // namespace
}  // namespace meridian::storage
