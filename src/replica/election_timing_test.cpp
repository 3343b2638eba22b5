#include "replica/election_timing.h"

#include <gtest/gtest.h>

namespace meridian::replica {
namespace {

using io::milliseconds;

TEST(ElectionTiming, nothing_measured_and_little_leave_what_the_configuration_says) {
  ElectionTiming timing{consensus::Timing{}};
  EXPECT_EQ(timing.next({}), milliseconds(150));
  EXPECT_EQ(timing.next({milliseconds(10), milliseconds(15), milliseconds(5)}), milliseconds(150));
  ElectionTiming distant{consensus::Timing::measured(milliseconds(160), milliseconds(5))};
  EXPECT_EQ(distant.next({milliseconds(160), milliseconds(5), {}}), milliseconds(850));
}

TEST(ElectionTiming, it_follows_what_is_measured_and_rests) {
  ElectionTiming timing{consensus::Timing{}};
  // 3 x (60 + 2 x 20) = 300, in steps of 37.5
  EXPECT_EQ(timing.next({milliseconds(60), milliseconds(20), {}}), milliseconds(300));
  for (const int trip : {59, 50, 40, 30, 60, 27})
    EXPECT_EQ(timing.next({milliseconds(trip), milliseconds(20), {}}), milliseconds(300)) << trip;
  EXPECT_EQ(timing.next({milliseconds(61), milliseconds(20), {}}), io::Duration{337'500'000});
  EXPECT_EQ(timing.next({milliseconds(20), milliseconds(10), milliseconds(9)}),
            milliseconds(150));  // less than two thirds
}

TEST(ElectionTiming, what_is_too_much_is_bounded_and_told) {
  ElectionTiming timing{consensus::Timing{}};
  EXPECT_EQ(timing.next({milliseconds(300), milliseconds(30), milliseconds(40)}),
            milliseconds(1'200));
  EXPECT_EQ(timing.wanted_too_much(), io::Duration{});
  EXPECT_EQ(timing.next({milliseconds(301), milliseconds(30), milliseconds(40)}),
            milliseconds(1'200));
  EXPECT_EQ(timing.wanted_too_much(), milliseconds(1'203));
}

TEST(ElectionTiming, the_worst_is_that_of_any_voter) {
  ElectionTiming timing{consensus::Timing{}};
  timing.heard(2, {milliseconds(300), milliseconds(1), milliseconds(9)});
  timing.heard(3, {milliseconds(150), milliseconds(40), milliseconds(2)});
  timing.heard(4, {milliseconds(900), milliseconds(900), milliseconds(900)});
  const TimingWord ours{milliseconds(150), milliseconds(5), milliseconds(12)};
  EXPECT_EQ(timing.worst(ours, {{1, 2, 3}, {4}, {}, {}}),
            (TimingWord{milliseconds(300), milliseconds(40), milliseconds(12)}));
  EXPECT_EQ(timing.worst(ours, {{1, 2, 3}, {}, {4}, {}}).election, milliseconds(900));
}

TEST(ElectionTiming, a_word_is_decoded_as_it_was_said_and_nothing_else_is_one) {
  const TimingWord word{milliseconds(300), milliseconds(40), io::Duration{7}};
  const Buffer bytes = encode_timing_word(word);
  EXPECT_EQ(to_hex(bytes), "0e00a3e11100000000005a6202000000000700000000000000");
  EXPECT_EQ(*decode_timing_word(bytes), word);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_timing_word(Bytes(bytes).first(size))) << size;
  Buffer longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_timing_word(longer));
  Buffer absurd = bytes;
  absurd[8] = 1;
  EXPECT_FALSE(decode_timing_word(absurd));
}

}  // namespace
}  // namespace meridian::replica
