#include "storage/slot_file.h"

#include <gtest/gtest.h>

#include "sim/disk.h"
#include "sim/random.h"
#include "storage/internal/key_rig.h"

namespace meridian::storage {
namespace {

constexpr SlotFormat format{"MRDNTEST", 8, "without it nothing is known; restore it"};
constexpr std::string_view path = "small";

Buffer number(std::uint64_t value) {
  Buffer bytes;
  ByteWriter(bytes).u64(value);
  return bytes;
}
std::uint64_t number(const std::optional<Buffer>& value) {
  return value ? load_le<std::uint64_t>(value->data()) : 0;
}

Result<SlotFile> open(io::Disk& disk, IfMissing if_missing = IfMissing::create) {
  return SlotFile::open(disk, path, format, if_missing);
}

Buffer read(io::Disk& disk) { return io::read_file(disk, path, 4096).value(); }
void write(io::Disk& disk, Bytes bytes) {
  ASSERT_TRUE(io::replace_file(disk, path, bytes).has_value());
}

TEST(SlotFile, a_missing_file_is_made_or_refused_as_asked) {
  sim::Disk disk;
  const auto refused = open(disk, IfMissing::refuse);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::data_loss);
  EXPECT_NE(refused.error().message.find("small is missing: without it"), std::string::npos);
  EXPECT_EQ(open(disk)->value(), std::nullopt);
  EXPECT_TRUE(open(disk, IfMissing::refuse).has_value());
}

TEST(SlotFile, the_bytes_are_the_golden_ones) {
  sim::Disk disk;
  auto file = open(disk);
  ASSERT_TRUE(file->save(number(7)).has_value());
  ASSERT_TRUE(file->save(number(8)).has_value());
  const Buffer bytes = read(disk);
  ASSERT_EQ(bytes.size(), 2 * SlotFile::slot_size);
  const Buffer golden = golden_bytes("slot-file.hex");
  ASSERT_EQ(golden.size(), 2 * 56U);
  for (std::size_t slot = 0; slot < 2; ++slot) {
    EXPECT_EQ(to_hex(Bytes(bytes).subspan(slot * 512, 56)),
              to_hex(Bytes(golden).subspan(slot * 56, 56)));
    EXPECT_TRUE(equal(Bytes(bytes).subspan(slot * 512 + 56, 456), Buffer(456)));
  }
}

TEST(SlotFile, a_file_that_is_cut_or_spoiled_says_what_is_lost) {
  sim::Disk disk;
  ASSERT_TRUE(open(disk)->save(number(7)).has_value());
  const Buffer sound = read(disk);
  write(disk, Bytes(sound).first(700));
  EXPECT_NE(open(disk).error().message.find("small is cut short: without it"), std::string::npos);
  Buffer spoiled = sound;
  std::fill_n(spoiled.begin() + 512, 60, Byte{3});
  write(disk, spoiled);
  EXPECT_EQ(open(disk).error().code, Code::data_loss);
  EXPECT_NE(open(disk).error().message.find("small is damaged: without it"), std::string::npos);
  // Of another kind of file.
  write(disk, sound);
  constexpr SlotFormat other{"MRDNELSE", 8, "-"};
  EXPECT_EQ(SlotFile::open(disk, path, other, IfMissing::refuse).error().code, Code::data_loss);
}

TEST(SlotFile, one_wrong_bit_is_told_and_what_was_held_is_still_certain) {
  sim::Disk disk;
  auto file = open(disk);
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(file->save(number(i)).has_value());
  const Buffer sound = read(disk);
  for (std::size_t at = 0; at < sound.size(); at += 5) {
    Buffer flipped = sound;
    flipped[at] ^= static_cast<Byte>(1u << (at % 8));
    write(disk, flipped);
    const auto opened = open(disk);
    ASSERT_TRUE(opened.has_value()) << at;
    EXPECT_EQ(number(opened->value()), 3U) << at;
    ASSERT_TRUE(opened->damage().has_value()) << at;
    EXPECT_EQ(opened->damage()->slot, at / 512);
    EXPECT_EQ(number(opened->damage()->held), at < 512 ? 2U : 3U) << at;
  }
}

TEST(SlotFile, after_a_failed_write_or_sync_nothing_is_saved) {
  for (const auto operation : {sim::DiskOperation::write, sim::DiskOperation::sync}) {
    sim::Disk disk;
    auto file = open(disk);
    ASSERT_TRUE(file->save(number(1)).has_value());
    disk.fail_next(operation);
    EXPECT_FALSE(file->save(number(2)).has_value());
    EXPECT_EQ(file->save(number(2)).error().code, Code::failed_precondition);
    EXPECT_EQ(file->save_hint(number(2)).error().code, Code::failed_precondition);
  }
}

TEST(SlotFile, a_file_made_with_a_value_holds_it_twice) {
  sim::Disk disk;
  ASSERT_TRUE(SlotFile::create(disk, path, format, number(5)).has_value());
  Buffer bytes = read(disk);
  for (const std::size_t slot : {0U, 1U}) {
    Buffer spoiled = bytes;
    std::fill_n(spoiled.begin() + static_cast<std::ptrdiff_t>(slot * 512), 60, Byte{3});
    write(disk, spoiled);
    EXPECT_EQ(number(open(disk)->value()), 5U);
  }
}

// Values only grow here. Whatever power does, the newest that was saved or a later hint is there;
// and what one start read, the next one reads too, whatever happens between them.
TEST(SlotFile, what_was_saved_survives_every_crash_and_hints_may) {
  for (std::uint64_t seed = 1; seed <= 600 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    sim::Random random(seed);
    auto disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
    std::uint64_t saved = 0;
    std::uint64_t next = 1;
    for (int life = 0; life < 8; ++life) {
      disk->crash_at_mutation(disk->mutation_count() + 1 + random.below(25));
      auto file = open(*disk);
      if (file) {
        ASSERT_GE(number(file->value()), saved);
        ASSERT_LT(number(file->value()), next);
        ASSERT_EQ(file->damage(), std::nullopt);
        if (file->make_durable()) saved = number(file->value());
      }
      while (file && !disk->has_crashed()) {
        if (saved > 0 && random.chance(0.6)) {
          if (!file->save_hint(number(next++))) break;
        } else {
          if (!file->save(number(next++))) break;
          saved = next - 1;
        }
      }
      file = Result<SlotFile>(Code::internal, "closed");
      disk = random.chance(0.3) ? disk->kill_process() : disk->crash(random.next());
    }
  }
}

// Not even a write torn inside a slot, as of a disk with larger sectors, costs what was saved.
TEST(SlotFile, a_hint_never_writes_over_the_last_saved_value) {
  sim::Disk disk;
  auto file = open(disk);
  for (std::uint64_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(file->save(number(10 * i)).has_value());
    for (std::uint64_t hint = 1; hint <= 3; ++hint) {
      const Buffer before = read(disk);
      ASSERT_TRUE(file->save_hint(number(10 * i + hint)).has_value());
      Buffer torn = read(disk);
      const std::size_t slot = equal(Bytes(before).first(512), Bytes(torn).first(512)) ? 1 : 0;
      std::fill_n(torn.begin() + static_cast<std::ptrdiff_t>(slot * 512), 60, Byte{3});
      sim::Disk other;
      write(other, torn);
      EXPECT_EQ(number(open(other)->value()), 10 * i);
    }
  }
}

}  // namespace
}  // namespace meridian::storage
