#include "replica/level_news.h"

#include <gtest/gtest.h>

#include "sim/clock.h"

namespace meridian::replica {
namespace {

constexpr ledger::FeatureLevels both{1, 2}, old_only{1, 1};

class LevelNewsTest : public testing::Test {
 protected:
  sim::Clock clock;
  io::Parts told;
  LevelNews peer{clock, both, [this](std::uint64_t to, io::Parts message) {
                   EXPECT_EQ(to, 1u);
                   told = std::move(message);
                 }};
  LevelNews own{clock, both, [](std::uint64_t, const io::Parts&) {}};
};

TEST_F(LevelNewsTest, what_a_peer_says_counts_as_long_as_it_goes_on_saying_so) {
  EXPECT_FALSE(own.of(2).has_value());
  peer.tell(1);
  own.receive(2, told);
  EXPECT_EQ(own.of(2), both);
  EXPECT_FALSE(own.of(3).has_value());
  clock.advance(LevelNews::fresh);
  EXPECT_EQ(own.of(2), both);
  clock.advance(io::milliseconds(1));
  EXPECT_FALSE(own.of(2).has_value());
  own.receive(2, told);
  EXPECT_EQ(own.of(2), both);
  own.forget(2);
  EXPECT_FALSE(own.of(2).has_value());
}

TEST_F(LevelNewsTest, nonsense_counts_for_nothing) {
  const auto receive = [&](Buffer bytes) {
    own.receive(2, {std::make_shared<const Buffer>(std::move(bytes))});
    return own.of(2).has_value();
  };
  const Buffer good = encode_levels(both);
  EXPECT_EQ(to_hex(good), "0c0100000002000000");
  Buffer longer = good;
  longer.push_back(Byte{0});
  EXPECT_FALSE(receive(longer));
  EXPECT_FALSE(receive(encode_levels({0, 2})));
  EXPECT_FALSE(receive(encode_levels({3, 2})));
  own.receive(2, {});
  EXPECT_FALSE(own.of(2).has_value());
  EXPECT_TRUE(receive(good));
}

LevelReport three(std::uint32_t active) {
  LevelReport report;
  report.id = 1;
  report.active = active;
  report.own = both;
  report.members = {{1, "eu", both}, {2, "us", both}, {3, "asia", both}};
  return report;
}

std::string refusal(const LevelReport& report, std::uint32_t level) {
  const Status may = check_activation(report, level);
  return may ? "may be activated" : may.error().message;
}

TEST(LevelActivation, needs_every_member_and_names_those_that_lack) {
  LevelReport report = three(1);
  EXPECT_EQ(activatable_level(report), 2u);
  EXPECT_EQ(refusal(report, 2), "may be activated");
  report.members[1].levels = old_only;
  report.members[2].levels.reset();
  EXPECT_EQ(activatable_level(report), 0u);
  const std::string why = refusal(report, 2);
  EXPECT_NE(why.find("replica 2 (us) runs level 1 only"), std::string::npos) << why;
  EXPECT_NE(why.find("replica 3 (asia) has not said"), std::string::npos) << why;
  EXPECT_EQ(why.find("replica 1"), std::string::npos) << why;
  report = three(1);
  report.own = report.members[0].levels.emplace(old_only);
  EXPECT_EQ(activatable_level(report), 0u);
  EXPECT_NE(refusal(report, 2).find("replica 1 (eu)"), std::string::npos);
}

TEST(LevelActivation, goes_forward_only) {
  EXPECT_EQ(activatable_level(three(2)), 0u);
  EXPECT_NE(refusal(three(2), 2).find("active already"), std::string::npos);
  EXPECT_NE(refusal(three(2), 1).find("never taken back"), std::string::npos);
  EXPECT_NE(refusal(three(1), 3).find("runs levels 1 to 2"), std::string::npos);
}

}  // namespace
}  // namespace meridian::replica
