#include "used_tokens.h"

#include <gtest/gtest.h>

#include "deployment_rig.h"

namespace meridian::app {
namespace {

constexpr std::int64_t now = 1'700'000'000;

crypto::Digest token(std::uint64_t number) {
  return crypto::sha256(as_bytes(std::to_string(number)));
}

class UsedTokensTest : public testing::Test {
 protected:
  void append(std::uint64_t number, std::int64_t time, bool is_sign_in) {
    mesh::Issuance issuance{.time = time,
                            .serial = "40aa",
                            .id = {Deployment::domain, "/person/ada"},
                            .not_after = time + 60,
                            .grounds = {mesh::IssuanceGrounds::Kind::officer, "ada"}};
    if (is_sign_in)
      issuance.grounds = {mesh::IssuanceGrounds::Kind::sign_in,
                          mesh::sign_in_text({{}, token(number), "https://login.bank.example"})};
    ASSERT_TRUE(ca_.journal->append(issuance).has_value());
  }

  Deployment bank_{"used-tokens"};
  CaDirectory ca_ = bank_.authority();
  UsedTokens used_;
};

TEST_F(UsedTokensTest, a_new_one_knows_what_was_used_before_it_and_no_older_ones) {
  constexpr std::uint64_t count = 1'000;
  for (std::uint64_t i = 0; i < count; ++i)
    append(i, now - static_cast<std::int64_t>(count - i), i % 3 == 0);
  ASSERT_TRUE(used_.take_up(*ca_.journal, now).has_value());
  std::size_t expected = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const bool is_kept = i % 3 == 0 && count - i <= UsedTokens::kept_seconds;
    EXPECT_EQ(used_.contains(token(i)), is_kept) << i;
    expected += is_kept ? 1 : 0;
  }
  EXPECT_EQ(used_.size(), expected);
}

TEST_F(UsedTokensTest, what_comes_later_is_taken_up_and_forgotten_in_its_time) {
  append(0, now, false);
  ASSERT_TRUE(used_.take_up(*ca_.journal, now).has_value());
  for (std::uint64_t i = 1; i <= 600; ++i) append(i, now, true);
  EXPECT_FALSE(used_.contains(token(600)));
  ASSERT_TRUE(used_.take_up(*ca_.journal, now + UsedTokens::kept_seconds).has_value());
  EXPECT_EQ(used_.size(), 600U);
  ASSERT_TRUE(used_.take_up(*ca_.journal, now + UsedTokens::kept_seconds + 1).has_value());
  EXPECT_EQ(used_.size(), 0U);
}

}  // namespace
}  // namespace meridian::app
