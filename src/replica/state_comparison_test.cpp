#include "replica/state_comparison.h"

#include <gtest/gtest.h>

#include "sim/world.h"

namespace meridian::replica {
namespace {

const crypto::Digest ours{1}, theirs{2}, third{3};

struct StateComparisonTest : testing::Test {
  sim::World world{1};
  std::set<std::uint64_t> asked;
  std::vector<std::string> notices;
  std::string doubt;
  std::optional<Error> stopped;
  consensus::Membership three{{1, 2, 3}, {}, {}, {}};
  StateComparison comparison{{world.clock(), 1,
                              [this](std::uint64_t to, const CosignQuestion& question) {
                                EXPECT_EQ(question.kind, CosignQuestion::Kind::state);
                                EXPECT_EQ(raw(question.head.size), 100u);
                                asked.insert(to);
                              },
                              [this](const std::string& line) { notices.push_back(line); }},
                             {[this](const std::string& why) { doubt = why; },
                              [this](const Error& error) { stopped = error; }}};
};

TEST_F(StateComparisonTest, with_a_majority_it_goes_on_and_names_who_differs) {
  comparison.begin({100, ours}, three);
  EXPECT_EQ(asked, (std::set<std::uint64_t>{2, 3}));
  EXPECT_FALSE(doubt.empty()) << "nothing is written meanwhile";
  comparison.take(3, {100, theirs});
  EXPECT_TRUE(comparison.is_running()) << "2 has not said which";
  comparison.take(2, {100, ours});
  EXPECT_FALSE(comparison.is_running());
  EXPECT_TRUE(doubt.empty());
  EXPECT_FALSE(stopped);
  ASSERT_EQ(notices.size(), 1u);
  EXPECT_NE(notices[0].find("replica 3 has another state after record 99"), std::string::npos);
  comparison.begin({100, ours}, three);
  EXPECT_FALSE(comparison.is_running()) << "it is settled";
}

TEST_F(StateComparisonTest, against_a_majority_it_stops) {
  comparison.begin({100, ours}, three);
  comparison.take(3, {100, theirs});
  comparison.take(2, {100, theirs});
  ASSERT_TRUE(stopped);
  EXPECT_EQ(stopped->code, Code::data_loss);
  EXPECT_NE(stopped->message.find("replicas 2, 3, a majority"), std::string::npos);
}

TEST_F(StateComparisonTest, without_a_majority_all_stop) {
  comparison.begin({100, ours}, three);
  comparison.take(2, {100, theirs});
  comparison.take(3, {100, third});
  ASSERT_TRUE(stopped);
  EXPECT_NE(stopped->message.find("all stop writing"), std::string::npos);
}

TEST_F(StateComparisonTest, who_is_silent_is_asked_again_and_waited_for_only_so_long) {
  comparison.begin({100, ours}, three);
  comparison.take(2, {100, theirs});
  comparison.take(2, {200, ours});  // of another record: no answer
  asked.clear();
  comparison.tick();
  EXPECT_EQ(asked, std::set<std::uint64_t>{3});
  EXPECT_FALSE(stopped);
  world.advance(StateComparison::patience);
  world.advance(io::milliseconds(1));
  comparison.tick();
  EXPECT_TRUE(stopped);
}

}  // namespace
}  // namespace meridian::replica
