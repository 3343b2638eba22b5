#include "oidc/sign_in.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oidc/id_token.h"
#include "oidc/token_rig.h"
#include "sim/entropy.h"

namespace meridian::oidc {
namespace {

using rig::rig_issuer;
using testing::HasSubstr;
using testing::Not;

class SignInTest : public testing::Test {
 protected:
  sim::Entropy entropy_{1};
  Provider provider_ = *parse_provider(rig::Site::document().dump(), rig_issuer);
  SignInTerms terms_{rig_issuer, "meridian", {"profile"}, {"gold", "silver"}, "PEM"};
  crypto::Digest key_ = crypto::sha256(as_bytes("key"));
  SignInAttempt attempt_ = make_attempt(key_, "http://127.0.0.1:49152/callback", entropy_);

  Parameters answer() const { return {{"code", "c0de"}, {"state", attempt_.state}}; }
};

TEST_F(SignInTest, each_attempt_has_secrets_of_its_own) {
  const SignInAttempt other = make_attempt(key_, attempt_.redirect_uri, entropy_);
  EXPECT_EQ(attempt_.nonce, sign_in_nonce(key_, attempt_.random));
  EXPECT_NE(attempt_.nonce, other.nonce);
  EXPECT_NE(attempt_.state, other.state);
  EXPECT_NE(attempt_.code_verifier, other.code_verifier);
  EXPECT_EQ(attempt_.code_verifier.size(), 43U);  // RFC 7636 section 4.1: 43 to 128
}

TEST_F(SignInTest, the_browser_learns_the_challenge_and_not_the_verifier) {
  // RFC 7636 appendix B.
  attempt_.code_verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const std::string url = authorization_url(provider_, terms_, attempt_, false);
  EXPECT_THAT(url, testing::StartsWith("https://login.bank.example/authorize?response_type=code&"));
  EXPECT_THAT(url, HasSubstr("&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&"));
  EXPECT_THAT(url, HasSubstr("&code_challenge_method=S256&max_age=43200"));
  EXPECT_THAT(url, HasSubstr("&redirect_uri=http%3A%2F%2F127.0.0.1%3A49152%2Fcallback&"));
  EXPECT_THAT(url, HasSubstr("&scope=openid%20profile&state=" + attempt_.state + "&nonce="));
  EXPECT_THAT(url, Not(HasSubstr(attempt_.code_verifier)));
  EXPECT_THAT(url, Not(HasSubstr("acr_values")));
  EXPECT_THAT(authorization_url(provider_, terms_, attempt_, true),
              HasSubstr("&max_age=0&acr_values=gold%20silver"));
  provider_.authorization_endpoint += "?tenant=1";
  EXPECT_THAT(authorization_url(provider_, terms_, attempt_, false),
              HasSubstr("?tenant=1&response_type"));
}

TEST_F(SignInTest, only_the_answer_to_this_attempt_is_taken) {
  EXPECT_EQ(*read_redirect(answer(), provider_, attempt_), "c0de");
  for (const Parameters& query :
       {Parameters{}, Parameters{{"code", "c0de"}}, Parameters{{"code", "c0de"}, {"state", "x"}},
        Parameters{{"error", "access_denied"}, {"state", ""}}})
    EXPECT_THAT(read_redirect(query, provider_, attempt_).error().message, HasSubstr("state"));
  EXPECT_EQ(read_redirect({{"state", attempt_.state}}, provider_, attempt_).error().code,
            Code::invalid_argument);
}

TEST_F(SignInTest, the_answer_of_another_provider_is_not_taken) {
  Parameters named = answer();
  named.emplace_back("iss", rig_issuer);
  EXPECT_TRUE(read_redirect(named, provider_, attempt_).has_value());
  named.back().second = "https://evil.example";
  EXPECT_THAT(read_redirect(named, provider_, attempt_).error().message, HasSubstr("iss"));
  provider_.says_issuer = true;
  EXPECT_THAT(read_redirect(answer(), provider_, attempt_).error().message, HasSubstr("iss"));
}

TEST_F(SignInTest, a_providers_words_are_shown_without_tricks) {
  const Error error = read_redirect({{"state", attempt_.state},
                                     {"error", "access_denied"},
                                     {"error_description", "no\x1b[2J\nmeridian: all is well"}},
                                    provider_, attempt_)
                          .error();
  EXPECT_EQ(error.code, Code::permission_denied);
  EXPECT_EQ(error.message,
            "the identity provider refused: access_denied: no?[2J?meridian: all is well");
}

TEST_F(SignInTest, the_code_goes_to_the_providers_own_address_with_the_verifier) {
  const HttpsAsk ask = token_request(provider_, terms_, attempt_, "a&b", "");
  EXPECT_EQ(ask.url, provider_.token_endpoint);
  EXPECT_EQ(ask.ca_pem, "PEM");
  EXPECT_EQ(ask.form,
            "grant_type=authorization_code&code=a%26b&redirect_uri=http%3A%2F%2F127.0.0.1%3A49152"
            "%2Fcallback&client_id=meridian&code_verifier=" +
                attempt_.code_verifier);
  EXPECT_THAT(token_request(provider_, terms_, attempt_, "c", "s").form,
              HasSubstr("&client_secret=s"));
}

TEST_F(SignInTest, what_the_token_endpoint_says_is_a_token_or_a_reason) {
  EXPECT_EQ(*read_token_answer({200, R"({"id_token":"a.b.c","access_token":"x"})"}), "a.b.c");
  const Error refused =
      read_token_answer({400, R"({"error":"invalid_grant","error_description":"wrong verifier"})"})
          .error();
  EXPECT_EQ(refused.code, Code::permission_denied);
  EXPECT_THAT(refused.message, HasSubstr("invalid_grant: wrong verifier"));
  for (const HttpsAnswer& answer :
       {HttpsAnswer{502, "<html>"}, HttpsAnswer{200, "<html>"}, HttpsAnswer{200, "{}"},
        HttpsAnswer{200, R"({"id_token":7})"}, HttpsAnswer{302, ""}})
    EXPECT_EQ(read_token_answer(answer).error().code, Code::unavailable);
}

TEST(Https, nothing_is_fetched_but_over_tls_and_failures_have_names) {
  EXPECT_THAT(fetch_https({.url = "http://127.0.0.1:1/"}).error().message, HasSubstr("http"));
  EXPECT_THAT(fetch_https({.url = "file:///etc/hostname"}).error().message, HasSubstr("file"));
  const Error refused = fetch_https({.url = "https://127.0.0.1:1/"}).error();
  EXPECT_EQ(refused.code, Code::unavailable);
  EXPECT_THAT(refused.message, HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace meridian::oidc
