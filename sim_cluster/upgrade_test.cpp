// A cell that goes from feature level 1 to 2 while it is written to, step by step.
#include <gtest/gtest.h>

#include "sim_cluster/group.h"

namespace meridian::sim_cluster {
namespace {

class sim_upgrade : public testing::Test {
 protected:
  sim_upgrade() : group(old_versions()) {
    group.open_accounts(4, *find_workload("mix"));
    write();
  }
  static GroupSetup old_versions() {
    GroupSetup setup;
    setup.checkpoint_interval = 1'000'000;  // what a replica lacks comes from the log
    setup.adjust = [](replica::ReplicaConfig& config) { config.feature_level = 1; };
    return setup;
  }
  void write() {
    for (int i = 0; i < 10; ++i) {
      for (const auto& node : group.nodes())
        if (node->is_up()) group.clients().send(*node);
      group.run(100);
    }
  }
  /// Stops it, installs the version, starts it.
  void install(std::size_t number, std::uint32_t level) {
    Node& node = group.node(number);
    if (node.is_running()) node.kill();
    node.install(level);
    group.start(node);
    write();
  }
  std::string activate() {
    std::optional<Status> done;
    group.leader_within(10'000).replica().activate_level(
        2, [&done](const Status& status) { done = status; });
    group.run(1'000);
    EXPECT_TRUE(done.has_value());
    if (!done) return "no answer";
    return *done ? "done" : done->error().message;
  }
  static bool says(const std::string& text, std::string_view words) {
    return text.find(words) != std::string::npos;
  }

  Group group;
};

TEST_F(sim_upgrade, the_level_is_activated_once_every_member_runs_it) {
  EXPECT_TRUE(says(activate(), "runs level 1 only"));
  install(0, 2);
  install(1, 2);
  for (int i = 0; i < 50 && group.leader_within(10'000).id() == 3; ++i) {
    group.leader()->replica().transfer_leadership(1);
    group.run(500);
  }
  const std::string why = activate();
  EXPECT_TRUE(says(why, "replica 3 (region-3) runs level 1 only")) << why;
  EXPECT_FALSE(says(why, "replica 1")) << why;
  group.node(2).kill();
  group.run(1'000);
  EXPECT_TRUE(says(activate(), "replica 3 (region-3) has not said")) << "what it said before";
  install(1, 1);  // the way back
  install(2, 2);
  EXPECT_TRUE(says(activate(), "runs level 1 only"));
  install(1, 2);
  EXPECT_EQ(group.checker().feature_level(), 1u);
  EXPECT_EQ(activate(), "done");
  write();
  EXPECT_EQ(group.checker().feature_level(), 2u);
  EXPECT_TRUE(says(activate(), "active already"));
  group.require_progress(20'000);
}

TEST_F(sim_upgrade, a_replica_that_comes_back_with_the_version_before_stops_and_says_why) {
  for (std::size_t number : {0, 1, 2}) install(number, 2);
  EXPECT_EQ(activate(), "done");
  install(1, 1);  // dies of it, and is given the version that its error names
  EXPECT_EQ(group.node(1).outdated(), 1u);
  EXPECT_EQ(group.node(1).feature_level(), ledger::feature_level_newest);
  group.require_progress(20'000);
}

}  // namespace
}  // namespace meridian::sim_cluster
