// One cell of three replicas in three regions, in the simulator: scripts first, then seeds.
//
// MERIDIAN_SIM_SEEDS=N runs N seeds, MERIDIAN_SIM_FIRST=S from S on; a failure names its seed.
#include "sim_cluster/group.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace meridian::sim_cluster {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST(sim_group, three_nodes_elect_a_leader_and_answer) {
  Group group({.seed = 1});
  group.create_accounts(5);
  for (int i = 0; i < 20; ++i) {
    for (std::size_t n = 0; n < 3; ++n) group.send_something(n);
    group.run(20);
  }
  group.run(500);
  EXPECT_GE(group.counts().acknowledged, 15u);
  group.require_progress(5'000);
}

TEST(sim_group, the_death_of_the_leader_loses_nothing) {
  Group group({.seed = 2});
  group.create_accounts(5);
  Node& old_leader = group.leader_within(5'000);
  for (int i = 0; i < 10; ++i) {
    for (std::size_t n = 0; n < 3; ++n) group.send_something(n);
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
  group.create_accounts(5);
  for (int i = 0; i < 30; ++i) {
    for (std::size_t n = 0; n < 3; ++n) group.send_something(n);
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
  group.create_accounts(5);
  group.node(2).empty_disk(99);
  group.start(group.node(2));
  for (int i = 0; i < 20; ++i) {
    for (std::size_t n = 0; n < 3; ++n) group.send_something(n);
    group.run(50);
  }
  EXPECT_EQ(group.node(2).replica().visible_records(), 0u);
  bool told = false;
  for (const std::string& line : group.node(2).notices())
    told = told || line.find("had another disk") != std::string::npos;
  EXPECT_TRUE(told);
}

void disturb(Group& group) {
  sim::Random& random = group.random();
  const std::size_t number = random.below(group.nodes().size());
  Node& node = group.node(number);
  const Node& other = group.node(random.below(group.nodes().size()));
  switch (random.below(13)) {
    case 0:
    case 1:
      if (node.is_up() || node.is_copying()) {
        if (random.chance(0.5))
          node.kill();
        else
          node.crash(random.next());
      }
      [[fallthrough]];
    case 2:
      for (const auto& one : group.nodes())
        if (random.chance(0.7)) group.start(*one);
      break;
    case 11:
    case 12:  // power fails in the middle of a write or sync
      if (node.is_up()) node.fail_power_soon(random.below(6));
      break;
    case 3: group.net().isolate(node.name()); break;
    case 4:
    case 5: group.net().heal(); break;
    case 6:
      if (&node != &other) group.net().block(node.name(), other.name());
      break;
    case 7:
      if (&node != &other) group.net().hold(node.name(), other.name(), io::Channel::entries);
      break;
    case 8:
      if (&node != &other) group.net().break_links(node.name(), other.name());
      break;
    case 9: {
      sim::Path path;
      path.latency = io::milliseconds(static_cast<std::int64_t>(1 + random.below(20)));
      path.jitter = io::milliseconds(static_cast<std::int64_t>(random.below(10)));
      path.loss = random.chance(0.5) ? 0.1 : 0;
      path.duplicate = random.chance(0.5) ? 0.1 : 0;
      path.reorder = random.chance(0.5) ? 0.1 : 0;
      if (&node != &other) group.net().set_path(node.name(), other.name(), path);
      break;
    }
    default:
      if (node.is_up()) node.hold_disk(random.chance(0.5));
      break;
  }
}

void run_seed(std::uint64_t seed) {
  GroupSetup setup;
  setup.seed = seed;
  setup.checkpoint_interval = seed % 2 == 0 ? 60 : 400;
  Group group(setup);
  group.create_accounts(6);
  for (int round = 0; round < 60; ++round) {
    for (std::size_t n = 0; n < group.nodes().size(); ++n)
      if (group.random().chance(0.7)) group.send_something(n);
    if (group.random().chance(0.3)) group.read(group.random().below(group.nodes().size()));
    if (group.random().chance(0.4)) disturb(group);
    group.run(static_cast<std::int64_t>(10 + group.random().below(150)));
  }
  group.require_progress(30'000);
}

TEST(sim_group, no_seed_loses_or_changes_a_record) {
  const std::uint64_t first = from_environment("MERIDIAN_SIM_FIRST", 1);
  const std::uint64_t count = from_environment("MERIDIAN_SIM_SEEDS", 30);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    try {
      run_seed(seed);
    } catch (const Violation& violation) {
      FAIL() << violation.what() << "; again with MERIDIAN_SIM_FIRST=" << seed
             << " MERIDIAN_SIM_SEEDS=1";
    }
  }
}

}  // namespace
}  // namespace meridian::sim_cluster
