// One cell of three replicas in three regions, in the simulator: scripts.
#include "sim_cluster/group.h"

#include <gtest/gtest.h>

namespace meridian::sim_cluster {
namespace {

const Workload& mix() { return *find_workload("mix"); }

void send_everywhere(Group& group) {
  for (const auto& node : group.nodes())
    if (node->is_up()) group.clients().send(*node);
}

TEST(sim_group, three_nodes_elect_a_leader_and_answer) {
  Group group({.seed = 1});
  group.open_accounts(5, mix());
  for (int i = 0; i < 20; ++i) {
    send_everywhere(group);
    group.run(20);
  }
  group.run(500);
  EXPECT_GE(group.clients().counts().acknowledged, 15u);
  group.require_progress(5'000);
}

/// One of two that never met could lose its disk, and let the other have what a third never saw.
TEST(sim_group, a_cell_begins_once_all_founders_have_let_each_other_in) {
  Group group({.seed = 23});
  group.net().block_both_ways("node-2", "node-3");
  group.run(3'000);
  EXPECT_EQ(group.leader(), nullptr);
  const std::vector<std::string>& said = group.node(2).notices();
  EXPECT_TRUE(std::any_of(said.begin(), said.end(), [](const std::string& line) {
    return line.find("let it in. missing: 2") != std::string::npos;
  }));
  EXPECT_EQ(group.node(0).notices().size(), 0u);
  group.net().heal();
  group.leader_within(2'000);
  // From then on two suffice.
  group.node(0).kill();
  group.node(1).kill();
  group.start(group.node(1));
  group.leader_within(2'000);
}

TEST(sim_group, the_death_of_the_leader_loses_nothing) {
  Group group({.seed = 2});
  group.open_accounts(5, mix());
  Node& old_leader = group.leader_within(5'000);
  for (int i = 0; i < 10; ++i) {
    send_everywhere(group);
    group.run(5);
  }
  old_leader.crash(7);
  Node& next = group.leader_within(5'000);
  EXPECT_NE(&next, &old_leader);
  group.require_progress(10'000);
}

TEST(sim_group, a_new_replica_learns_votes_and_takes_the_place_of_another) {
  using Kind = consensus::MemberChange::Kind;
  Group group({.seed = 3});
  group.open_accounts(5, mix());
  for (int i = 0; i < 30; ++i) {
    send_everywhere(group);
    group.run(20);
  }
  Node& joiner = group.add_node("region-1");
  group.change_members({{{4, "region-1", "node-4:7001"}, Kind::learner}});
  group.run(3'000);
  ASSERT_TRUE(joiner.is_up());
  EXPECT_EQ(joiner.copies(), 1u);
  group.change_members({{{4, "", ""}, Kind::voter}, {{1, "", ""}, Kind::remove}});
  group.node(0).kill();  // its disk is gone for good
  group.node(1).kill();
  group.run(3'000);
  Node& leader = group.leader_within(20'000);  // of replicas 3 and 4 alone
  EXPECT_TRUE(leader.id() == 3 || leader.id() == 4) << leader.id();
  group.start(group.node(1));
  group.run(2'000);
  EXPECT_EQ(group.node(3).replica().visible_records(), group.node(2).replica().visible_records());
}

TEST(sim_group, an_emptied_disk_under_its_old_id_is_refused) {
  Group group({.seed = 4});
  group.open_accounts(5, mix());
  group.node(2).empty_disk(99);
  group.start(group.node(2));
  for (int i = 0; i < 20; ++i) {
    send_everywhere(group);
    group.run(50);
  }
  EXPECT_EQ(group.node(2).replica().visible_records(), 0u);
  bool told = false;
  for (const std::string& line : group.node(2).notices())
    told = told || line.find("had another disk") != std::string::npos;
  EXPECT_TRUE(told);
}

/// Records that are applied, stored or not.
std::uint64_t applied(Group& group, Node& node) {
  std::optional<std::uint64_t> count;
  node.replica().read_state([&](const ledger::Ledger& ledger) { count = ledger.counts().records; });
  for (int i = 0; i < 100 && !count; ++i) group.run(1);
  EXPECT_TRUE(count.has_value());
  return count.value_or(0);
}

/// What it applied waits in memory for that: a leader takes no more, a follower applies no more.
TEST(sim_group, a_follower_that_stores_nothing_applies_no_more_than_it_may_hold) {
  constexpr std::uint64_t entries_max = 16;
  GroupSetup setup{.seed = 31};
  setup.checkpoint_interval = 10'000;
  setup.adjust = [](replica::ReplicaConfig& config) {
    config.limits.unproven_entries_max = entries_max;
  };
  Group group(setup);
  group.open_accounts(5, mix());
  Node& leader = group.leader_within(5'000);
  Node& follower = *group.find(leader.id() % 3 + 1);
  const auto write = [&] {
    for (std::uint64_t i = 0; i < 3 * entries_max; ++i) {
      group.clients().send(leader);
      group.run(20);
    }
  };
  group.run(500);
  const std::uint64_t before = applied(group, follower);
  follower.hold(Stage::prove, true);
  write();
  const std::uint64_t then = applied(group, follower);
  EXPECT_GE(then, before + entries_max);
  const std::uint64_t ordered = applied(group, leader);
  EXPECT_GT(ordered, then);
  write();
  EXPECT_EQ(applied(group, follower), then);
  EXPECT_GT(applied(group, leader), ordered);
  follower.hold(Stage::prove, false);
  group.require_progress(5'000);
  EXPECT_EQ(applied(group, follower), applied(group, leader));
}

/// Whoever is behind is closed while it copies: of a member that is no founder it must still know
/// where that is.
TEST(sim_group, a_member_that_fell_behind_copies_the_state_of_one_that_joined_later) {
  using Kind = consensus::MemberChange::Kind;
  Group group({.seed = 9, .checkpoint_interval = 40});
  group.open_accounts(5, mix());
  Node& late = group.node(1);
  Node& joiner = group.add_node("region-1");
  group.change_members({{{4, "region-1", "node-4:7001"}, Kind::learner}});
  group.run(2'000);
  group.net().isolate(late.name());
  group.change_members({{{4, "", ""}, Kind::voter}, {{1, "", ""}, Kind::remove}});
  group.node(0).retire();
  for (int i = 0; i < 50 && group.leader() != &joiner; ++i) {
    group.leader_within(20'000).replica().transfer_leadership(joiner.id());
    group.run(200);
  }
  ASSERT_EQ(group.leader(), &joiner);
  for (int i = 0; i < 100; ++i) {
    group.clients().send(joiner);
    group.run(20);
  }
  group.require_progress(20'000);
  EXPECT_EQ(group.leader(), &joiner);
  EXPECT_GE(late.copies(), 1u);
}

/// The new member has never met the disk that was emptied, so it cannot know that it was another.
TEST(sim_group, an_emptied_disk_under_its_old_id_does_not_vote_for_a_new_member) {
  Group group({.seed = 5});
  group.open_accounts(5, mix());
  group.net().block_both_ways("node-3", "node-4");
  group.op().replace(group.node(0));
  for (int i = 0; i < 200 && group.op().is_busy(); ++i) group.run(50);
  ASSERT_FALSE(group.op().is_busy());
  Node& two = group.node(1);
  Node& three = group.node(2);
  Node& four = group.node(3);
  for (int i = 0; i < 50 && group.leader() != &two; ++i) {
    group.leader_within(5'000).replica().transfer_leadership(two.id());
    group.run(200);
  }
  ASSERT_EQ(group.leader(), &two);
  // What is acknowledged now is on 2 and 3 alone; then 3 loses it, and 2 is cut off.
  group.net().hold(two.name(), four.name(), io::Channel::entries);
  for (int i = 0; i < 10; ++i) {
    group.clients().send(two);
    group.run(20);
  }
  group.run(300);
  three.empty_disk(99);
  group.net().heal();
  group.net().isolate(two.name());
  group.start(three);
  group.run(5'000);
  EXPECT_NE(group.leader(), &four);
  EXPECT_EQ(three.replica().visible_records(), 0u);
}

/// The same among members that joined later: which disk is whose says the record that let it vote.
TEST(sim_group, an_emptied_disk_of_a_member_does_not_vote_for_one_that_never_met_it) {
  Group group({.seed = 22});
  group.open_accounts(5, mix());
  const auto replace = [&](Node& old) {
    group.op().replace(old);
    for (int i = 0; i < 200 && group.op().is_busy(); ++i) group.run(50);
    ASSERT_FALSE(group.op().is_busy());
  };
  replace(group.node(0));
  group.net().block_both_ways("node-4", "node-5");
  replace(group.node(2));
  Node& two = group.node(1);
  Node& four = group.node(3);
  Node& five = group.node(4);
  for (int i = 0; i < 50 && group.leader() != &two; ++i) {
    group.leader_within(5'000).replica().transfer_leadership(two.id());
    group.run(200);
  }
  ASSERT_EQ(group.leader(), &two);
  // What is acknowledged now is on 2 and 4 alone; then 4 loses it, and 2 is cut off.
  group.net().hold(two.name(), five.name(), io::Channel::entries);
  for (int i = 0; i < 10; ++i) {
    group.clients().send(two);
    group.run(20);
  }
  group.run(300);
  four.empty_disk(99);
  group.net().heal();
  group.net().isolate(two.name());
  group.start(four);
  group.run(5'000);
  EXPECT_NE(group.leader(), &five);
  EXPECT_EQ(four.replica().visible_records(), 0u);
}

/// Writes that do not fit are refused, with nothing done; reads go on, and writes once there is
/// room.
TEST(sim_group, a_leader_whose_disk_is_nearly_full_refuses_writes_and_serves_reads) {
  Group group({.seed = 7});
  group.open_accounts(5, mix());
  Node& leader = group.leader_within(5'000);
  leader.limit_disk(900'000);  // less than it keeps in reserve
  group.run(1'500);
  ASSERT_EQ(group.leader(), &leader);
  const auto acknowledged = [&] { return group.clients().counts().acknowledged; };
  const std::uint64_t before = acknowledged();
  const std::uint64_t reads = group.checker().counts().reads;
  for (int i = 0; i < 5; ++i) {
    group.clients().send(leader);
    group.clients().read(leader);
    group.run(100);
  }
  EXPECT_EQ(acknowledged(), before);
  EXPECT_EQ(group.checker().counts().reads, reads + 5);
  leader.limit_disk(std::nullopt);
  group.run(1'500);
  for (int i = 0; i < 5; ++i) {
    group.clients().send(leader);
    group.run(100);
  }
  EXPECT_GE(acknowledged(), before + 5);
  group.require_progress(10'000);
}

/// The others go on; it stays, says why, and goes on once there is room.
TEST(sim_group, a_follower_whose_disk_is_full_waits_and_goes_on_by_itself) {
  Group group({.seed = 25, .checkpoint_interval = 100'000});
  group.open_accounts(5, mix());
  Node& leader = group.leader_within(5'000);
  Node& full = group.node(leader.id() % 3);
  full.limit_disk(400'000);  // less than its log leaves
  const std::uint64_t before = group.clients().counts().acknowledged;
  for (int i = 0; i < 60; ++i) {
    group.clients().send(leader);
    group.run(50);
    ASSERT_TRUE(full.is_up());
  }
  EXPECT_GE(group.clients().counts().acknowledged, before + 50);
  EXPECT_EQ(group.leader(), &leader);
  EXPECT_LT(full.replica().visible_records(), leader.replica().visible_records());
  const auto said = [&](const std::string& what) {
    return std::ranges::any_of(full.notices(), [&](const std::string& line) {
      return line.find(what) != std::string::npos;
    });
  };
  EXPECT_TRUE(said("below 0 the log takes nothing: no entry is taken until there is room"));
  EXPECT_FALSE(said("there is room again for the log"));
  full.limit_disk(std::nullopt);
  group.run(2'000);
  EXPECT_TRUE(full.is_up());
  EXPECT_TRUE(said("there is room again for the log"));
  EXPECT_EQ(full.replica().visible_records(), leader.replica().visible_records());
  EXPECT_EQ(group.leader(), &leader);
  EXPECT_EQ(full.copies(), 0u);
}

/// A leader like that hands over, as with a disk that hangs.
TEST(sim_group, a_leader_whose_disk_is_full_hands_over) {
  Group group({.seed = 26, .checkpoint_interval = 100'000});
  group.open_accounts(5, mix());
  Node& full = group.leader_within(5'000);
  full.limit_disk(400'000);
  for (int i = 0; i < 100; ++i) {
    send_everywhere(group);
    group.run(50);
    ASSERT_TRUE(full.is_up());
  }
  Node* next = group.leader();
  ASSERT_NE(next, nullptr);
  EXPECT_NE(next, &full);
  group.require_progress(10'000);
}

TEST(sim_group, a_machine_that_lost_its_disk_comes_back_under_a_new_id) {
  Group group({.seed = 8, .distances_differ = true});
  group.open_accounts(5, mix());
  Node& lost = group.node(1);
  lost.empty_disk(99);
  group.start(lost);
  group.op().replace(lost);
  for (int i = 0; i < 200 && group.op().is_busy(); ++i) {
    send_everywhere(group);
    group.run(50);
  }
  EXPECT_EQ(group.op().replaced(), 1u);
  EXPECT_TRUE(lost.is_retired());
  group.node(0).kill();  // the new one and the last of the founders are a majority
  Node& leader = group.leader_within(20'000);
  EXPECT_TRUE(leader.id() == 3 || leader.id() == 4) << leader.id();
  group.require_progress(10'000);
}

/// Power fails within a write of a member while every message comes twice, the second late.
TEST(sim_group, late_answers_do_not_mislead_a_log_that_is_supplied_again) {
  std::uint64_t resupplies = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Group group({.seed = seed, .checkpoint_interval = 20});
    group.open_accounts(5, mix());
    for (const char* from : {"node-1", "node-2", "node-3"})
      for (const char* to : {"node-1", "node-2", "node-3"})
        if (from != to) group.net().set_path(from, to, {.duplicate = 1});
    for (int i = 0; i < 12; ++i) {
      send_everywhere(group);
      if (i % 3 == 0)
        group.any_node().fail_power_after(1 + group.random().below(6), group.random().next());
      group.run(40);
      for (const auto& node : group.nodes()) group.start(*node);
    }
    group.require_progress(20'000);
    for (const auto& node : group.nodes()) resupplies += node->resupplies();
  }
  EXPECT_GE(resupplies, 3u);
}

}  // namespace
}  // namespace meridian::sim_cluster
