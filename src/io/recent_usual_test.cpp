#include "io/recent_usual.h"

#include <gtest/gtest.h>

namespace meridian::io {
namespace {

MonotonicTime at(std::int64_t ms) { return MonotonicTime{} + milliseconds(ms); }

TEST(RecentUsual, nothing_is_usual_that_was_seen_for_a_moment) {
  RecentUsual usual;
  EXPECT_EQ(usual.get(at(0)), Duration{});
  for (int i = 0; i < 9; ++i) usual.add(milliseconds(7), at(500 * i));
  EXPECT_EQ(usual.get(at(4'499)), Duration{});
  usual.add(milliseconds(7), at(4'500));
  EXPECT_EQ(usual.get(at(4'999)), milliseconds(7));
}

TEST(RecentUsual, of_sixty_half_seconds_six_bad_ones_do_not_count_and_seven_do) {
  for (int bad = 0; bad <= 7; ++bad) {
    RecentUsual usual;
    for (int i = 0; i < 60; ++i) {
      usual.add(milliseconds(1), at(500 * i));
      usual.add(milliseconds(i < bad ? 900 : 20), at(500 * i + 1));  // the longest of each
      usual.add(milliseconds(3), at(500 * i + 2));
    }
    EXPECT_EQ(usual.get(at(29'999)), milliseconds(bad <= 6 ? 20 : 900)) << bad;
  }
}

TEST(RecentUsual, what_is_half_a_minute_old_is_forgotten) {
  RecentUsual usual;
  for (int i = 0; i < 60; ++i) usual.add(milliseconds(900), at(500 * i));
  EXPECT_EQ(usual.get(at(30'000)), milliseconds(900));
  EXPECT_EQ(usual.get(at(29'500 + 500 * 50)), milliseconds(900));
  EXPECT_EQ(usual.get(at(29'500 + 500 * 51)), Duration{});  // nine half seconds are left
  for (int i = 200; i < 260; ++i) usual.add(milliseconds(2), at(500 * i));
  EXPECT_EQ(usual.get(at(500 * 260 - 1)), milliseconds(2));
}

}  // namespace
}  // namespace meridian::io
