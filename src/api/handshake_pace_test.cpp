#include "api/handshake_pace.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace meridian::api {
namespace {

constexpr io::MonotonicTime start{1'000'000'000'000};

int begun(HandshakePace& pace, const std::string& origin, io::MonotonicTime now) {
  int count = 0;
  while (pace.begin(origin, now)) ++count;
  return count;
}

TEST(HandshakePace, a_flood_gets_its_share_and_nobody_else_pays) {
  HandshakePace pace;
  EXPECT_EQ(begun(pace, "10.0.0.1", start), HandshakePace::at_once);
  EXPECT_TRUE(pace.begin("10.0.0.2", start));
  int later = 0;
  for (int ms = 1; ms <= 10'000; ++ms)
    later += begun(pace, "10.0.0.1", start + io::milliseconds(ms));
  EXPECT_NEAR(later, 10 * HandshakePace::per_second, 30);
}

TEST(HandshakePace, who_is_known_costs_nothing) {
  HandshakePace pace;
  for (int i = 0; i < 10 * HandshakePace::at_once; ++i) {
    ASSERT_TRUE(pace.begin("10.0.0.1", start)) << i;
    pace.give_back("10.0.0.1");
  }
  pace.give_back("10.0.0.9");  // never came
  EXPECT_EQ(begun(pace, "10.0.0.9", start), HandshakePace::at_once);
}

TEST(HandshakePace, giving_back_is_never_more_than_all) {
  HandshakePace pace;
  EXPECT_TRUE(pace.begin("a", start));
  for (int i = 0; i < 1'000; ++i) pace.give_back("a");
  EXPECT_EQ(begun(pace, "a", start), HandshakePace::at_once);
}

TEST(HandshakePace, origins_are_bounded_and_those_of_before_are_forgotten) {
  HandshakePace pace;
  for (std::size_t i = 0; i < HandshakePace::origins_max; ++i)
    ASSERT_TRUE(pace.begin(std::to_string(i), start));
  EXPECT_FALSE(pace.begin("one more", start));
  EXPECT_TRUE(pace.begin("0", start));
  EXPECT_TRUE(pace.begin("one more", start + io::seconds(1)));
  EXPECT_EQ(pace.size(), 1U);
}

TEST(HandshakePace, random_comings_match_a_bucket_of_fractions) {
  std::mt19937_64 random(7);
  HandshakePace pace;
  constexpr int whole_ms = 1'000 / HandshakePace::per_second;
  constexpr double period = whole_ms;
  std::map<std::string, std::pair<double, std::uint64_t>> used;  // of each, and when
  std::uint64_t ms = 0;
  int refused = 0;
  for (int i = 0; i < 50'000; ++i) {
    ms += random() % 4;
    const std::string origin(1, static_cast<char>('a' + random() % 3));
    auto& [owed, at] = used[origin];
    owed = std::max(0.0, owed - static_cast<double>(ms - at) / period);
    at = ms;
    if (random() % 8 == 0) {
      pace.give_back(origin);
      owed = std::max(0.0, owed - 1);
      continue;
    }
    const bool may = owed + 1 <= HandshakePace::at_once + 1e-9;
    ASSERT_EQ(pace.begin(origin, start + io::milliseconds(static_cast<std::int64_t>(ms))), may)
        << i;
    if (may) ++owed;
    if (!may) ++refused;
  }
  EXPECT_GT(refused, 1'000);
}

}  // namespace
}  // namespace meridian::api
