#include "base/u128.h"

#include <gtest/gtest.h>

#include <random>
#include <unordered_set>

namespace meridian {
namespace {

constexpr std::string_view max_text = "340282366920938463463374607431768211455";

/// Decimal arithmetic on the text itself, as on paper: shares nothing with the code under test.
std::string twice_plus(std::string_view digits, int carry) {
  std::string out(digits);
  for (auto digit = out.rbegin(); digit != out.rend(); ++digit) {
    int sum = (*digit - '0') * 2 + carry;
    *digit = static_cast<char>('0' + sum % 10);
    carry = sum / 10;
  }
  return carry == 0 ? out : "1" + out;
}
std::string decimal_model(u128 value) {
  std::string digits = "0";
  for (int bit = 127; bit >= 0; --bit)
    digits = twice_plus(digits, static_cast<int>((value >> bit) & 1));
  return digits;
}

TEST(U128, an_empty_text_is_not_a_number) {
  EXPECT_EQ(parse_decimal("").error().code, Code::invalid_argument);
}

TEST(U128, signs_spaces_and_letters_are_refused_with_the_text_in_the_message) {
  for (std::string_view text : {"-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3", "1_000", "/", ":"}) {
    auto result = parse_decimal(text);
    ASSERT_FALSE(result.has_value()) << text;
    EXPECT_NE(result.error().message.find(text), std::string::npos) << result.error().message;
  }
}

TEST(U128, the_first_number_past_the_end_is_refused) {
  EXPECT_TRUE(parse_decimal(max_text).value() == u128_max);
  for (std::string_view text :
       {"340282366920938463463374607431768211456", "340282366920938463463374607431768211460",
        "340282366920938463463374607431768211500", "999999999999999999999999999999999999999",
        "3402823669209384634633746074317682114550"})
    EXPECT_FALSE(parse_decimal(text).has_value()) << text;
}

TEST(U128, leading_zeros_do_not_count_towards_the_size) {
  std::string text = std::string(100, '0') + std::string(max_text);
  EXPECT_TRUE(parse_decimal(text).value() == u128_max);
}

TEST(U128, decimal_text_matches_paper_arithmetic_and_reads_back) {
  std::mt19937_64 random(1);
  std::vector<u128> values = {0, 1, 9, 10, make_u128(0, ~0ULL), make_u128(1, 0), u128_max};
  for (int i = 0; i < 500; ++i)
    values.push_back(make_u128(random(), random()) >> static_cast<int>(random() % 128));
  for (u128 value : values) {
    std::string text = to_decimal(value);
    EXPECT_EQ(text, decimal_model(value));
    EXPECT_TRUE(parse_decimal(text).value() == value) << text;
  }
}

TEST(U128, adding_reports_exactly_the_sums_that_do_not_fit) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 2000; ++i) {
    u128 a = make_u128(random(), random()) >> static_cast<int>(random() % 128);
    u128 limit = u128_max - a;  // the largest b that fits
    u128 b = i % 4 == 0 ? limit : make_u128(random(), random());
    u128 sum = 0;
    EXPECT_EQ(add_fits(a, b, sum), b <= limit);
    EXPECT_TRUE(sum - b == a);
    if (a != 0) {
      EXPECT_FALSE(add_fits(a, limit + 1, sum));
    }
  }
}

TEST(U128, halves_come_back_as_they_went_in) {
  u128 value = make_u128(0x0123456789abcdefULL, 0xfedcba9876543210ULL);
  EXPECT_EQ(high64(value), 0x0123456789abcdefULL);
  EXPECT_EQ(low64(value), 0xfedcba9876543210ULL);
}

TEST(U128, hashes_of_ids_that_differ_in_one_half_rarely_meet) {
  std::unordered_set<std::size_t> hashes;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    hashes.insert(U128Hash{}(make_u128(0, i)));
    hashes.insert(U128Hash{}(make_u128(i + 1, 0)));
  }
  EXPECT_GT(hashes.size(), 19990U);
}

}  // namespace
}  // namespace meridian
