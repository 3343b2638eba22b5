#include "oidc/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meridian::oidc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string least = R"(meridian-oidc: 1
issuer: https://login.bank.example/realms/staff
client_id: meridian
people:
  8f2c: ada
  "grace@bank.example": grace.h
)";

std::string why(const std::string& yaml) {
  const Result<Settings> settings = parse_settings(yaml);
  if (settings) return "accepted";
  EXPECT_EQ(settings.error().code, Code::invalid_argument);
  return settings.error().message;
}

TEST(OidcSettings, what_is_not_said_is_the_careful_choice) {
  const Result<Settings> settings = parse_settings(least);
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  EXPECT_THAT(settings->audiences, ElementsAre("meridian"));
  EXPECT_EQ(settings->person_claim, "sub");
  EXPECT_EQ(settings->people.at("grace@bank.example"), "grace.h");
  EXPECT_TRUE(settings->mfa_methods.empty() && settings->mfa_classes.empty());
  EXPECT_EQ(settings->lifetime_seconds, 3600);
  EXPECT_EQ(settings->algorithms.size(), 3U);
}

TEST(OidcSettings, everything_can_be_said) {
  const Result<Settings> settings = parse_settings(least + R"(audience: [meridian, ledger]
person_claim: preferred_username
mfa:
  amr: [mfa, otp]
  acr: gold
lifetime: 900
scopes: profile
algorithms: [ES256, PS256]
ca_file: provider-ca.pem
)");
  ASSERT_TRUE(settings.has_value()) << settings.error().message;
  EXPECT_THAT(settings->audiences, ElementsAre("meridian", "ledger"));
  EXPECT_EQ(settings->person_claim, "preferred_username");
  EXPECT_THAT(settings->mfa_methods, ElementsAre("mfa", "otp"));
  EXPECT_THAT(settings->mfa_classes, ElementsAre("gold"));
  EXPECT_EQ(settings->lifetime_seconds, 900);
  EXPECT_THAT(settings->scopes, ElementsAre("profile"));
  EXPECT_THAT(settings->algorithms, ElementsAre(Algorithm::es256, Algorithm::ps256));
  EXPECT_EQ(settings->ca_file, "provider-ca.pem");
}

TEST(OidcSettings, what_is_wrong_is_named_with_its_line) {
  EXPECT_EQ(why(least), "accepted");
  EXPECT_THAT(why(least + "isuer: x\n"), HasSubstr("line 7: there is no key 'isuer'"));
  EXPECT_THAT(why(least + "client_id: b\n"), HasSubstr("stands here twice"));
  EXPECT_THAT(why(least + "  8f2c: eve\n"), HasSubstr("'8f2c' stands here twice"));
  EXPECT_THAT(why(least + "  x: a/b\n"), HasSubstr("the name of 'x'"));
  EXPECT_THAT(why(least + "  x: \"\"\n"), HasSubstr("the name of 'x'"));
  EXPECT_THAT(why(least + "lifetime: 86401\n"), HasSubstr("lifetime"));
  EXPECT_THAT(why(least + "lifetime: 1h\n"), HasSubstr("lifetime"));
  for (const char* algorithm : {"none", "HS256", "RS1", "RS512"})
    EXPECT_THAT(why(least + "algorithms: " + algorithm + "\n"), HasSubstr("no algorithm"));
  EXPECT_THAT(why(least + "mfa: [otp]\n"), HasSubstr("here stand keys"));
  EXPECT_THAT(why(least + "scopes: [a b]\n"), HasSubstr("scopes"));
  EXPECT_THAT(why(least + "---\n" + least), HasSubstr("one YAML document"));
  EXPECT_THAT(why(least + "# \xc3\xbc\n"), HasSubstr("0xc3"));
  EXPECT_THAT(why(""), HasSubstr("here stand keys"));
  EXPECT_THAT(why("meridian-oidc: 2\n"), HasSubstr("meridian-oidc: 1"));
  for (const char* key : {"issuer", "client_id", "people"}) {
    std::string yaml = least;
    yaml.replace(yaml.find(std::string("\n") + key) + 1, 1, "# ");
    EXPECT_NE(why(yaml), "accepted") << key;
  }
}

TEST(OidcSettings, an_issuer_is_reached_in_tls_alone) {
  for (const char* text : {"http://a", "https://", "https://a b", "https://user@a", "https:///a",
                           "https://a#b", "ftp://a", "https://a\"b"})
    EXPECT_FALSE(is_https_url(text)) << text;
  EXPECT_FALSE(is_https_url("https://" + std::string(url_size_max, 'a')));
  EXPECT_TRUE(is_https_url("https://login.bank.example:8443/a?b=c@d"));
  std::string yaml = least;
  yaml.replace(yaml.find("https"), 5, "http");
  EXPECT_THAT(why(yaml), HasSubstr("https://"));
}

}  // namespace
}  // namespace meridian::oidc
