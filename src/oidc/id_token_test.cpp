#include "oidc/id_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oidc/token_rig.h"

namespace meridian::oidc {
namespace {

using nlohmann::json;
using rig::good_claims;
using rig::rig_issuer;
using rig::rig_nonce;
using rig::rig_now;
using testing::HasSubstr;

Result<SignedIn> judge(const json& claims, const Settings& settings = rig::rig_settings()) {
  return judge_id_token(claims.dump(), settings, rig_nonce, rig_now);
}
/// Why it is refused with the claim `key` as `value`; null: without it.
std::string why(const char* key, const json& value,
                const Settings& settings = rig::rig_settings()) {
  json claims = good_claims();
  if (value.is_null())
    claims.erase(key);
  else
    claims[key] = value;
  const Result<SignedIn> who = judge(claims, settings);
  if (who) return "accepted";
  EXPECT_EQ(who.error().code, Code::permission_denied);
  return who.error().message;
}

TEST(IdToken, a_good_one_says_who_and_how) {
  const Result<SignedIn> who = judge(good_claims());
  ASSERT_TRUE(who.has_value()) << who.error().message;
  EXPECT_EQ(who->name, "ada");
  EXPECT_EQ(who->evidence, (mesh::PersonEvidence{rig_issuer, true, {"pwd", "otp"}, rig_now - 30}));
  EXPECT_EQ(who->subject, crypto::sha256(as_bytes(std::string(rig_issuer) + "\n8f2c")));
}

TEST(IdToken, it_is_of_this_issuer_for_this_client) {
  EXPECT_THAT(why("iss", "https://login.bank.example"), HasSubstr("iss"));
  EXPECT_THAT(why("iss", nullptr), HasSubstr("iss"));
  EXPECT_THAT(why("iss", 7), HasSubstr("iss"));
  for (const json& audience :
       {json("other"), json(nullptr), json::array(), json({"meridian", "other"}),
        json({"meridian", 7}), json({{"a", 1}})})
    EXPECT_THAT(why("aud", audience), HasSubstr("aud")) << audience;
  EXPECT_EQ(why("aud", {"meridian"}), "accepted");
  EXPECT_EQ(why("azp", "meridian"), "accepted");
  EXPECT_THAT(why("azp", "other"), HasSubstr("azp"));
  Settings two = rig::rig_settings();
  two.audiences = {"meridian", "ledger"};
  EXPECT_THAT(why("aud", {"meridian", "ledger"}, two), HasSubstr("azp"));
  EXPECT_EQ(why("aud", "ledger", two), "accepted");
}

TEST(IdToken, its_times_are_now_give_or_take_a_minute) {
  EXPECT_EQ(why("exp", rig_now - 59), "accepted");
  EXPECT_THAT(why("exp", rig_now - 60), HasSubstr("ended"));
  EXPECT_EQ(why("iat", rig_now + 60), "accepted");
  EXPECT_THAT(why("iat", rig_now + 61), HasSubstr("future"));
  EXPECT_EQ(why("iat", rig_now - 660), "accepted");
  EXPECT_THAT(why("iat", rig_now - 661), HasSubstr("too long ago"));
  EXPECT_EQ(why("nbf", rig_now + 60), "accepted");
  EXPECT_THAT(why("nbf", rig_now + 61), HasSubstr("future"));
  EXPECT_EQ(why("exp", rig_now + 0.5), "accepted");
  for (const char* key : {"exp", "iat", "nbf", "auth_time"})
    for (const json& value : {json("soon"), json(-1), json(1e300), json(true)})
      EXPECT_THAT(why(key, value), HasSubstr("is no time")) << key << value;
  EXPECT_THAT(why("exp", nullptr), HasSubstr("exp"));
  EXPECT_THAT(why("iat", nullptr), HasSubstr("iat"));
}

TEST(IdToken, it_was_made_for_this_key) {
  EXPECT_THAT(why("nonce", "another"), HasSubstr("nonce"));
  EXPECT_THAT(why("nonce", nullptr), HasSubstr("nonce"));
  EXPECT_THAT(judge_id_token(R"({"nonce":""})", rig::rig_settings(), "", rig_now).error().message,
              HasSubstr("ID token"));
  const crypto::Digest key = crypto::sha256(as_bytes("key")), other = crypto::sha256(as_bytes("k"));
  const Buffer random(nonce_random_size, 7);
  EXPECT_EQ(sign_in_nonce(key, random).size(), 43U);
  EXPECT_EQ(sign_in_nonce(key, random), sign_in_nonce(key, random));
  EXPECT_NE(sign_in_nonce(key, random), sign_in_nonce(other, random));
  EXPECT_NE(sign_in_nonce(key, random), sign_in_nonce(key, Buffer(nonce_random_size, 8)));
}

TEST(IdToken, who_is_not_in_the_table_is_nobody) {
  EXPECT_THAT(why("sub", "unknown"), HasSubstr("`people`"));
  EXPECT_THAT(why("sub", nullptr), HasSubstr("sub"));
  EXPECT_THAT(why("sub", ""), HasSubstr("sub"));
  Settings by_mail = rig::rig_settings();
  by_mail.person_claim = "email";
  EXPECT_THAT(why("email", nullptr, by_mail), HasSubstr("`email`"));
  EXPECT_THAT(why("email", "ada@bank.example", by_mail), HasSubstr("not verified"));
  json claims = good_claims();
  claims["email"] = "ada@bank.example";
  claims["email_verified"] = true;
  EXPECT_TRUE(judge(claims, by_mail).has_value());
  claims["email_verified"] = "true";
  EXPECT_FALSE(judge(claims, by_mail).has_value());
}

TEST(IdToken, what_counts_as_a_second_factor_is_for_the_settings_to_say) {
  const auto evidence = [](const char* key, const json& value) {
    json claims = good_claims();
    claims["amr"] = {"pwd"};
    claims[key] = value;
    return judge(claims)->evidence;
  };
  EXPECT_FALSE(evidence("acr", "bronze").is_mfa);
  EXPECT_TRUE(evidence("acr", "gold").is_mfa);
  EXPECT_TRUE(evidence("amr", "mfa").is_mfa);
  EXPECT_FALSE(evidence("amr", json::array()).is_mfa);
  json claims = good_claims();
  claims.erase("auth_time");
  EXPECT_EQ(judge(claims)->evidence.auth_time, std::nullopt);
  EXPECT_THAT(why("auth_time", rig_now + 61), HasSubstr("still to come"));
  EXPECT_THAT(why("amr", {"with space"}), HasSubstr("amr"));
  EXPECT_THAT(why("amr", std::vector<std::string>(17, "otp")), HasSubstr("amr"));
}

TEST(IdToken, what_two_readers_would_read_differently_is_refused) {
  for (const std::string& text :
       {std::string(), std::string("[]"), std::string("{"), std::string(R"({"sub":"a","sub":"b"})"),
        std::string(100'000, '['), R"({"a":)" + std::string(20, '[') + std::string(20, ']') + "}"})
    EXPECT_EQ(judge_id_token(text, rig::rig_settings(), rig_nonce, rig_now).error().code,
              Code::permission_denied);
}

}  // namespace
}  // namespace meridian::oidc
