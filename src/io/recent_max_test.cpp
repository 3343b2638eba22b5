#include "io/recent_max.h"

#include <gtest/gtest.h>

namespace meridian::io {
namespace {

MonotonicTime at(int seconds_now) { return MonotonicTime{} + seconds(seconds_now); }

TEST(RecentMax, remembers_the_longest_for_one_to_two_windows) {
  RecentMax recent(seconds(10));
  EXPECT_EQ(recent.get(at(0)), Duration{});
  recent.add(milliseconds(5), at(1));
  recent.add(milliseconds(3), at(2));
  EXPECT_EQ(recent.get(at(9)), milliseconds(5));
  recent.add(milliseconds(2), at(12));
  EXPECT_EQ(recent.get(at(13)), milliseconds(5)) << "of the window before";
  EXPECT_EQ(recent.get(at(23)), milliseconds(2));
  EXPECT_EQ(recent.get(at(60)), Duration{});
}

}  // namespace
}  // namespace meridian::io
