#include "replica/cosigned_head.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "replica/internal/crash_model.h"
#include "replica/internal/replica_rig.h"

namespace meridian::replica {
namespace {

constexpr std::size_t slot_size = 512;
constexpr std::size_t sequence_at = 8;

struct CosignedHeadTest : testing::Test {
  ReplicaRig rig;
  Buffer sound;  ///< The file after two heads were signed.

  void SetUp() override {
    rig.must_open();
    ASSERT_TRUE(rig.checkpoint().has_value());
    ASSERT_TRUE(rig.ask(accounts_request(4)).has_value());
    ASSERT_TRUE(rig.checkpoint().has_value());
    rig.close();
    auto read = io::read_file(*rig.disk, CosignedHead::path, 4'096);
    ASSERT_TRUE(read.has_value());
    sound = std::move(*read);
  }
  void write(Bytes bytes) {
    ASSERT_TRUE(io::replace_file(*rig.disk, CosignedHead::path, bytes).has_value());
  }
  std::uint64_t sequence(std::size_t slot) const {
    return load_le<std::uint64_t>(&sound[slot * slot_size + sequence_at]);
  }
};

TEST_F(CosignedHeadTest, one_wrong_bit_of_a_slot_is_told_and_what_it_held_is_still_certain) {
  const auto last = CosignedHead::open(*rig.disk)->last();
  ASSERT_TRUE(last.has_value());
  for (std::size_t at = 1; at < 2 * slot_size; at += 13) {
    Buffer flipped = sound;
    flipped[at] ^= 16;
    write(flipped);
    const auto head = CosignedHead::open(*rig.disk);
    ASSERT_TRUE(head.has_value()) << at;
    EXPECT_EQ(head->last(), last) << at;
    EXPECT_TRUE(head->is_certain()) << at;
    ASSERT_TRUE(head->damage().has_value()) << at;
    EXPECT_NE(head->damage()->find("slot " + std::to_string(at / slot_size)), std::string::npos);
  }
  write(sound);
  EXPECT_FALSE(CosignedHead::open(*rig.disk)->damage().has_value());
}

TEST_F(CosignedHeadTest, a_slot_beyond_reading_is_told_with_what_is_not_known) {
  Buffer spoiled = sound;
  const std::size_t newer = sequence(0) > sequence(1) ? 0 : 1;
  std::fill_n(spoiled.begin() + static_cast<std::ptrdiff_t>(newer * slot_size), 100, Byte{7});
  write(spoiled);
  EXPECT_FALSE(CosignedHead::open(*rig.disk)->is_certain());
  rig.must_open();
  ASSERT_EQ(rig.notices.size(), 1U);
  EXPECT_NE(rig.notices[0].find("Should the damaged one be the newer"), std::string::npos)
      << rig.notices[0];
  rig.close();
  EXPECT_FALSE(CosignedHead::open(*rig.disk)->damage().has_value()) << "signing wrote it again";
}

TEST_F(CosignedHeadTest, a_missing_file_is_refused_once_there_is_a_log) {
  ASSERT_TRUE(rig.disk->remove(CosignedHead::path).has_value());
  const Status opened = rig.open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_NE(opened.error().message.find("cosigned"), std::string::npos);
}

}  // namespace
}  // namespace meridian::replica
