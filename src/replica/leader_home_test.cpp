#include "replica/leader_home.h"

#include <gtest/gtest.h>

namespace meridian::replica {
namespace {

io::MonotonicTime at(int seconds) { return io::MonotonicTime{} + io::seconds(seconds); }

GroupReport::Peer peer(std::uint64_t id, const std::string& region) {
  GroupReport::Peer one;
  one.member = {id, region, "somewhere:1"};
  one.votes = true;
  one.is_active = true;
  one.matched = 100;
  return one;
}

class LeaderHomeTest : public testing::Test {
 protected:
  LeaderHomeTest() {
    report.id = 1;
    report.region = "us";
    report.may_propose = true;
    report.peers = {peer(2, "eu"), peer(3, "asia")};
  }
  GroupReport report;
  LeaderHome home{"eu"};
};

TEST_F(LeaderHomeTest, moves_once_home_was_healthy_for_long_enough) {
  EXPECT_EQ(home.next(report, at(0)), std::nullopt);
  EXPECT_EQ(home.next(report, at(9)), std::nullopt);
  EXPECT_EQ(home.next(report, at(10)), 2u);
  EXPECT_EQ(home.next(report, at(11)), std::nullopt) << "not again at once, should it fail";
  EXPECT_EQ(home.next(report, at(21)), 2u);
}

TEST_F(LeaderHomeTest, stays_where_it_is_if_that_is_home_or_there_is_none) {
  report.region = "eu";
  home.next(report, at(0));
  EXPECT_EQ(home.next(report, at(60)), std::nullopt);
  report.region = "us";
  LeaderHome nowhere{""};
  nowhere.next(report, at(0));
  EXPECT_EQ(nowhere.next(report, at(60)), std::nullopt);
}

TEST_F(LeaderHomeTest, waits_anew_after_any_break) {
  for (const auto& spoil : std::vector<std::function<void(GroupReport::Peer&)>>{
           [](auto& one) { one.is_active = false; }, [](auto& one) { one.votes = false; },
           [](auto& one) { one.lag = LeaderHome::lag_max + 1; }}) {
    LeaderHome fresh{"eu"};
    fresh.next(report, at(0));
    GroupReport broken = report;
    spoil(broken.peers[0]);
    fresh.next(broken, at(5));
    EXPECT_EQ(fresh.next(report, at(11)), std::nullopt);
    EXPECT_EQ(fresh.next(report, at(21)), 2u);
  }
}

TEST_F(LeaderHomeTest, only_a_leader_that_may_propose_hands_over) {
  home.next(report, at(0));
  report.may_propose = false;
  EXPECT_EQ(home.next(report, at(15)), std::nullopt);
  report.may_propose = true;
  EXPECT_EQ(home.next(report, at(16)), std::nullopt) << "the time begins anew";
}

TEST_F(LeaderHomeTest, takes_the_one_that_is_furthest) {
  report.peers.push_back(peer(4, "eu"));
  report.peers.back().matched = 101;
  home.next(report, at(0));
  EXPECT_EQ(home.next(report, at(10)), 4u);
}

}  // namespace
}  // namespace meridian::replica
