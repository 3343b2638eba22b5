#include "mesh/join_token.h"

#include <gtest/gtest.h>

#include "mesh/internal/certificate_rig.h"
#include "sim/clock.h"
#include "sim/disk.h"
#include "sim/entropy.h"

namespace meridian::mesh {
namespace {

using internal::value_of;

const std::string path = "join_tokens";
const SpiffeId id{"eu-west.bank.example", "/node/x"};

class JoinTokenTest : public ::testing::Test {
 protected:
  sim::Disk disk_;
  sim::Clock clock_;
  sim::Entropy entropy_{1};

  JoinTokens open() { return value_of(JoinTokens::open(disk_, path, clock_)); }
  std::string make(JoinTokens& tokens, std::int64_t lifetime = 60) {
    return std::string(as_text(value_of(tokens.make(id, lifetime, entropy_)).bytes()));
  }
  void expect_refused(JoinTokens& tokens, std::string_view text, std::string_view words,
                      const SpiffeId& wanted = id) {
    Result<crypto::Digest> redeemed = tokens.redeem(text, wanted);
    ASSERT_FALSE(redeemed.has_value());
    EXPECT_NE(redeemed.error().message.find(words), std::string::npos) << redeemed.error().message;
  }
};

TEST_F(JoinTokenTest, one_is_good_once_and_the_second_learns_of_the_first) {
  JoinTokens tokens = open();
  std::string text = make(tokens);
  EXPECT_EQ(text.size(), 6U + 64U);
  crypto::Digest digest = value_of(tokens.redeem(text, id));
  EXPECT_EQ(digest, value_of(join_token_digest(text)));
  expect_refused(tokens, text, "used at 2023-11-14 22:13:20 UTC for spiffe://eu-west");
  JoinTokens again = open();
  expect_refused(again, text, "used at");
}

TEST_F(JoinTokenTest, the_table_does_not_hold_what_opens) {
  JoinTokens tokens = open();
  std::string text = make(tokens);
  std::string table(as_text(value_of(io::read_file(disk_, path, 1 << 20))));
  EXPECT_EQ(table.find(text.substr(6)), std::string::npos);
  EXPECT_NE(table.find(to_hex(value_of(join_token_digest(text)))), std::string::npos);
}

TEST_F(JoinTokenTest, unknown_foreign_and_malformed_ones_are_refused) {
  JoinTokens tokens = open();
  std::string text = make(tokens);
  expect_refused(tokens, "mjoin-" + std::string(64, '0'), "unknown");
  expect_refused(tokens, text, "it is for spiffe://eu-west.bank.example/node/x, not for",
                 {"eu-west.bank.example", "/node/y"});
  for (const std::string& changed :
       {std::string(), text.substr(6), text + "0", text + " ", " " + text,
        "Mjoin-" + text.substr(6), "mjoin-" + std::string(64, 'A'),
        "mjoin-" + std::string(64, 'g')})
    expect_refused(tokens, changed, "64 digits");
  EXPECT_TRUE(tokens.redeem(text, id).has_value()) << "none of it used it up";
}

TEST_F(JoinTokenTest, it_expires_to_the_second) {
  JoinTokens tokens = open();
  std::string text = make(tokens, 60);
  std::string other = make(tokens, 60);
  clock_.advance(io::seconds(59));
  EXPECT_TRUE(tokens.redeem(other, id).has_value());
  clock_.advance(io::seconds(1));
  expect_refused(tokens, text, "expired at 2023-11-14 22:14:20 UTC");
  EXPECT_TRUE(open().tokens().empty());
  JoinTokens again = open();
  expect_refused(again, text, "unknown");
}

TEST_F(JoinTokenTest, lifetimes_ids_and_numbers_have_bounds) {
  JoinTokens tokens = open();
  EXPECT_EQ(tokens.make(id, 0, entropy_).error().code, Code::out_of_range);
  EXPECT_EQ(tokens.make(id, join_token_lifetime_max + 1, entropy_).error().code,
            Code::out_of_range);
  EXPECT_TRUE(tokens.make(id, join_token_lifetime_max, entropy_).has_value());
  EXPECT_EQ(tokens.make({id.trust_domain, ""}, 60, entropy_).error().code, Code::invalid_argument);
  EXPECT_EQ(tokens.make({id.trust_domain, "/a b"}, 60, entropy_).error().code,
            Code::invalid_argument);
  while (tokens.tokens().size() < join_tokens_max)
    ASSERT_TRUE(tokens.make(id, 60, entropy_).has_value());
  EXPECT_EQ(tokens.make(id, 60, entropy_).error().code, Code::resource_exhausted);
  clock_.advance(io::seconds(60));
  EXPECT_TRUE(tokens.make(id, 60, entropy_).has_value()) << "those that are over make room";
}

TEST_F(JoinTokenTest, every_flipped_bit_of_the_table_is_found) {
  JoinTokens tokens = open();
  make(tokens);
  ASSERT_TRUE(tokens.redeem(make(tokens), id).has_value());
  Buffer good = value_of(io::read_file(disk_, path, 1 << 20));
  EXPECT_EQ(format_join_tokens(value_of(parse_join_tokens(as_text(good)))), as_text(good));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Buffer changed = good;
    changed[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    EXPECT_EQ(parse_join_tokens(as_text(changed)).error().code, Code::data_loss) << bit;
  }
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(parse_join_tokens(as_text(Bytes(good).first(size))).has_value()) << size;
}

TEST_F(JoinTokenTest, after_a_failed_write_nothing_is_accepted) {
  JoinTokens tokens = open();
  std::string first = make(tokens);
  std::string second = make(tokens);
  disk_.fail_next(sim::DiskOperation::sync);
  EXPECT_FALSE(tokens.redeem(first, id).has_value());
  expect_refused(tokens, second, "a write failed before");
  EXPECT_FALSE(tokens.redeem(first, id).has_value());
}

TEST_F(JoinTokenTest, power_failing_anywhere_never_makes_one_good_twice) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    auto disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
    JoinTokens before = value_of(JoinTokens::open(*disk, path, clock_));
    std::string text(as_text(value_of(before.make(id, 60, entropy_)).bytes()));
    int redeemed = 0;
    for (std::uint64_t life = 0; life < 3; ++life) {
      disk->crash_at_mutation(disk->mutation_count() + 1 + (seed + life) % 6);
      Result<JoinTokens> tokens = JoinTokens::open(*disk, path, clock_);
      ASSERT_TRUE(tokens.has_value()) << seed << ": " << tokens.error().message;
      ASSERT_EQ(tokens->tokens().size(), 1U) << seed << ": what was durable is there";
      if (tokens->redeem(text, id).has_value()) ++redeemed;
      disk = disk->crash(seed * 5 + life);
    }
    EXPECT_LE(redeemed, 1) << seed;
  }
}

}  // namespace
}  // namespace meridian::mesh
