#include "storage/hard_state_file.h"

#include <gtest/gtest.h>

#include "sim/disk.h"
#include "sim/random.h"
#include "storage/internal/key_rig.h"

namespace meridian::storage {
namespace {

HardStateFile must_open(io::Disk& disk) {
  auto file = HardStateFile::open(disk, IfMissing::create);
  EXPECT_TRUE(file.has_value()) << file.error().message;
  return *std::move(file);
}

TEST(HardStateFile, the_newest_is_read_back_and_the_bytes_are_the_golden_ones) {
  sim::Disk disk;
  HardStateFile file = must_open(disk);
  EXPECT_EQ(file.state(), HardState{});
  ASSERT_TRUE(file.save({3, 0, 5}).has_value());
  ASSERT_TRUE(file.save({3, 2, 5}).has_value());
  ASSERT_TRUE(file.save_commit_hint(9).has_value());
  EXPECT_EQ(must_open(disk).state(), (HardState{3, 2, 9}));
  const Buffer bytes = io::read_file(disk, HardStateFile::path, 4096).value();
  const Buffer golden = golden_bytes("hard-state.hex");
  EXPECT_EQ(to_hex(Bytes(bytes).subspan(512, golden.size())), to_hex(golden));
}

TEST(HardStateFile, a_missing_or_spoiled_one_is_refused_and_no_backup_is_advised) {
  sim::Disk disk;
  auto refused = HardStateFile::open(disk, IfMissing::refuse);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::data_loss);
  EXPECT_NE(refused.error().message.find("hard_state is missing"), std::string::npos);
  EXPECT_NE(refused.error().message.find("new replica id"), std::string::npos);
  ASSERT_TRUE(io::replace_file(disk, HardStateFile::path, Buffer(1024, 7)).has_value());
  EXPECT_EQ(HardStateFile::open(disk, IfMissing::refuse).error().code, Code::data_loss);
}

TEST(HardStateFile, a_vote_that_may_be_forgotten_puts_the_replica_in_doubt) {
  sim::Disk disk;
  HardStateFile file = must_open(disk);
  ASSERT_TRUE(file.save({3, 1, 5}).has_value());
  ASSERT_TRUE(file.save({4, 2, 5}).has_value());
  const Buffer sound = io::read_file(disk, HardStateFile::path, 4096).value();
  Buffer flipped = sound;
  flipped[20] ^= 1;
  ASSERT_TRUE(io::replace_file(disk, HardStateFile::path, flipped).has_value());
  {
    const HardStateFile mended = must_open(disk);
    EXPECT_EQ(mended.state(), (HardState{4, 2, 5}));
    EXPECT_FALSE(mended.is_in_doubt());
    EXPECT_NE(mended.damage()->find("slot 0"), std::string::npos);
  }
  Buffer spoiled = sound;
  std::fill_n(spoiled.begin(), 60, Byte{7});
  ASSERT_TRUE(io::replace_file(disk, HardStateFile::path, spoiled).has_value());
  const HardStateFile doubtful = must_open(disk);
  EXPECT_EQ(doubtful.state(), (HardState{3, 1, 5}));
  EXPECT_TRUE(doubtful.is_in_doubt());
  EXPECT_NE(doubtful.damage()->find("Should the damaged one be the newer"), std::string::npos);
  EXPECT_TRUE(must_open(disk).is_in_doubt()) << "opening must not hide it";
}

TEST(HardStateFile, a_term_never_goes_down_and_a_vote_never_changes) {
  sim::Disk disk;
  HardStateFile file = must_open(disk);
  ASSERT_TRUE(file.save({3, 2, 5}).has_value());
  EXPECT_DEATH((void)file.save({2, 2, 5}), "state.term >= state_.term");
  EXPECT_DEATH((void)file.save({3, 1, 5}), "vote");
  EXPECT_DEATH((void)file.save({3, 0, 5}), "vote");
  EXPECT_TRUE(file.save({4, 0, 5}).has_value());
  EXPECT_TRUE(file.save({4, 1, 5}).has_value());
}

TEST(HardStateFile, no_crash_undoes_a_vote_and_a_commit_hint_is_at_most_lost) {
  for (std::uint64_t seed = 1; seed <= 400 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    sim::Random random(seed);
    auto disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
    HardState saved;
    HardState in_flight;
    for (int life = 0; life < 6; ++life) {
      disk->crash_at_mutation(disk->mutation_count() + 1 + random.below(20));
      auto file = HardStateFile::open(*disk, IfMissing::create);
      while (file && !disk->has_crashed()) {
        in_flight = file->state();
        if (in_flight.term > 0 && random.chance(0.5)) {
          if (!file->save_commit_hint(++in_flight.commit)) break;
          continue;
        }
        if (in_flight.vote != 0 || random.chance(0.5)) {
          in_flight = {in_flight.term + 1, 0, in_flight.commit};
        } else {
          in_flight.vote = 1 + random.below(3);
        }
        if (!file->save(in_flight)) break;
        saved = in_flight;
      }
      file = Result<HardStateFile>(Code::internal, "closed");
      disk = random.chance(0.3) ? disk->kill_process() : disk->crash(random.next());
      file = HardStateFile::open(*disk, IfMissing::create);
      ASSERT_TRUE(file.has_value()) << file.error().message;
      const HardState& found = file->state();
      const bool is_saved = found.term == saved.term && found.vote == saved.vote;
      const bool is_last = found.term == in_flight.term && found.vote == in_flight.vote;
      ASSERT_TRUE(is_saved || is_last) << found.term << " " << found.vote;
      ASSERT_GE(found.commit, saved.commit);
      saved = found;
    }
  }
}

}  // namespace
}  // namespace meridian::storage
