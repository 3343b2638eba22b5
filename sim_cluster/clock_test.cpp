// A leader whose clock goes wrong: it stamps nothing by it, and another one leads.
#include <gtest/gtest.h>

#include "ledger/header.h"
#include "sim_cluster/group.h"

namespace meridian::sim_cluster {
namespace {

constexpr io::Duration year = io::seconds(365 * 86'400);

std::uint64_t last_record_time(Node& node) {
  const std::uint64_t count = node.replica().visible_records();
  const Result<Buffer> header = node.replica().header(ledger::RecordIndex{count - 1});
  EXPECT_TRUE(header.has_value());
  return ledger::Header::decode(*header)->time;
}

TEST(sim_clock, a_leader_whose_clock_jumps_stamps_nothing_by_it_and_hands_over) {
  for (const bool is_ahead : {true, false}) {
    Group group({.seed = 21});
    group.open_accounts(5, *find_workload("mix"));
    group.run(2'000);
    Node& leader = group.leader_within(5'000);
    const std::uint64_t records = leader.replica().visible_records();
    const auto before = static_cast<std::uint64_t>(leader.clock().now().time);
    leader.clock().jump(is_ahead ? year : io::Duration{-static_cast<std::int64_t>(year)});
    EXPECT_FALSE(leader.replica().is_clock_confirmed());
    group.run(3'000);
    Node& next = group.leader_within(5'000);
    EXPECT_NE(next.id(), leader.id());
    EXPECT_TRUE(next.replica().is_clock_confirmed());
    group.require_progress(10'000);
    EXPECT_GT(next.replica().visible_records(), records);
    EXPECT_LT(last_record_time(next), before + 60'000'000'000);
    EXPECT_FALSE(leader.replica().is_clock_confirmed());
  }
}

TEST(sim_clock, a_follower_whose_clock_is_wrong_disturbs_nobody) {
  Group group({.seed = 22});
  group.open_accounts(5, *find_workload("mix"));
  group.run(2'000);
  Node& leader = group.leader_within(5'000);
  Node& other = group.node(leader.id() % 3);
  other.clock().jump(year);
  group.run(3'000);
  EXPECT_EQ(group.leader_within(1'000).id(), leader.id());
  EXPECT_TRUE(leader.replica().is_clock_confirmed());
}

}  // namespace
}  // namespace meridian::sim_cluster
