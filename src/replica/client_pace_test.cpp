#include "replica/client_pace.h"

#include <gtest/gtest.h>

namespace meridian::replica {
namespace {

constexpr std::uint64_t entry_bytes = 1'000'000;

/// A cell whose clients write as fast as they may, up to `wanted` entries a second, and a member
/// that gets up to `gets` of them.
class ClientPaceTest : public testing::Test {
 protected:
  void run(int seconds) {
    for (int half = 0; half < 2 * seconds; ++half) {
      std::uint64_t writes = wanted * entry_bytes / 2;
      if (limit) writes = std::min(writes, *limit / 2);
      bytes += writes;
      if (behind) matched = std::min(bytes / entry_bytes, matched + gets / 2);
      now = now + io::milliseconds(500);
      apply_us += busy_percent * 5'000;
      given += gives / 2;
      ClientPace::Now state{now, bytes, bytes / entry_bytes, apply_us, given, is_copied, {}};
      if (behind) state.matched[4] = matched;
      limit = pace.next(state);
      least = std::min(least, pace.percent());
    }
  }
  std::uint64_t lag() const { return bytes / entry_bytes - matched; }

  ClientPace pace;
  io::MonotonicTime now{};
  std::uint64_t wanted = 40, gets = 40;
  std::uint64_t bytes = 0, matched = 0;
  std::uint64_t busy_percent = 0, apply_us = 0;
  std::uint64_t gives = 0, given = 0;  // bytes of a state, a second and in all
  bool is_copied = false, behind = false;
  std::optional<std::uint64_t> limit;
  std::uint64_t least = 100;
};

TEST_F(ClientPaceTest, clients_are_slowed_until_a_member_gains_and_go_free_once_it_is_level) {
  run(20);
  is_copied = behind = true;
  const std::uint64_t lag_before = lag();
  run(60);
  ASSERT_TRUE(limit.has_value());
  EXPECT_LT(lag(), lag_before);
  behind = is_copied = false;
  run(1);
  EXPECT_FALSE(limit.has_value());
  EXPECT_EQ(pace.percent(), 100u);
}

TEST_F(ClientPaceTest, clients_keep_seven_tenths_however_slow_a_member_is) {
  run(20);
  is_copied = behind = true;
  gets = 2;
  run(120);
  EXPECT_EQ(limit, 40 * entry_bytes * 7 / 10);
  EXPECT_EQ(pace.percent(), 70u);
}

TEST_F(ClientPaceTest, a_cell_at_its_limit_gives_way_while_its_state_is_copied) {
  busy_percent = 100;
  run(80);
  EXPECT_FALSE(limit.has_value());
  is_copied = true;
  wanted = 30;  // what is left beside the copy
  gives = 80;
  run(4);
  EXPECT_EQ(limit, 40 * entry_bytes * 3 / 4);
  busy_percent = 60;  // as the clients are slowed
  run(30);
  EXPECT_EQ(limit, 40 * entry_bytes * 3 / 4);
  is_copied = false;
  run(1);
  EXPECT_FALSE(limit.has_value());
}

TEST_F(ClientPaceTest, nobody_is_slowed_for_a_copy_while_the_cell_has_time_for_it) {
  busy_percent = 79;
  run(20);
  is_copied = true;
  gives = 80;
  run(60);
  EXPECT_EQ(least, 100u);
}

TEST_F(ClientPaceTest, nobody_is_slowed_while_another_replica_gives_the_state) {
  busy_percent = 100;
  run(20);
  is_copied = true;
  run(60);
  EXPECT_EQ(least, 100u);
}

/// What holds the copy up is its disk, or the link.
TEST_F(ClientPaceTest, clients_get_more_again_once_the_cell_has_time_to_spare) {
  busy_percent = 100;
  run(20);
  is_copied = true;
  gives = 80;
  run(4);
  EXPECT_EQ(pace.percent(), 75u);
  busy_percent = 39;
  run(7);
  EXPECT_FALSE(limit.has_value());
}

/// A minute of little, then all that it can.
TEST_F(ClientPaceTest, nobody_is_held_to_a_share_of_a_pace_long_gone) {
  wanted = 1;
  run(60);
  wanted = 40;
  busy_percent = 100;
  run(15);
  is_copied = true;
  gives = 80;
  run(10);
  EXPECT_EQ(limit, 40 * entry_bytes * 3 / 4);
}

/// While it was copied, the cell was slower than it can be.
TEST_F(ClientPaceTest, what_clients_may_write_is_a_share_of_their_pace_before_the_copy) {
  run(20);
  is_copied = true;
  wanted = 20;
  run(20);
  wanted = 40;
  behind = true;
  gets = 2;
  run(20);
  EXPECT_EQ(limit, 40 * entry_bytes * 7 / 10);
}

TEST_F(ClientPaceTest, nobody_is_slowed_while_a_member_gains) {
  run(20);
  is_copied = behind = true;
  gets = 60;
  run(10);
  EXPECT_EQ(least, 100u);
  wanted = 0;
  gets = 0;
  run(10);
  EXPECT_EQ(least, 100u);
}

TEST_F(ClientPaceTest, clients_get_more_again_while_a_member_gains_more_than_it_needs) {
  run(20);
  is_copied = behind = true;
  gets = 20;
  run(10);
  ASSERT_EQ(pace.percent(), 70u);
  gets = 1'000;
  bytes += 100'000 * entry_bytes;
  run(10);
  EXPECT_EQ(pace.percent(), 100u);
  EXPECT_FALSE(limit.has_value());
}

}  // namespace
}  // namespace meridian::replica
