// Members that come and go: what those who are out, or not in yet, are told.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim_cluster/group.h"

namespace meridian::sim_cluster {
namespace {

using Kind = consensus::MemberChange::Kind;

bool was_told(const Node& node, std::string_view words) {
  const auto& lines = node.notices();
  return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
    return line.find(words) != std::string::npos;
  });
}

void work(Group& group, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    for (std::size_t n = 0; n < 3; ++n)
      if (group.node(n).is_up()) group.clients().send(group.node(n));
    group.run(20);
  }
}

TEST(sim_members, one_that_was_removed_learns_it_from_the_others) {
  Group group({.seed = 11});
  group.open_accounts(5, *find_workload("mix"));
  work(group, 10);
  group.add_node("region-1");
  group.change_members({{{4, "region-1", "node-4:7001"}, Kind::learner}});
  group.run(3'000);
  group.change_members({{{4, "", ""}, Kind::voter}, {{1, "", ""}, Kind::remove}});
  group.run(2'000);
  EXPECT_TRUE(was_told(group.node(0), "was removed from its cell"));
  EXPECT_FALSE(was_told(group.node(1), "was removed"));
  // Also one that was down all along.
  group.node(0).kill();
  const std::size_t before = group.node(0).notices().size();
  group.start(group.node(0));
  group.run(2'000);
  const auto& lines = group.node(0).notices();
  EXPECT_TRUE(std::any_of(
      lines.begin() + static_cast<std::ptrdiff_t>(before), lines.end(),
      [](const std::string& line) { return line.find("was removed") != std::string::npos; }));
}

TEST(sim_members, an_emptied_disk_under_its_old_id_is_told_how_to_replace_it) {
  Group group({.seed = 12});
  group.open_accounts(5, *find_workload("mix"));
  work(group, 10);
  group.node(2).empty_disk(99);
  group.start(group.node(2));
  group.run(3'000);
  EXPECT_TRUE(was_told(group.node(2), "meridian node replace 3 NEW=region-3@HOST:PORT"));
  EXPECT_EQ(group.node(2).replica().visible_records(), 0u);
}

TEST(sim_members, an_emptied_disk_that_knows_one_member_alone_is_told_by_the_others) {
  Group group({.seed = 21});
  group.open_accounts(5, *find_workload("mix"));
  work(group, 10);
  group.add_node("region-1");
  group.change_members({{{4, "region-1", "node-4:7001"}, Kind::learner}});
  group.run(3'000);
  group.change_members({{{4, "", ""}, Kind::voter}, {{1, "", ""}, Kind::remove}});
  group.node(0).kill();
  group.run(3'000);  // until everybody knows the keys of the new voter
  work(group, 10);
  group.node(2).empty_disk(99);  // of its founders only replica 2 is left
  group.start(group.node(2));
  group.run(3'000);
  EXPECT_TRUE(was_told(group.node(2), "meridian node replace 3 NEW=region-3@HOST:PORT"));
}

/// What is committed of its log it hears from a leader only; and that one joined by a part of it.
TEST(sim_members, a_restarted_member_is_found_by_a_leader_that_joined_after_its_checkpoint) {
  Group group({.seed = 24, .checkpoint_interval = 100'000});
  group.open_accounts(5, *find_workload("mix"));
  work(group, 10);
  group.op().replace(group.node(2));
  for (int i = 0; i < 200 && group.op().is_busy(); ++i) group.run(50);
  ASSERT_FALSE(group.op().is_busy());
  Node& one = group.node(0);
  Node& joiner = group.node(3);
  for (int i = 0; i < 50 && group.leader() != &joiner; ++i) {
    group.leader_within(5'000).replica().transfer_leadership(joiner.id());
    group.run(200);
  }
  ASSERT_EQ(group.leader(), &joiner);
  one.kill();
  group.run(200);
  group.start(one);
  group.run(3'000);
  EXPECT_EQ(group.leader(), &joiner);
  EXPECT_EQ(one.replica().visible_records(), joiner.replica().visible_records());
}

TEST(sim_members, one_that_copies_a_state_hears_that_it_was_removed) {
  Group group({.seed = 27, .checkpoint_interval = 40});
  group.open_accounts(5, *find_workload("mix"));
  group.add_node("region-2");
  group.change_members({{{4, "region-2", "node-4:7001"}, Kind::learner}});
  group.run(2'000);
  Node& late = group.node(1);
  group.net().isolate(late.name());
  for (int i = 0; i < 100; ++i) {
    group.clients().send(group.leader_within(5'000));
    group.run(20);
  }
  group.net().heal();
  for (const char* from : {"node-1", "node-3"})  // the copy does not end
    group.net().hold(from, late.name(), io::Channel::bulk);
  for (int i = 0; i < 100 && !late.is_copying(); ++i) group.run(50);
  ASSERT_TRUE(late.is_copying());
  group.change_members({{{4, "", ""}, Kind::voter}, {{2, "", ""}, Kind::remove}});
  for (int i = 0; i < 60 && late.is_copying(); ++i) group.run(50);
  EXPECT_TRUE(was_told(late, "the copy ended: replica 2 was removed from its cell"));
}

TEST(sim_members, one_that_waits_is_told_how_it_is_added) {
  Group group({.seed = 13});
  group.open_accounts(5, *find_workload("mix"));
  Node& joiner = group.add_node("region-1");
  group.run(3'000);
  EXPECT_TRUE(was_told(joiner, "meridian node add 4=region-1@node-4:7001"));
}

TEST(sim_members, one_that_knows_one_member_alone_finds_the_leader) {
  GroupSetup setup{.seed = 14};
  Group* built = nullptr;
  setup.adjust = [&](replica::ReplicaConfig& config) {
    if (built != nullptr) config.group->founders.resize(1);  // of the joiner: only replica 1
  };
  Group group(setup);
  group.open_accounts(5, *find_workload("mix"));
  work(group, 10);
  group.leader_within(5'000);
  for (int tries = 0; tries < 20 && group.leader()->id() == 1; ++tries) {
    group.leader()->replica().transfer_leadership(2);
    group.run(500);
  }
  ASSERT_NE(group.leader_within(5'000).id(), 1u);
  built = &group;
  Node& joiner = group.add_node("region-1");
  group.change_members({{{4, "region-1", "node-4:7001"}, Kind::learner}});
  group.run(5'000);
  ASSERT_TRUE(joiner.is_up());
  EXPECT_GE(joiner.copies(), 1u);
  EXPECT_GT(joiner.replica().visible_records(), 0u);
}

TEST(sim_members, a_change_that_leadership_moved_away_from_is_unknown_and_names_where_to_look) {
  Group group({.seed = 17});
  group.open_accounts(5, *find_workload("mix"));
  Node& leader = group.leader_within(5'000);
  group.net().isolate(leader.name());
  std::optional<Status> answer;
  leader.replica().change_members({{{4, "region-1", "node-4:7001"}, Kind::learner}},
                                  [&](const Status& status) { answer = status; });
  group.run(5'000);
  group.net().heal();
  group.run(2'000);
  ASSERT_TRUE(answer && !*answer);
  EXPECT_EQ(answer->error().code, Code::deadline_exceeded);
  EXPECT_NE(answer->error().message.find("meridian node list"), std::string::npos);
}

TEST(sim_members, a_change_through_who_does_not_lead_is_refused_and_nothing_was_done) {
  Group group({.seed = 15});
  group.open_accounts(5, *find_workload("mix"));
  Node& leader = group.leader_within(5'000);
  Node& other = group.node(leader.id() % 3);
  std::optional<Status> answer;
  other.replica().change_members({{{4, "region-1", "node-4:7001"}, Kind::learner}},
                                 [&](const Status& status) { answer = status; });
  group.run(100);
  ASSERT_TRUE(answer && !*answer);
  EXPECT_EQ(answer->error().code, Code::unavailable);
  EXPECT_NE(answer->error().message.find("nothing was done"), std::string::npos);
}

}  // namespace
}  // namespace meridian::sim_cluster
