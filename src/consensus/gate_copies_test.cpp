// Members that copy the state of a leader that goes on, by script (docs/design/raft_contract.md).
#include <gtest/gtest.h>

#include "consensus/internal/gate_group_rig.h"

namespace meridian::consensus::gate {
namespace {

/// Longer than a leader waits for a sign of who copies (RaftHost::snapshot_elections).
constexpr std::int64_t long_ms = 5'000;

class GateCopiesTest : public testing::Test {
 protected:
  GateCopiesTest() : group(quiet()) {
    leader = group.leader_within(2'000);
    copies = leader == 1 ? 2 : 1;
    group.member(leader).node().keep_for_copies(1 << 30);
    group.member(copies).crash();
    write(200);
    group.member(copies).start();
  }

  static GroupSetup quiet() {
    GroupSetup setup;
    setup.seed = 21;
    setup.links.delay_ms_max = 1;
    return setup;
  }
  /// Goes on for so long, with a checkpoint now and then, and releases what they cover.
  void write(std::int64_t ms) {
    for (std::int64_t passed = 0; passed < ms; passed += 5) {
      ASSERT_TRUE(group.propose(leader));
      group.run(5);
      if (passed % 100 == 95) group.member(leader).checkpoint(0);
    }
  }

  Group group;
  std::uint64_t leader = 0;
  std::uint64_t copies = 0;
};

/// Nothing is heard of it while it is closed and at work; a large state takes long to install.
TEST_F(GateCopiesTest, who_installs_for_long_in_silence_is_given_the_log_behind_its_state) {
  group.member(copies).set_install_time(io::milliseconds(long_ms - 1'000));
  write(25);
  group.isolate(copies);
  write(100);
  group.member(leader).node().snapshot_active(copies);
  write(long_ms);
  ASSERT_EQ(group.member(copies).installs(), 1u);
  group.member(copies).set_install_time(io::milliseconds(30));
  group.heal();
  write(1'000);
  group.run(100);
  EXPECT_TRUE(group.all_equal());
  EXPECT_EQ(group.member(copies).installs(), 1u);
}

/// It never heard of the state that the leader waits for.
TEST_F(GateCopiesTest, who_did_not_get_its_offer_is_offered_the_state_again) {
  group.block(leader, copies);
  write(long_ms);
  EXPECT_EQ(group.member(copies).installs(), 0u);
  group.heal();
  write(1'000);
  group.run(100);
  EXPECT_TRUE(group.all_equal());
  EXPECT_EQ(group.member(copies).installs(), 1u);
}

}  // namespace
}  // namespace meridian::consensus::gate
