#include "io/clock.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "io/entropy.h"

namespace meridian::io {
namespace {

TEST(OsClock, monotonic_time_never_goes_back_and_wall_time_is_of_this_century) {
  std::unique_ptr<Clock> clock = os_clock();
  MonotonicTime last = clock->monotonic();
  for (int i = 0; i < 10'000; ++i) {
    MonotonicTime next = clock->monotonic();
    ASSERT_LE(last, next);
    last = next;
  }
  Timestamp now = clock->now();
  EXPECT_GT(static_cast<std::uint64_t>(now.time), 1'700'000'000'000'000'000U);
  EXPECT_LT(static_cast<std::uint64_t>(now.time), 4'102'444'800'000'000'000U);  // the year 2100
  EXPECT_GT(now.uncertainty_us, 0U);
}

TEST(OsClock, durations_add_and_subtract) {
  MonotonicTime start{1'000};
  EXPECT_EQ((start + milliseconds(2)) - start, Duration{2'000'000});
  EXPECT_EQ(start - (start + seconds(1)), Duration{-1'000'000'000});
}

TEST(OsEntropy, two_fills_differ_and_reach_every_byte) {
  std::unique_ptr<Entropy> entropy = os_entropy();
  Buffer first(1000);
  Buffer second(1000);
  entropy->fill(first);
  entropy->fill(second);
  EXPECT_NE(first, second);
  // 1000 random bytes hold about 4 zeros; a tail that was left alone would hold hundreds.
  EXPECT_LT(std::count(first.begin(), first.end(), 0), 50);
  entropy->fill({});
}

}  // namespace
}  // namespace meridian::io
