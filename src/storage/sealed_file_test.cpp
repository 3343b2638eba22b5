#include "storage/sealed_file.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "sim/random.h"
#include "storage/internal/key_rig.h"

namespace meridian::storage {
namespace {

Buffer random_bytes(sim::Random& random, std::size_t size) {
  Buffer bytes(size);
  for (Byte& byte : bytes) byte = static_cast<Byte>(random.next());
  return bytes;
}

class SealedFile : public testing::Test {
 protected:
  SealedFile() { rig.create(); }

  SealedReader reader(std::string_view path, std::uint64_t number) {
    auto opened = SealedReader::open(rig.context(), path, Purpose::headers, number);
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    return *std::move(opened);
  }
  Code open_error(std::string_view path, Purpose purpose, std::uint64_t number) {
    auto opened = SealedReader::open(rig.context(), path, purpose, number);
    return opened ? Code::unimplemented : opened.error().code;
  }
  /// Writes `plains` as frames with tag words 1, 2, ...; returns their positions.
  std::vector<std::uint64_t> write(std::string_view path, std::uint64_t number,
                                   const std::vector<Buffer>& plains) {
    auto writer = SealedWriter::create(rig.context(), path, Purpose::headers, number);
    EXPECT_TRUE(writer.has_value());
    std::vector<std::uint64_t> positions;
    for (const Buffer& plain : plains)
      positions.push_back(*writer->append(static_cast<std::uint32_t>(positions.size() + 1), plain));
    EXPECT_TRUE(writer->sync().has_value());
    return positions;
  }

  KeyRig rig;
};

TEST_F(SealedFile, random_frames_come_back_with_their_tag_words) {
  sim::Random random(2);
  std::vector<Buffer> plains;
  for (int i = 0; i < 60; ++i)
    plains.push_back(random_bytes(random, random.below(i % 10 == 0 ? 300'000 : 9000)));
  plains.emplace_back();
  auto positions = write("file", 7, plains);
  EXPECT_EQ(positions[0], sealed_file_header_size);
  SealedReader frames = reader("file", 7);
  for (std::size_t i = plains.size(); i-- > 0;) {
    auto frame = frames.read(positions[i]);
    ASSERT_TRUE(frame.has_value()) << frame.error().message;
    EXPECT_EQ(frame->plain, plains[i]);
    EXPECT_EQ(frame->tag_word, i + 1);
    EXPECT_EQ(frame->size, plains[i].size() + frame_overhead);
  }
  EXPECT_EQ(frames.read(*frames.size()).error().code, Code::out_of_range);
  EXPECT_EQ(frames.read(*frames.size() + 1).error().code, Code::out_of_range);
  for (std::uint64_t inside :
       {std::uint64_t{0}, positions[0] - 1, positions[0] + 1, *frames.size() - 1}) {
    auto frame = frames.read(inside);
    ASSERT_FALSE(frame.has_value());
    EXPECT_EQ(frame.error().code, Code::data_loss);
    EXPECT_NE(frame.error().message.find("file at byte"), std::string::npos);
  }
}

TEST_F(SealedFile, every_flipped_bit_shows) {
  write("file", 7, {Buffer(40, 1), Buffer(25, 2)});
  Buffer good = rig.read("file");
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Buffer bad = good;
    bad[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    rig.put("file", bad);
    auto opened = SealedReader::open(rig.context(), "file", Purpose::headers, 7);
    if (bit / 8 < sealed_file_header_size) {
      ASSERT_FALSE(opened.has_value()) << bit;
      bool kek_version = bit / 8 >= 40 && bit / 8 < 44;
      EXPECT_EQ(opened.error().code, kek_version ? Code::failed_precondition : Code::data_loss);
      continue;
    }
    ASSERT_TRUE(opened.has_value());
    std::uint64_t second = sealed_file_header_size + 40 + frame_overhead;
    bool in_first = bit / 8 < second;
    EXPECT_EQ(opened->read(sealed_file_header_size).has_value(), !in_first) << bit;
    EXPECT_EQ(opened->read(second).has_value(), in_first) << bit;
  }
}

TEST_F(SealedFile, every_cut_shows) {
  write("file", 7, {Buffer(40, 1)});
  Buffer good = rig.read("file");
  for (std::size_t size = 0; size < good.size(); ++size) {
    rig.put("file", Bytes(good).first(size));
    auto opened = SealedReader::open(rig.context(), "file", Purpose::headers, 7);
    ASSERT_EQ(opened.has_value(), size >= sealed_file_header_size) << size;
    if (!opened) {
      EXPECT_EQ(opened.error().code, Code::data_loss);
      continue;
    }
    EXPECT_EQ(opened->read(sealed_file_header_size).error().code,
              size == sealed_file_header_size ? Code::out_of_range : Code::data_loss);
  }
}

TEST_F(SealedFile, a_frame_moved_swapped_or_from_another_file_does_not_open) {
  auto positions = write("file", 7, {Buffer(64, 1), Buffer(64, 2)});
  write("other", 8, {Buffer(64, 1), Buffer(64, 2)});
  Buffer file = rig.read("file"), other = rig.read("other");
  std::size_t frame = 64 + frame_overhead, first = positions[0], second = positions[1];
  auto refused = [&](Buffer bytes) {
    rig.put("file", bytes);
    SealedReader frames = reader("file", 7);
    return !frames.read(first).has_value() || !frames.read(second).has_value();
  };
  auto at = [](Buffer& bytes, std::size_t place) {
    return bytes.begin() + static_cast<std::ptrdiff_t>(place);
  };
  Buffer swapped = file;
  std::swap_ranges(at(swapped, first), at(swapped, second), at(swapped, second));
  EXPECT_TRUE(refused(swapped));
  Buffer copied = file;
  std::copy_n(at(file, first), frame, at(copied, second));
  EXPECT_TRUE(refused(copied));
  Buffer cut_out = file;
  cut_out.erase(at(cut_out, first), at(cut_out, second));
  EXPECT_TRUE(refused(cut_out));
  Buffer foreign = file;
  std::copy_n(at(other, first), frame, at(foreign, first));
  EXPECT_TRUE(refused(foreign));
  EXPECT_FALSE(refused(file));
}

TEST_F(SealedFile, a_file_of_another_cell_purpose_or_number_does_not_open) {
  write("file", 7, {Buffer(10, 1)});
  EXPECT_EQ(open_error("file", Purpose::payloads, 7), Code::data_loss);
  EXPECT_EQ(open_error("file", Purpose::headers, 8), Code::data_loss);
  SealedContext foreign{*rig.disk, rig.entropy, *rig.keys, rig_cell + 1};
  EXPECT_EQ(SealedReader::open(foreign, "file", Purpose::headers, 7).error().code, Code::data_loss);
  EXPECT_EQ(open_error("missing", Purpose::headers, 7), Code::not_found);
}

TEST_F(SealedFile, an_older_storage_key_opens_until_it_is_destroyed) {
  write("old", 1, {Buffer(10, 1)});
  ASSERT_TRUE(rig.keys->add("storage").has_value());
  write("new", 2, {Buffer(10, 1)});
  EXPECT_TRUE(reader("old", 1).read(sealed_file_header_size).has_value());
  ASSERT_TRUE(rig.keys->destroy("storage", KeyVersion{1}).has_value());
  EXPECT_EQ(open_error("old", Purpose::headers, 1), Code::failed_precondition);
  EXPECT_TRUE(reader("new", 2).read(sealed_file_header_size).has_value());
}

// A header is on its way: its key must not be destroyed before it is in the file.
TEST_F(SealedFile, the_storage_key_is_held_until_the_header_is_written) {
  const KeyVersion first{1};
  EXPECT_FALSE(rig.keys->is_held("storage", first));
  {
    auto writer = SealedWriter::create(rig.context(), "one", Purpose::headers, 1);
    ASSERT_TRUE(writer.has_value());
    ASSERT_TRUE(rig.keys->add("storage").has_value());
    EXPECT_TRUE(rig.keys->is_held("storage", first));
    EXPECT_FALSE(rig.keys->is_held("storage", KeyVersion{2}));
    ASSERT_TRUE(writer->flush().has_value());
    EXPECT_FALSE(rig.keys->is_held("storage", first));
  }
  {
    auto given_up = SealedWriter::create(rig.context(), "two", Purpose::headers, 2);
    ASSERT_TRUE(given_up.has_value());
    EXPECT_TRUE(rig.keys->is_held("storage", KeyVersion{2}));
  }
  EXPECT_FALSE(rig.keys->is_held("storage", KeyVersion{2}));
}

TEST_F(SealedFile, a_clone_seals_and_opens_for_the_same_file) {
  FreshHeader header;
  Buffer out;
  auto sealer = FrameSealer::create(rig.context(), Purpose::state, 3, header);
  ASSERT_TRUE(sealer.has_value());
  FrameSealer clone = sealer->clone();
  clone.seal(128, 5, as_bytes("hello"), out);
  auto frame = sealer->open_frame(128, out);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(as_text(frame->plain), "hello");
  for (std::size_t size = 0; size < out.size(); ++size)
    EXPECT_EQ(sealer->open_frame(128, Bytes(out).first(size)).error().code, Code::out_of_range);
  store_le<std::uint32_t>(out.data(), frame_plain_max + 1);
  EXPECT_EQ(sealer->open_frame(128, out).error().code, Code::data_loss);
}

TEST_F(SealedFile, golden_bytes_are_what_a_writer_writes) {
  KeyRig fresh;
  fresh.create();
  auto writer = SealedWriter::create(fresh.context(), "file", Purpose::headers, 9);
  ASSERT_TRUE(writer.has_value());
  ASSERT_TRUE(writer->append(1, as_bytes("first frame")).has_value());
  ASSERT_TRUE(writer->append(2, {}).has_value());
  ASSERT_TRUE(writer->sync().has_value());
  EXPECT_EQ(to_hex(fresh.read("file")), to_hex(golden_bytes("sealed-file.hex")));
}

}  // namespace
}  // namespace meridian::storage
