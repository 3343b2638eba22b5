#include "door/personal_data.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/bytes.h"
#include "sim/random.h"

namespace meridian::door {
namespace {

u128 as_number(std::string_view text, bool reversed) {
  std::string padded(text);
  padded.resize(16, '\0');
  if (reversed) padded.assign(padded.rbegin(), padded.rend());
  return load_le<u128>(reinterpret_cast<const Byte*>(padded.data()));
}

constexpr std::string_view cards[] = {"4111111111111111", "4222222222222",    "5555555555554444",
                                      "2223003122003222", "378282246310005",  "371449635398431",
                                      "6011111111111117", "6500000000000002", "3530111333300000",
                                      "30569309025904",   "38520000023237",   "36227206271667"};

TEST(PersonalData, card_numbers_of_every_scheme_are_known_in_every_form) {
  for (const std::string_view card : cards) {
    EXPECT_EQ(classify(card), PersonalData::card_number) << card;
    EXPECT_EQ(classify(std::uint64_t{std::stoull(std::string(card))}), PersonalData::card_number);
    EXPECT_EQ(classify(u128{std::stoull(std::string(card))}), PersonalData::card_number);
    EXPECT_EQ(classify(as_number(card, false)), PersonalData::card_number) << card;
    EXPECT_EQ(classify(as_number(card, true)), PersonalData::card_number) << card;
  }
}

TEST(PersonalData, a_wrong_check_digit_or_prefix_or_length_is_no_card) {
  for (const std::string_view card : cards)
    for (char digit = '0'; digit <= '9'; ++digit) {
      std::string other(card);
      if (other.back() == digit) continue;
      other.back() = digit;
      EXPECT_EQ(classify(std::string_view(other)), PersonalData::none) << other;
    }
  for (const std::string_view passing :
       {"9111111111111114", "1234567812345670", "0000000000000000", "411111111111111",
        "41111111111111111", "0004111111111111111", "79927398713", "4111 1111 1111 1111"})
    EXPECT_EQ(classify(passing), PersonalData::none) << passing;
}

TEST(PersonalData, ibans_are_known_by_their_check_digits) {
  for (const std::string_view iban :
       {"DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606",
        "NO9386011117947", "BE68539007547034", "MT84MALT011000012345MTLCAST001S"}) {
    EXPECT_EQ(classify(iban), PersonalData::iban) << iban;
    std::string other(iban);
    other[3] = other[3] == '9' ? '0' : static_cast<char>(other[3] + 1);
    EXPECT_EQ(classify(std::string_view(other)), PersonalData::none) << other;
  }
  for (const std::string_view short_one : {"NO9386011117947", "BE68539007547034"}) {
    EXPECT_EQ(classify(as_number(short_one, false)), PersonalData::iban);
    EXPECT_EQ(classify(as_number(short_one, true)), PersonalData::iban);
  }
}

TEST(PersonalData, times_and_small_ids_pass) {
  // 2020 to 2039 in seconds, milliseconds, microseconds and nanoseconds. (From May 2040 on, one
  // microsecond time in ten has the prefix and the check digit of a Mastercard number.)
  sim::Random random(1);
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t seconds = 1'577'836'800 + random.below(630'000'000);
    for (const std::uint64_t unit : {1ULL, 1'000ULL, 1'000'000ULL}) {
      const std::uint64_t time = seconds * unit + random.below(unit);
      ASSERT_EQ(classify(time), PersonalData::none) << time;
    }
    ASSERT_EQ(classify(seconds * 1'000'000'000), PersonalData::none);
  }
  for (std::uint64_t id = 0; id < 200'000; ++id) ASSERT_EQ(classify(id), PersonalData::none);
}

TEST(PersonalData, random_ids_and_digests_pass_nearly_always) {
  sim::Random random(2);
  int numbers = 0;
  for (int i = 0; i < 1'000'000; ++i) numbers += classify(random.next()) != PersonalData::none;
  EXPECT_LT(numbers, 40);  // one in 70,000: the share of card numbers among all
  for (int i = 0; i < 300'000; ++i)
    ASSERT_EQ(classify(make_u128(random.next() | 1, random.next())), PersonalData::none);
}

TEST(PersonalData, text_of_any_kind_passes) {
  for (const std::string_view text :
       {"", "0", "invoice 4711", "ABCDEFGHIJKLMNOP", "de89370400440532013000", "2024-01-31T10:00",
        "XX00000000000000", "order-12345678", "\x01\x02\x03"})
    EXPECT_EQ(classify(text), PersonalData::none) << text;
}

TEST(PersonalData, has_a_name_for_people) {
  EXPECT_EQ(name(PersonalData::card_number), "a card number");
  EXPECT_EQ(name(PersonalData::iban), "an IBAN");
}

}  // namespace
}  // namespace meridian::door
