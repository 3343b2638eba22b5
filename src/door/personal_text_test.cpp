#include "door/personal_text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sim/random.h"

namespace meridian::door {
namespace {

struct Example {
  std::string_view text;
  PersonalText kind;
};

/// As they are printed by those who issue them, or made for examples.
const std::vector<Example> examples = {
    {"4111111111111111", PersonalText::card_number},
    {"4111 1111 1111 1111", PersonalText::card_number},
    {"3782-822463-10005", PersonalText::card_number},
    {"DE89370400440532013000", PersonalText::iban},
    {"DE89 3704 0044 0532 0130 00", PersonalText::iban},
    {"gb82 west 1234 5698 7654 32", PersonalText::iban},
    {"NO93 8601 1117 947", PersonalText::iban},
    {"ada.lovelace+ledger@mail.example.org", PersonalText::email},
    {"85.07.30-033.28", PersonalText::belgian_number},
    {"85073003328", PersonalText::belgian_number},
    {"529.982.247-25", PersonalText::brazilian_number},
    {"943 476 5919", PersonalText::british_health},
    {"AB 12 34 56 C", PersonalText::british_insurance},
    {"ab123456c", PersonalText::british_insurance},
    {"250595-1234", PersonalText::danish_number},
    {"1112.22.333", PersonalText::dutch_number},
    {"131052-308T", PersonalText::finnish_number},
    {"010594A9021", PersonalText::finnish_number},
    {"255081416802538", PersonalText::french_number},
    {"2 55 08 14 168 025 38", PersonalText::french_number},
    {"86 095 742 719", PersonalText::german_tax},
    {"36574261809", PersonalText::german_tax},
    {"2341 2341 2346", PersonalText::indian_number},
    {"RSSMRA85T10A562S", PersonalText::italian_code},
    {"29029600013", PersonalText::norwegian_number},
    {"44051401458", PersonalText::polish_number},
    {"12345678Z", PersonalText::spanish_number},
    {"X1234567L", PersonalText::spanish_number},
    {"811218-9876", PersonalText::swedish_number},
    {"19811218-9876", PersonalText::swedish_number},
    {"756.9217.0769.85", PersonalText::swiss_number},
    {"078-05-1120", PersonalText::us_social_security},
};

std::string_view kind_name(std::string_view text) {
  const std::optional<PersonalFind> found = find_personal(text);
  return found ? name(found->kind) : "nothing";
}

TEST(PersonalText, numbers_are_known_as_they_are_written) {
  for (const Example& example : examples)
    EXPECT_EQ(kind_name(example.text), name(example.kind)) << example.text;
}

TEST(PersonalText, they_are_found_within_a_text_and_said_where) {
  for (const Example& example : examples) {
    const std::string before = "paid (", after = "), thanks; order 12";
    const std::optional<PersonalFind> found =
        find_personal(before + std::string(example.text) + after);
    const PersonalFind expected{example.kind, before.size(), example.text.size()};
    EXPECT_EQ(found, expected) << example.text;
  }
}

TEST(PersonalText, a_longer_word_is_another_one) {
  for (const Example& example : examples) {
    if (example.kind == PersonalText::email) continue;
    EXPECT_NE(kind_name("X9" + std::string(example.text)), name(example.kind)) << example.text;
    EXPECT_NE(kind_name(std::string(example.text) + "9X"), name(example.kind)) << example.text;
  }
}

/// Of the digits of a checked number, at least nine in ten single changes are noticed.
TEST(PersonalText, a_wrong_digit_is_noticed) {
  for (const Example& example : examples) {
    if (example.kind == PersonalText::email || example.kind == PersonalText::danish_number ||
        example.kind == PersonalText::british_insurance ||
        example.kind == PersonalText::us_social_security)
      continue;
    int changes = 0, taken = 0;
    for (std::size_t i = 0; i < example.text.size(); ++i) {
      if (example.text[i] < '0' || example.text[i] > '9') continue;
      for (char digit = '0'; digit <= '9'; ++digit) {
        if (digit == example.text[i]) continue;
        std::string other(example.text);
        other[i] = digit;
        ++changes;
        taken += kind_name(other) == name(example.kind) ? 1 : 0;
      }
    }
    EXPECT_LE(taken * 10, changes) << example.text;
  }
}

TEST(PersonalText, what_a_ledger_writes_every_day_passes) {
  for (const std::string_view text : {"",
                                      "invoice 4711",
                                      "2026-11-29T21:54:33Z",
                                      "2026-11-29 21:54:33.123456",
                                      "1732917273",
                                      "1732917273123",
                                      "1732917273123456",
                                      "order-12345678",
                                      "5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11",
                                      "192.168.127.254",
                                      "10.0.0.1:7400",
                                      "+49 30 901820",
                                      "v1.2.3-45",
                                      "EUR 1.234.567,89",
                                      "ISIN DE000BAY0017",
                                      "BIC DEUTDEFF500",
                                      "@here",
                                      "a@b",
                                      "x@y.",
                                      "SHA-256",
                                      "user@localhost",
                                      "978-3-16-148410-0",
                                      "payments-2026-11",
                                      "card-present"})
    EXPECT_EQ(kind_name(text), "nothing") << text;
}

TEST(PersonalText, random_ids_and_times_pass_nearly_always) {
  sim::Random random(3);
  constexpr int rounds = 100'000;
  int words = 0, times = 0, uuids = 0;
  for (int i = 0; i < rounds; ++i) {
    words += find_personal(std::to_string(std::uint64_t{1} << 62 | random.next())) ? 1 : 0;
    times +=
        find_personal(std::to_string(1'577'836'800'000 + random.below(630'000'000'000))) ? 1 : 0;
    const std::string hex = fmt::format("{:016x}{:016x}", random.next(), random.next());
    uuids += find_personal(hex.substr(0, 8) + '-' + hex.substr(8, 4) + "-4" + hex.substr(12, 3) +
                           "-9" + hex.substr(15, 3) + '-' + hex.substr(18, 12))
                 ? 1
                 : 0;
  }
  EXPECT_EQ(words, 0);
  EXPECT_EQ(times, 0);
  EXPECT_LT(uuids, rounds / 1'000);
  for (std::size_t size = 9; size <= 16; ++size) {
    int taken = 0;
    for (int i = 0; i < rounds; ++i) {
      std::string digits;
      for (std::size_t d = 0; d < size; ++d) digits += static_cast<char>('0' + random.below(10));
      taken += find_personal(digits) ? 1 : 0;
    }
    EXPECT_LT(taken, rounds / 30) << size;
  }
}

TEST(PersonalText, every_kind_has_an_example_and_a_name) {
  for (std::size_t i = 0; i < personal_text_count; ++i) {
    const auto kind = static_cast<PersonalText>(i);
    EXPECT_FALSE(name(kind).empty());
    EXPECT_TRUE(std::ranges::any_of(examples, [&](const Example& e) { return e.kind == kind; }))
        << name(kind);
  }
}

}  // namespace
}  // namespace meridian::door
