#include "replica/member_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meridian::replica {
namespace {

using ::testing::HasSubstr;
using Kind = consensus::MemberChange::Kind;
using State = consensus::PeerProgress::State;

GroupReport::Peer peer(std::uint64_t id, bool votes) {
  GroupReport::Peer one;
  one.member = {id, "eu", "127.0.0.1:1"};
  one.votes = votes;
  one.state = State::replicate;
  one.is_active = true;
  return one;
}

/// Replica 1 leads voters 1, 2, 3 and the learner 4.
GroupReport report() {
  GroupReport out;
  out.id = 1;
  out.role = consensus::Role::leader;
  out.peers = {peer(2, true), peer(3, true), peer(4, false)};
  return out;
}

const std::vector<MemberStep> promote_4{{{4, "", ""}, Kind::voter}};

std::string promotion_error(const std::function<void(GroupReport::Peer&)>& change) {
  GroupReport now = report();
  change(now.peers[2]);
  const Status status = check_going_on({{1, 2, 3, 4}, {}, {}, {}}, promote_4, now);
  return status ? "allowed" : status.error().message;
}

TEST(member_checks, a_learner_that_has_the_log_may_vote) {
  EXPECT_EQ(promotion_error([](GroupReport::Peer&) {}), "allowed");
  EXPECT_EQ(promotion_error([](GroupReport::Peer& p) { p.lag = promotion_lag_max; }), "allowed");
}

/// In a cell where nothing is written nobody answers a probe.
TEST(member_checks, a_learner_that_has_all_may_vote_though_it_is_probed) {
  EXPECT_EQ(promotion_error([](GroupReport::Peer& p) {
              p.state = State::probe;
              p.lag = 0;
            }),
            "allowed");
}

TEST(member_checks, a_learner_that_is_behind_is_told_by_how_much) {
  EXPECT_THAT(promotion_error([](GroupReport::Peer& p) { p.lag = promotion_lag_max + 1; }),
              HasSubstr("lacks 257 entries"));
  EXPECT_THAT(promotion_error([](GroupReport::Peer& p) {
                p.state = State::probe;
                p.lag = 1;
              }),
              HasSubstr("--wait"));
  EXPECT_THAT(promotion_error([](GroupReport::Peer& p) {
                p.state = State::snapshot;
                p.lag = 7'000;
              }),
              HasSubstr("copying the state: it lacks 7000"));
  EXPECT_THAT(promotion_error([](GroupReport::Peer& p) { p.is_active = false; }),
              HasSubstr("--join"));
}

TEST(member_checks, a_removal_after_which_too_few_voters_answer_is_refused) {
  GroupReport now = report();
  const std::vector<MemberStep> remove_2{{{2, "", ""}, Kind::remove}};
  EXPECT_TRUE(check_going_on({{1, 3}, {4}, {}, {}}, remove_2, now));
  now.peers[1].is_active = false;  // replica 3
  const Status refused = check_going_on({{1, 3}, {4}, {}, {}}, remove_2, now);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("only 1 answer now (silent: 3)"));
  EXPECT_TRUE(check_going_on({{1, 2, 4}, {}, {}, {}}, {{{3, "", ""}, Kind::remove}}, now));
}

}  // namespace
}  // namespace meridian::replica
