#include <gtest/gtest.h>

#include <random>
#include <string>

#include "books/amount.h"
#include "books/notation.h"

namespace meridian::books {
namespace {

Decimal decimal(std::int64_t mantissa, std::uint8_t scale) { return *Decimal::of(mantissa, scale); }

i128 ten_to(int exponent) {
  i128 out = 1;
  for (int i = 0; i < exponent; ++i) out *= 10;
  return out;
}

/// The amount that `written` says, canonically; or its error.
std::string read(std::string_view written, const Notations& notations = {}) {
  auto amount = notations.take_amount(written);
  if (!amount) return amount.error().message;
  return text(amount->amount) + (written.empty() ? "" : " rest '" + std::string(written) + "'");
}

TEST(Decimal, too_many_digits_or_decimals_are_errors) {
  const std::string message =
      "amount too large: an exact amount has at most 38 digits and 28 decimals";
  const i128 limit = ten_to(38);
  EXPECT_TRUE(Decimal::of(limit - 1, 0).has_value());
  EXPECT_TRUE(Decimal::of(1 - limit, 28).has_value());
  EXPECT_EQ(Decimal::of(limit, 0).error().message, message);
  EXPECT_EQ(Decimal::of(-limit, 0).error().message, message);
  EXPECT_EQ(Decimal::of(1, 29).error().message, message);
  EXPECT_EQ(Decimal::of(10, 29)->scale(), 28);
  const Decimal largest = *Decimal::of(limit - 1, 0);
  EXPECT_EQ(add(largest, decimal(1, 0)).error().message, message);
  EXPECT_EQ(add(largest, decimal(1, 1)).error().message, message);
  EXPECT_EQ(multiply(largest, decimal(2, 0)).error().message, message);
  EXPECT_EQ(multiply(*Decimal::of(1, 28), decimal(1, 1)).error().message, message);
  EXPECT_EQ(decimal(12345, 3).units(2).error().message, "12.345 has more than 2 decimals");
  EXPECT_EQ(largest.units(1).error().message, message);
}

TEST(Decimal, written_zeros_alone_never_overflow) {
  const Decimal long_zero = *Decimal::of(0, 28);
  const Decimal largest = *Decimal::of(ten_to(38) - 1, 0);
  EXPECT_EQ(*add(long_zero, largest), largest);
  EXPECT_EQ(*add(*Decimal::of(ten_to(28), 28), *Decimal::of(ten_to(37), 0)),
            *Decimal::of(ten_to(37) + 1, 0));
  EXPECT_EQ(*decimal(12300, 4).units(2), i128{123});
}

TEST(Decimal, text_is_canonical) {
  EXPECT_EQ(decimal(59605, 2).text(), "596.05");
  EXPECT_EQ(decimal(7000, 2).text(), "70");
  EXPECT_EQ(decimal(-2, 2).text(), "-0.02");
  EXPECT_EQ(decimal(337260, 3).text(), "337.26");
  EXPECT_EQ(decimal(0, 5).text(), "0");
  EXPECT_EQ(decimal(-100, 0).text(), "-100");
  EXPECT_EQ(Decimal::of(1 - ten_to(38), 28)->text(), "-9999999999.9999999999999999999999999999");
}

TEST(Decimal, half_a_unit_of_the_last_decimal_looks_zero_and_no_more) {
  EXPECT_TRUE(decimal(5, 3).looks_zero(2));
  EXPECT_TRUE(decimal(-5, 3).looks_zero(2));
  EXPECT_FALSE(decimal(51, 4).looks_zero(2));
  EXPECT_FALSE(decimal(1, 2).looks_zero(2));
  EXPECT_FALSE(decimal(1, 0).looks_zero(2));
  EXPECT_TRUE(decimal(0, 0).looks_zero(0));
  EXPECT_TRUE(decimal(49, 2).looks_zero(0));
}

TEST(Decimal, arithmetic_agrees_with_integers_at_a_common_scale) {
  std::mt19937_64 random(81);
  for (int round = 0; round < 20000; ++round) {
    const auto a_scale = static_cast<std::uint8_t>(random() % 7);
    const auto b_scale = static_cast<std::uint8_t>(random() % 7);
    const auto a_value = static_cast<std::int64_t>(random() % 2000001) - 1000000;
    const auto b_value = static_cast<std::int64_t>(random() % 2000001) - 1000000;
    const Decimal a = decimal(a_value, a_scale);
    const Decimal b = decimal(b_value, b_scale);
    EXPECT_EQ(*add(a, b)->units(12),
              a_value * ten_to(12 - a_scale) + b_value * ten_to(12 - b_scale));
    EXPECT_EQ(*multiply(a, b)->units(12), i128{a_value} * b_value * ten_to(12 - a_scale - b_scale));
    EXPECT_EQ(a == b, a_value * ten_to(12 - a_scale) == b_value * ten_to(12 - b_scale));
    std::string written = a.text();
    EXPECT_EQ(read(written), written);
  }
}

TEST(Notation, ordinary_notations_are_read) {
  EXPECT_EQ(read("$1"), "1 $");
  EXPECT_EQ(read("-$1.50"), "-1.5 $");
  EXPECT_EQ(read("$-1"), "-1 $");
  EXPECT_EQ(read("$ -1"), "-1 $");
  EXPECT_EQ(read("- $ 1"), "-1 $");
  EXPECT_EQ(read("+5"), "5");
  EXPECT_EQ(read("1,000.00 USD"), "1000 USD");
  EXPECT_EQ(read("\"ADR FOO\" 3"), "3 ADR FOO");
  EXPECT_EQ(read("3 \"ADR; FOO\""), "3 ADR; FOO");
  EXPECT_EQ(read("-\"A B\"5"), "-5 A B");
  EXPECT_EQ(read("10 A"), "10 A");
  EXPECT_EQ(read("10€"), "10 €");
  EXPECT_EQ(read(".5"), "0.5");
  EXPECT_EQ(read("5."), "5");
  EXPECT_EQ(read("1 000,50 EUR"), "1000.5 EUR");
  EXPECT_EQ(read("EUR 1 000"), "1000 EUR");
  EXPECT_EQ(read("1\u00a0000\u202f000,5 A"), "1000000.5 A");
  EXPECT_EQ(read("1.234.567,89 A"), "1234567.89 A");
  EXPECT_EQ(read("1,00,000 INR"), "100000 INR");
  EXPECT_EQ(read("1E3 A"), "1000 A");
  EXPECT_EQ(read("1e-3 A"), "0.001 A");
  EXPECT_EQ(read("5E"), "5 E");
  EXPECT_EQ(read("5 E @@ 5 F"), "5 E rest ' @@ 5 F'");
  EXPECT_EQ(read("3 US$"), "3 US$");
  EXPECT_EQ(read("1 A @ 2 B"), "1 A rest ' @ 2 B'");
}

TEST(Notation, a_lone_mark_is_decimal_unless_a_directive_says_otherwise) {
  EXPECT_EQ(read("1,000 EUR"), "1 EUR");
  EXPECT_EQ(read("1.000 EUR"), "1 EUR");
  Notations comma;
  comma.set_decimal_mark(',');
  EXPECT_EQ(read("1.000 EUR", comma), "1000 EUR");
  EXPECT_EQ(read("1,000 EUR", comma), "1 EUR");
  Notations declared;
  declared.declare("EUR", {.decimal_mark = ',', .group_mark = '.', .decimals = 2});
  EXPECT_EQ(read("1.000 EUR", declared), "1000 EUR");
  EXPECT_EQ(read("1.000 USD", declared), "1 USD");
  Notations with_default;
  with_default.set_default("$", {.decimal_mark = '.', .group_mark = ',', .decimals = 2});
  EXPECT_EQ(read("1,000", with_default), "1000 $");
  EXPECT_EQ(read("1,000 GBP", with_default), "1000 GBP");
}

TEST(Notation, decimals_are_declared_or_of_the_default_or_the_most_seen) {
  Notations notations;
  EXPECT_FALSE(notations.decimals("A").has_value());
  notations.saw("A", 2);
  notations.saw("A", 4);
  notations.saw("A", 3);
  EXPECT_EQ(notations.decimals("A"), 4);
  notations.set_default("A", {.decimal_mark = '.', .group_mark = '\0', .decimals = 1});
  EXPECT_EQ(notations.decimals("A"), 1);
  notations.declare("A", {.decimal_mark = '.', .group_mark = '\0', .decimals = 0});
  EXPECT_EQ(notations.decimals("A"), 0);
}

TEST(Notation, bad_amounts_are_refused_in_words) {
  const std::string marks =
      ": write one decimal mark, and the same group mark between 2 to 4 digits";
  EXPECT_EQ(read("1,2,3 A"), "cannot tell the decimal mark of '1,2,3'" + marks);
  EXPECT_EQ(read("1,,000 A"), "cannot tell the decimal mark of '1,,000'" + marks);
  EXPECT_EQ(read("1,000.50,0 A"), "cannot tell the decimal mark of '1,000.50,0'" + marks);
  EXPECT_EQ(read("1.000 000 A"), "cannot tell the decimal mark of '1.000 000'" + marks);
  EXPECT_EQ(read("--5"), "no number at '-5': an amount is written like '10.50 EUR' or '$-3'");
  EXPECT_EQ(read("-$-5"), "two signs in '-$-5': write one");
  EXPECT_EQ(read("$"), "a number is missing: an amount is written '10.50 EUR'");
  EXPECT_EQ(read("\"A 5"), "commodity symbol '\"A 5' has no closing double quote");
  EXPECT_EQ(read("\"\" 5"), "commodity symbol '\"\" 5' is empty: name the commodity");
  EXPECT_EQ(read("1" + std::string(38, '0')),
            "number '1" + std::string(38, '0') +
                "' is too long: an amount has at most 38 digits and 28 decimals");
  EXPECT_EQ(read("." + std::string(28, '0') + "1"),
            "number '." + std::string(28, '0') +
                "1' is too long: an amount has at most 38 digits and 28 decimals");
  EXPECT_EQ(read("1E39 A"),
            "exponent too large at 'E39 A': an amount has at most 38 digits and 28 decimals");
}

}  // namespace
}  // namespace meridian::books
