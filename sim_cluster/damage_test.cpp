// What rots on a replica's disk comes from the others, and nobody has to do anything for it.
#include <gtest/gtest.h>

#include "sim_cluster/group.h"

namespace meridian::sim_cluster {
namespace {

constexpr std::uint64_t interval = 20;

bool said(const Node& node, std::string_view what) {
  return std::ranges::any_of(node.notices(), [&](const std::string& line) {
    return line.find(what) != std::string::npos;
  });
}

/// Clients work until every replica has cut a few state checkpoints.
void fill(Group& group) {
  group.open_accounts(5, *find_workload("mix"));
  for (int i = 0; i < 40; ++i) {
    for (const auto& node : group.nodes())
      if (node->is_up()) group.clients().send(*node);
    group.run(30);
  }
  group.run(1'000);
}

/// Of each file in `directory`, the bit at `offset`. Returns how many files there were.
std::size_t rot_all(Node& node, const std::string& directory, std::uint64_t offset) {
  std::size_t count = 0;
  for (const std::string& name : node.disk().list(directory).value_or(std::vector<std::string>{}))
    if (node.rot_at(directory + "/" + name, offset, 3)) ++count;
  return count;
}

class DamageTest : public testing::Test {
 protected:
  Group group_{{.seed = 31, .checkpoint_interval = interval}};

  /// A follower is closed, a bit of its files in `directory` flips, it starts again.
  Node& start_with_rot(const std::string& directory, std::uint64_t offset) {
    fill(group_);
    Node& node = group_.node(group_.leader_within(5'000).id() % 3);
    node.kill();
    EXPECT_GT(rot_all(node, directory, offset), 0u);
    group_.start(node);
    group_.require_progress(20'000);
    EXPECT_FALSE(node.lost().has_value()) << node.lost().value_or("");
    EXPECT_EQ(node.replica().visible_records(), group_.checker().records());
    return node;
  }
};

TEST_F(DamageTest, a_state_that_rotted_is_copied_from_another) {
  Node& node = start_with_rot("state", 200);
  EXPECT_TRUE(said(node, "what this replica keeps is damaged"));
  EXPECT_EQ(node.copies(), 1u);
  EXPECT_EQ(node.resupplies(), 0u);  // its log stayed
}

TEST_F(DamageTest, records_that_rotted_at_their_end_are_copied_from_another) {
  Node& node = start_with_rot("headers", 100);
  EXPECT_TRUE(said(node, "what this replica keeps is damaged"));
  EXPECT_EQ(node.copies(), 1u);
}

/// The keys of a run, which no start reads: a merge meets them, a look-up, or the scrub.
TEST_F(DamageTest, an_index_that_rotted_is_found_while_the_replica_serves) {
  Node& node = start_with_rot("index/streams", 128 + 60);
  group_.run(30'000);
  EXPECT_EQ(node.copies(), 1u);
  EXPECT_EQ(node.repairs(), 1u);
}

/// Nobody reads them, and nothing is written meanwhile: only the scrub does.
TEST_F(DamageTest, records_that_rotted_in_the_middle_are_found_by_the_scrub) {
  fill(group_);
  Node& node = group_.node(group_.leader_within(5'000).id() % 3);
  ASSERT_GT(rot_all(node, "payloads", 200), 0u);
  group_.run(30'000);
  EXPECT_EQ(node.copies(), 1u);
  EXPECT_EQ(node.repairs(), 1u);
  group_.require_progress(20'000);
}

TEST_F(DamageTest, a_log_that_rotted_is_supplied_again) {
  Node& node = start_with_rot("wal", 4096 + 100);
  EXPECT_TRUE(said(node, "the log ends after entry"));
  EXPECT_GE(node.resupplies(), 1u);
}

TEST_F(DamageTest, a_log_whose_header_rotted_is_supplied_again) {
  Node& node = start_with_rot("wal", 60);
  EXPECT_GE(node.resupplies(), 1u);
}

/// Nothing of the process is left to know that a copy had begun.
TEST_F(DamageTest, a_repair_goes_on_after_a_crash) {
  fill(group_);
  Node& node = group_.node(group_.leader_within(5'000).id() % 3);
  node.kill();
  rot_all(node, "state", 200);
  for (std::uint64_t nth = 1; nth <= 30; ++nth) {
    if (node.may_start()) {
      node.fail_power_after(nth, nth);
      group_.start(node);
    }
    group_.run(200);
  }
  group_.require_progress(20'000);
  EXPECT_FALSE(node.lost().has_value());
  EXPECT_GE(node.copies(), 1u);
}

/// Who copies asks the leader first, whose record rotted without its knowing.
TEST(Damage, a_state_that_one_cannot_give_comes_from_another) {
  Group group({.seed = 31, .checkpoint_interval = interval, .adjust = [](auto& config) {
                 config.scrub_bytes_per_second = 0;
               }});
  fill(group);
  Node& leader = group.leader_within(5'000);
  Node& late = group.node(leader.id() % 3);
  late.empty_disk(5);
  const auto payloads = leader.disk().list("payloads");
  ASSERT_TRUE(payloads && !payloads->empty());
  ASSERT_TRUE(leader.rot_at("payloads/" + payloads->front(), 200, 3));
  group.start(late);
  group.op().replace(late);
  for (int i = 0; i < 400 && group.op().is_busy(); ++i) group.run(50);
  EXPECT_EQ(group.op().replaced(), 1u);
  Node& fresh = *group.nodes().back();
  EXPECT_TRUE(said(fresh, "no state from this replica: "));
  group.require_progress(20'000);
}

}  // namespace
}  // namespace meridian::sim_cluster
