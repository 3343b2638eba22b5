#include <gtest/gtest.h>

#include "ledger/internal/golden_bytes.h"
#include "ledger/internal/sample_records.h"
#include "ledger/payload.h"

namespace meridian::ledger {
namespace {

Buffer bytes_of(std::initializer_list<int> values) {
  Buffer out;
  for (int value : values) out.push_back(static_cast<Byte>(value));
  return out;
}

TEST(Facts, random_facts_come_back_as_they_were) {
  Sampler sampler(1);
  for (int round = 0; round < 2'000; ++round) {
    Facts facts = sampler.facts();
    Result<Buffer> bytes = facts.encode();
    ASSERT_TRUE(bytes) << bytes.error().message;
    ASSERT_LE(bytes->size(), facts_size_max);
    ASSERT_TRUE(Facts::check(*bytes));
    ASSERT_EQ(Facts::decode(*bytes), facts);
  }
}

TEST(Facts, a_flipped_bit_is_refused_or_gives_the_only_encoding_of_another_value) {
  Buffer bytes = golden_bytes("facts.hex");
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Buffer flipped = bytes;
    flipped[bit / 8] ^= static_cast<Byte>(1 << bit % 8);
    Result<Facts> facts = Facts::decode(flipped);
    ASSERT_EQ(facts.has_value(), Facts::check(flipped).has_value());
    if (facts) {
      ASSERT_EQ(facts->encode(), flipped);
    }
  }
}

TEST(Facts, golden_bytes_say_what_they_should) {
  Facts facts;
  facts.country = "DE";
  facts.channel = "web";
  facts.screening_list = "eu-sanctions";
  facts.screening_verdict = 1;
  facts.purpose = "invoice-payment";
  EXPECT_EQ(facts.encode(), golden_bytes("facts.hex"));
  EXPECT_FALSE(facts.empty());
  EXPECT_TRUE(Facts{}.empty());
  EXPECT_EQ(Facts{}.encode(), Buffer{});
  EXPECT_EQ(Facts::decode({}), Facts{});
}

TEST(Facts, a_refusal_names_field_rule_and_length_and_never_the_value) {
  auto refused = [](const Facts& facts) { return facts.encode().error().message; };
  Facts facts;
  facts.country = "Deu";
  EXPECT_EQ(refused(facts), "facts: country must be 2 capital letters; it has 3 bytes");
  facts = {};
  facts.channel = std::string(33, 'a');
  EXPECT_EQ(refused(facts), "facts: channel must be 1 to 32 of a-z 0-9 -; it has 33 bytes");
  facts = {};
  facts.screening_list = "EU list";
  EXPECT_EQ(refused(facts), "facts: screening_list must be 1 to 32 of a-z 0-9 -; it has 7 bytes");
  facts = {};
  facts.screening_verdict = 4;
  EXPECT_EQ(refused(facts),
            "facts: screening_verdict must be 1 clear, 2 possible or 3 hit; it has 1 bytes");
  facts = {};
  facts.purpose = std::string(300, 'a');
  EXPECT_EQ(refused(facts), "facts: purpose must be 1 to 64 of a-z 0-9 -; it has 300 bytes");
}

TEST(Facts, bytes_that_are_no_facts_are_refused) {
  auto refused = [](const Buffer& bytes) { return Facts::check(bytes).error().message; };
  EXPECT_EQ(refused(bytes_of({1})), "facts: the value of tag 1 is cut short");
  EXPECT_EQ(refused(bytes_of({1, 2, 'D'})), "facts: the value of tag 1 is cut short");
  EXPECT_EQ(refused(bytes_of({9, 1, 'D'})), "facts: tag 9 is not known");
  EXPECT_EQ(refused(bytes_of({0, 0})), "facts: tag 0 is not known");
  EXPECT_EQ(refused(bytes_of({4, 1, 1, 1, 2, 'D', 'E'})),
            "facts: tag 1 (country) after tag 4: not ascending");
  EXPECT_EQ(refused(bytes_of({4, 1, 1, 4, 1, 1})),
            "facts: tag 4 (screening_verdict) after tag 4: not ascending");
  EXPECT_EQ(refused(bytes_of({5, 0})),
            "facts: purpose must be 1 to 64 of a-z 0-9 -; it has 0 bytes");
  EXPECT_EQ(refused(Buffer(257)), "facts: 257 bytes, at most 256");
}

}  // namespace
}  // namespace meridian::ledger
