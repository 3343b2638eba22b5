#include "replica/clock_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "replica/peer_message.h"
#include "sim/clock.h"

namespace meridian::replica {
namespace {

using ::testing::HasSubstr;

/// Replicas that ask each other, each with a clock of its own; 1 is the one that judges.
class ClockWatchTest : public testing::Test {
 protected:
  static constexpr io::Duration one_way = io::milliseconds(20);

  struct Member {
    sim::Clock clock;
    std::deque<std::pair<std::uint64_t, io::Parts>> sent;
    ClockWatch watch{clock, [this](std::uint64_t to, io::Parts message) {
                       sent.emplace_back(to, std::move(message));
                     }};
  };
  void SetUp() override {
    for (std::uint64_t id = 1; id <= 5; ++id) members[id] = std::make_unique<Member>();
  }
  Member& at(std::uint64_t id) { return *members.at(id); }
  void pass(io::Duration time) {
    for (auto& [id, member] : members) member->clock.advance(time);
  }
  void jump(std::uint64_t id, io::Duration by) {
    const auto now = static_cast<std::uint64_t>(at(id).clock.now().time);
    at(id).clock.set_wall(io::WallTime{now + static_cast<std::uint64_t>(by)});
  }
  /// There and back; the answer is read `late` after it came.
  void exchange(std::uint64_t peer, io::Duration late = {}) {
    at(1).watch.ask(peer);
    pass(one_way);
    at(peer).watch.receive(1, at(1).sent.back().second);
    pass(one_way);
    pass(late);
    at(1).watch.receive(peer, at(peer).sent.back().second);
  }
  ClockWatch::Verdict judge(std::uint64_t voters) {
    std::set<std::uint64_t> ids;
    for (std::uint64_t id = 1; id <= voters; ++id) ids.insert(id);
    return at(1).watch.judge(ids, 1);
  }

  std::map<std::uint64_t, std::unique_ptr<Member>> members;
};

TEST_F(ClockWatchTest, equal_clocks_are_right_whatever_messages_take) {
  exchange(2);
  exchange(3, io::seconds(2));  // read late: the error is as large
  const ClockWatch::Verdict verdict = judge(3);
  EXPECT_TRUE(verdict.is_known);
  EXPECT_FALSE(verdict.is_wrong);
  EXPECT_EQ(verdict.ahead, io::Duration{});
}

TEST_F(ClockWatchTest, a_clock_that_most_others_contradict_is_wrong) {
  for (const std::int64_t ahead_ms : {-3'600'000, -600, 600, 3'600'000}) {
    SetUp();
    jump(1, io::milliseconds(ahead_ms));
    exchange(2);
    exchange(3);
    const ClockWatch::Verdict verdict = judge(3);
    EXPECT_TRUE(verdict.is_wrong) << ahead_ms;
    EXPECT_EQ(static_cast<std::int64_t>(verdict.ahead) / 1'000'000, ahead_ms);
    EXPECT_TRUE(at(1).watch.may_lead(2, verdict));
    EXPECT_FALSE(at(1).watch.may_lead(4, verdict)) << "nothing is known of it";
  }
}

TEST_F(ClockWatchTest, half_a_second_is_let_pass) {
  jump(1, io::milliseconds(490));
  exchange(2);
  exchange(3);
  EXPECT_FALSE(judge(3).is_wrong);
}

TEST_F(ClockWatchTest, one_other_clock_that_is_wrong_changes_nothing) {
  jump(3, io::seconds(3'600));
  exchange(2);
  exchange(3);
  const ClockWatch::Verdict verdict = judge(3);
  EXPECT_FALSE(verdict.is_wrong);
  EXPECT_TRUE(at(1).watch.may_lead(2, verdict));
  EXPECT_FALSE(at(1).watch.may_lead(3, verdict));
}

TEST_F(ClockWatchTest, of_two_that_disagree_our_own_is_believed) {
  jump(2, io::seconds(3'600));
  exchange(2);
  const ClockWatch::Verdict verdict = judge(3);  // 3 is down
  EXPECT_TRUE(verdict.is_known);
  EXPECT_FALSE(verdict.is_wrong);
}

TEST_F(ClockWatchTest, less_than_a_quorum_says_nothing) {
  jump(1, io::seconds(3'600));
  exchange(2);
  EXPECT_FALSE(judge(5).is_known);
  EXPECT_FALSE(judge(5).is_wrong);
  exchange(3);
  EXPECT_TRUE(judge(5).is_wrong);
  pass(ClockWatch::fresh);
  pass(io::seconds(1));
  EXPECT_FALSE(judge(5).is_known) << "what was said long ago does not count";
}

TEST_F(ClockWatchTest, what_no_peer_of_ours_says_counts_for_nothing) {
  ClockWatch& watch = at(1).watch;
  Buffer answer(17, Byte{0xff});
  answer[0] = static_cast<Byte>(PeerTag::clock_answer);
  watch.receive(2, {std::make_shared<const Buffer>(answer)});
  watch.receive(2, {std::make_shared<const Buffer>(Buffer(3, Byte{16}))});
  watch.receive(2, {});
  store_le(answer.data() + 1, std::uint64_t{1});  // asked, and a time beyond all
  watch.receive(2, {std::make_shared<const Buffer>(answer)});
  EXPECT_FALSE(judge(3).is_known);
}

TEST(ClockGuard, stamps_until_it_is_judged_wrong) {
  sim::Clock clock;
  ClockGuard guard(clock);
  EXPECT_TRUE(guard.check().has_value());
  EXPECT_FALSE(guard.is_confirmed()) << "nobody agreed yet";
  guard.judge("", true);
  EXPECT_TRUE(guard.is_confirmed());
  guard.judge("the clock is wrong", true);
  EXPECT_FALSE(guard.is_confirmed());
  EXPECT_EQ(guard.check().error().code, Code::unavailable);
  EXPECT_THAT(guard.check().error().message, HasSubstr("the clock is wrong: nothing was done"));
  guard.judge("", false);
  EXPECT_TRUE(guard.check().has_value());
  EXPECT_FALSE(guard.is_confirmed());
}

TEST(ClockGuard, a_jump_stops_at_once_until_it_is_judged_again) {
  sim::Clock clock;
  ClockGuard guard(clock);
  guard.judge("", true);
  clock.advance(io::seconds(3));
  EXPECT_TRUE(guard.check().has_value());
  const auto now = static_cast<std::uint64_t>(clock.now().time);
  clock.set_wall(io::WallTime{now + 3'600'000'000'000});
  EXPECT_THAT(guard.check().error().message, HasSubstr("jumped"));
  EXPECT_FALSE(guard.is_confirmed());
  guard.judge("", true);
  EXPECT_TRUE(guard.check().has_value());
}

TEST(ClockGuard, a_confirmation_does_not_last) {
  sim::Clock clock;
  ClockGuard guard(clock);
  guard.judge("", true);
  clock.advance(ClockGuard::fresh);
  clock.advance(io::milliseconds(1));
  EXPECT_TRUE(guard.check().has_value());
  EXPECT_FALSE(guard.is_confirmed());
}

}  // namespace
}  // namespace meridian::replica
