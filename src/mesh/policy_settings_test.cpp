// What stands at the top of a policy, beside its grants and denials.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mesh/policy.h"

namespace meridian::mesh {
namespace {

using testing::HasSubstr;

std::string grant(const std::string& who) {
  return "grants:\n  - who: " + who + "\n    roles: operator\n    cells: all\n";
}
std::string denial(const std::string& who) {
  return "denials:\n  - who: " + who + "\n    actions: all\n";
}
Result<std::shared_ptr<const Policy>> parse(const std::string& yaml) {
  return Policy::parse("meridian-policy: 1\n" + yaml);
}
std::string refusal(const std::string& yaml) {
  const auto policy = parse(yaml);
  return policy ? "" : policy.error().message;
}

TEST(PolicySettings, dangerous_acts_need_a_second_person_unless_all_is_for_development) {
  const std::string not_needed = "second-person: not-needed\n";
  EXPECT_TRUE((*parse(grant("spiffe://dev.invalid/person/ada")))->needs_second_person());
  EXPECT_FALSE(
      (*parse(not_needed + grant("spiffe://dev.invalid/person/ada")))->needs_second_person());
  EXPECT_FALSE(
      (*parse(not_needed + grant("'spiffe://*.dev.invalid/person/*'")))->needs_second_person());
  for (const char* who :
       {"spiffe://bank.example/person/ada", "'spiffe://*.bank.example/person/*'",
        "spiffe://notdev.invalid/person/ada", "spiffe://dev.invalid.bank.example/person/ada",
        "[spiffe://dev.invalid/person/ada, spiffe://bank.example/person/grace]"}) {
    EXPECT_THAT(refusal(not_needed + grant(who)), HasSubstr("for development only")) << who;
    EXPECT_EQ(refusal(grant(who)), "") << who;
  }
  EXPECT_THAT(refusal(not_needed + grant("spiffe://dev.invalid/person/ada") +
                      denial("spiffe://bank.example/person/ada")),
              HasSubstr("for development only"));
  EXPECT_THAT(refusal("second-person: no\n"), HasSubstr("line 2: second-person: not-needed"));
  EXPECT_THAT(refusal("second-person: [not-needed]\n"), HasSubstr("second-person: not-needed"));
}

TEST(PolicySettings, what_personal_data_is_read_for_is_said_unless_the_policy_lets_it_be) {
  const std::string readers = R"(grants:
  - who: spiffe://bank.example/service/reader
    roles: reader
    cells: all
    ledgers: all
    streams: all
  - who: spiffe://bank.example/person/olga
    roles: [reader, regulator]
    cells: all
    ledgers: all
    streams: all
)";
  const auto needs = [&](const std::string& setting, const std::string& who) {
    const auto policy = *parse(setting + readers);
    return policy->needs_purpose(policy->rights_of("spiffe://bank.example" + who, 1));
  };
  EXPECT_TRUE(needs("", "/service/reader"));
  EXPECT_TRUE(needs("purpose: required\n", "/service/reader"));
  EXPECT_FALSE(needs("purpose: optional\n", "/service/reader"));
  EXPECT_TRUE(needs("purpose: optional\n", "/person/olga")) << "a regulator always";
  EXPECT_THAT(refusal("purpose: never\n"), HasSubstr("line 2: purpose: required, or optional"));
}

TEST(PolicySettings, break_glass_names_keys_how_many_sign_and_for_how_long) {
  const std::string a =
      proof::format_vkey(proof::Signer("a", proof::KeyType::ed25519, Buffer(32, 1)).verifier());
  const std::string b =
      proof::format_vkey(proof::Signer("b", proof::KeyType::ed25519, Buffer(32, 2)).verifier());
  const std::string a2 =
      proof::format_vkey(proof::Signer("a", proof::KeyType::ed25519, Buffer(32, 3)).verifier());
  const std::string b1 =
      proof::format_vkey(proof::Signer("b", proof::KeyType::ed25519, Buffer(32, 1)).verifier());
  const std::string witness =
      proof::format_vkey(proof::Signer("w", proof::KeyType::cosignature, Buffer(32, 4)).verifier());
  const auto glass = [](const std::string& keys, const std::string& more) {
    return "break-glass:\n  keys: [" + keys + "]\n" + more;
  };
  EXPECT_TRUE((*parse(""))->glass_keys().keys.empty());
  const auto policy = parse(glass(a + ", " + b, "  needed: 2\n  longest: 90m\n"));
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ((*policy)->glass_keys().keys.size(), 2U);
  EXPECT_EQ((*policy)->glass_keys().needed, 2U);
  EXPECT_EQ((*policy)->glass_keys().longest_s, 5'400);
  EXPECT_EQ((*parse(glass(a + ", " + b, "  needed: 2\n")))->glass_keys().longest_s, 14'400);
  EXPECT_THAT(refusal(glass(a, "  needed: 1\n")), HasSubstr("from 2 to all"));
  EXPECT_THAT(refusal(glass(a + ", " + b, "  needed: 3\n")), HasSubstr("from 2 to all"));
  EXPECT_THAT(refusal(glass(a + ", " + b, "")), HasSubstr("from 2 to all"));
  EXPECT_THAT(refusal(glass(a + ", " + a2, "  needed: 2\n")), HasSubstr("twice"));
  EXPECT_THAT(refusal(glass(a + ", " + b1, "  needed: 2\n")), HasSubstr("twice"));
  EXPECT_THAT(refusal(glass(a + ", " + witness, "  needed: 2\n")), HasSubstr("no public key"));
  EXPECT_THAT(refusal(glass(a + ", nonsense", "  needed: 2\n")), HasSubstr("no public key"));
  for (const char* longest : {"5h", "0h", "241m", "4", "4d", "-1h", "h"})
    EXPECT_THAT(
        refusal(glass(a + ", " + b, "  needed: 2\n  longest: " + std::string(longest) + "\n")),
        HasSubstr("from 1m to 4h"))
        << longest;
  EXPECT_THAT(refusal("break-glass:\n  needed: 2\n"), HasSubstr("names no keys"));
  EXPECT_THAT(refusal("break-glass:\n  kyes: 2\n"), HasSubstr("no key 'kyes'"));
}

}  // namespace
}  // namespace meridian::mesh
