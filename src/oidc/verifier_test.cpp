#include "oidc/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oidc/provider.h"
#include "oidc/token_rig.h"
#include "sim/clock.h"

namespace meridian::oidc {
namespace {

using nlohmann::json;
using rig::good_claims;
using rig::rig_nonce;
using rig::rig_now;
using rig::SigningKey;
using rig::Site;
using testing::HasSubstr;

class VerifierTest : public testing::Test {
 protected:
  VerifierTest() { site_.show({first_}); }

  /// A token of now.
  std::string token(const SigningKey& key) {
    json claims = good_claims();
    claims["iat"] = now_;
    claims["exp"] = now_ + 300;
    return key.sign("ES256", claims.dump());
  }
  Result<SignedIn> verify(const SigningKey& key) { return verifier_.verify(token(key), rig_nonce); }
  void advance(std::int64_t seconds) {
    clock_.advance(io::seconds(seconds));
    now_ += seconds;
  }
  int asked() { return site_.asked[Site::keys_url]; }

  SigningKey first_ = SigningKey::p256("1"), second_ = SigningKey::p256("2");
  Site site_;
  sim::Clock clock_;
  std::int64_t now_ = rig_now;
  Verifier verifier_{rig::rig_settings(), "", site_.fetch(), clock_};
};

TEST_F(VerifierTest, a_good_token_is_taken_and_the_keys_are_kept) {
  for (int i = 0; i < 3; ++i) {
    const Result<SignedIn> who = verify(first_);
    ASSERT_TRUE(who.has_value()) << who.error().message;
    EXPECT_EQ(who->name, "ada");
  }
  EXPECT_EQ(asked(), 1);
  advance(3'600);
  EXPECT_TRUE(verify(first_).has_value());
  EXPECT_EQ(asked(), 2);
}

TEST_F(VerifierTest, new_keys_of_the_provider_are_found_and_old_ones_end) {
  ASSERT_TRUE(verify(first_).has_value());
  advance(61);
  site_.show({second_});
  EXPECT_TRUE(verify(second_).has_value());
  EXPECT_THAT(verify(first_).error().message, HasSubstr("no key that it names"));
}

TEST_F(VerifierTest, strangers_tokens_do_not_become_questions) {
  ASSERT_TRUE(verify(first_).has_value());
  advance(61);
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(verify(SigningKey::p256("no")).error().message, HasSubstr("once a minute"));
    advance(1);
  }
  EXPECT_EQ(asked(), 2);
  const std::string unsigned_one = rig::unsigned_token(R"({"alg":"none"})", good_claims().dump());
  EXPECT_EQ(verifier_.verify(unsigned_one, rig_nonce).error().code, Code::permission_denied);
  EXPECT_EQ(asked(), 2);
}

TEST_F(VerifierTest, a_provider_that_is_down_is_named_and_asked_again) {
  site_.is_down = true;
  const Error error = verify(first_).error();
  EXPECT_EQ(error.code, Code::unavailable);
  EXPECT_THAT(error.message, HasSubstr("connection refused"));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(verify(first_).error(), error);
  EXPECT_EQ(site_.asked[Site::discovery_url()], 1);
  site_.is_down = false;
  advance(5);
  EXPECT_TRUE(verify(first_).has_value());
}

TEST_F(VerifierTest, keys_are_not_used_for_longer_than_they_are_kept) {
  ASSERT_TRUE(verify(first_).has_value());
  site_.is_down = true;
  advance(3'600);
  EXPECT_EQ(verify(first_).error().code, Code::unavailable);
}

TEST_F(VerifierTest, a_signature_alone_does_not_do) {
  EXPECT_THAT(verifier_.verify(token(first_), "another").error().message, HasSubstr("nonce"));
}

TEST_F(VerifierTest, a_provider_that_says_something_else_is_not_believed) {
  const auto why = [this](const char* key, const json& value) {
    json document = Site::document();
    document[key] = value;
    site_.pages[Site::discovery_url()] = {200, document.dump()};
    Verifier verifier(rig::rig_settings(), "", site_.fetch(), clock_);
    const Result<SignedIn> who = verifier.verify(token(first_), rig_nonce);
    if (who) return std::string("accepted");
    EXPECT_EQ(who.error().code, Code::unavailable);
    return who.error().message;
  };
  EXPECT_THAT(why("issuer", "https://evil.example"), HasSubstr("another issuer"));
  EXPECT_THAT(why("jwks_uri", "http://login.bank.example/keys"), HasSubstr("jwks_uri"));
  EXPECT_THAT(why("jwks_uri", "file:///etc/passwd"), HasSubstr("jwks_uri"));
  EXPECT_THAT(why("code_challenge_methods_supported", {"plain"}), HasSubstr("PKCE"));
  EXPECT_THAT(why("jwks_uri", "https://login.bank.example/none"), HasSubstr("HTTP 404"));
  EXPECT_EQ(why("more", 1), "accepted");
}

}  // namespace
}  // namespace meridian::oidc
