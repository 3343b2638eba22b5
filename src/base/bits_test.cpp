#include "base/bits.h"

#include <gtest/gtest.h>

#include <array>

namespace meridian {
namespace {

TEST(bits, a_number_is_in_the_set_once_it_is_added_and_no_other_is) {
  for (std::size_t number = 0; number < 256; ++number) {
    std::array<Byte, 32> set{};
    add_bit(set, number);
    for (std::size_t other = 0; other < 256; ++other)
      EXPECT_EQ(has_bit(set, other), other == number) << number << " " << other;
    EXPECT_EQ(set[number / 8], 1 << (number % 8));
  }
}

}  // namespace
}  // namespace meridian
