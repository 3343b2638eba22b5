#include "mesh/policy_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mesh/internal/certificate_rig.h"

namespace meridian::mesh {
namespace {

using internal::Holder;
using internal::Region;
using testing::HasSubstr;

constexpr u128 cell = make_u128(7, 9);
constexpr std::int64_t now = internal::rig_now;

std::string policy_text(const std::string& who, const std::string& more = "") {
  return "meridian-policy: 1\ngrants:\n  - who: " + who +
         "\n    roles: operator\n    cells: all\n" + more;
}

class PolicyHistoryTest : public ::testing::Test {
 protected:
  PolicyHistoryTest() { EXPECT_EQ(begin(old_text_), ""); }

  /// What was wrong, or nothing.
  static std::string told(const Status& status) { return status ? "" : status.error().message; }
  std::string begin(const std::string& text) {
    return told(history_.apply(first_policy_type, first_policy_json(**Policy::parse(text)), now));
  }
  PolicyStatement statement(const Holder& by, const std::string& text) const {
    return {cell, history_.policy()->digest(), crypto::sha256(as_bytes(text)),
            format_spiffe_id(*by.certificate.claimed_id()), now};
  }
  static SignedText signed_with(const Holder& by, const std::string& text) {
    return {text, by.certificate.pem(), sign(by.key, text)};
  }
  std::string propose(const SignedText& given, const std::string& text, std::int64_t at = now) {
    return told(history_.apply(policy_proposed_type, proposed_json(given, text), at));
  }
  std::string propose(const Holder& by, const std::string& text, std::int64_t at = now) {
    return propose(signed_with(by, format_statement(statement(by, text))), text, at);
  }
  crypto::Digest newest() const { return history_.open(now).back().hash; }
  std::string approve(const Holder& by, const crypto::Digest& hash, std::int64_t at = now) {
    const std::string text = format_approval(hash, format_spiffe_id(*by.certificate.claimed_id()));
    return told(
        history_.apply(policy_approved_type, approved_json(hash, signed_with(by, text)), at));
  }

  Holder root_ = internal::self_signed(internal::root_spec());
  Region west_ = Region::make(root_, "west.bank.example");
  Region east_ = Region::make(root_, "east.bank.example");
  Holder ada_ = west_.leaf("/person/ada"), grace_ = east_.leaf("/person/grace");
  std::string old_text_ = policy_text(
      "['spiffe://*.bank.example/person/ada', "
      "'spiffe://*.bank.example/person/grace', "
      "'spiffe://*.bank.example/service/clerk']");
  std::string new_text_ = policy_text("'spiffe://*.bank.example/person/*'");
  PolicyHistory history_{cell};
};

TEST_F(PolicyHistoryTest, what_one_person_proposes_and_another_approves_is_in_force) {
  EXPECT_EQ(propose(ada_, new_text_), "");
  EXPECT_EQ(history_.policy()->text(), old_text_);
  ASSERT_EQ(history_.open(now).size(), 1U);
  EXPECT_EQ(approve(grace_, newest(), now + 3600), "");
  EXPECT_EQ(history_.policy()->text(), new_text_);
  EXPECT_EQ(history_.version(), 2U);
  EXPECT_TRUE(history_.open(now).empty());
}

TEST_F(PolicyHistoryTest, nobody_approves_their_own_proposal_in_whichever_region) {
  EXPECT_EQ(propose(ada_, new_text_), "");
  EXPECT_THAT(approve(ada_, newest()), HasSubstr("a second person approves"));
  EXPECT_THAT(approve(east_.leaf("/person/ada"), newest()), HasSubstr("a second person approves"));
  EXPECT_EQ(history_.policy()->text(), old_text_);
}

TEST_F(PolicyHistoryTest, services_and_people_without_the_right_do_neither) {
  const Holder clerk = west_.leaf("/service/clerk");
  const Holder eve = west_.leaf("/person/eve");
  EXPECT_THAT(propose(clerk, new_text_), HasSubstr("no person"));
  EXPECT_THAT(propose(eve, new_text_), HasSubstr("no grant is about"));
  EXPECT_EQ(propose(ada_, new_text_), "");
  EXPECT_THAT(approve(clerk, newest()), HasSubstr("no person"));
  EXPECT_THAT(approve(eve, newest()), HasSubstr("no grant is about"));
  EXPECT_EQ(history_.policy()->text(), old_text_);
}

TEST_F(PolicyHistoryTest, the_signature_is_over_exactly_this_and_by_the_key_of_that_person) {
  const std::string text = format_statement(statement(ada_, new_text_));
  EXPECT_THAT(propose(signed_with(ada_, text), old_text_),
              HasSubstr("not the one that was signed"));
  SignedText other = signed_with(ada_, text);
  other.signature = sign(grace_.key, text);
  EXPECT_THAT(propose(other, new_text_), HasSubstr("not by the key of"));
  other = signed_with(ada_, text);
  other.certificate = grace_.certificate.pem();
  EXPECT_THAT(propose(other, new_text_), HasSubstr("certificate is not that of"));
  other = signed_with(ada_, text + "\n");
  EXPECT_THAT(propose(other, new_text_), HasSubstr("no statement"));
  PolicyStatement elsewhere = statement(ada_, new_text_);
  elsewhere.cell = 1;
  EXPECT_THAT(propose(signed_with(ada_, format_statement(elsewhere)), new_text_),
              HasSubstr("another cell"));
  EXPECT_EQ(propose(ada_, new_text_), "");
  // An approval of another proposal.
  const SignedText approval = signed_with(
      grace_,
      format_approval(crypto::Digest{}, format_spiffe_id(*grace_.certificate.claimed_id())));
  EXPECT_THAT(told(history_.apply(policy_approved_type, approved_json(newest(), approval), now)),
              HasSubstr("not the approval of this proposal"));
}

TEST_F(PolicyHistoryTest, a_proposal_ends_after_a_day_or_when_another_is_approved) {
  EXPECT_EQ(propose(ada_, new_text_), "");
  const crypto::Digest hash = newest();
  EXPECT_THAT(propose(ada_, new_text_), HasSubstr("there already"));
  EXPECT_EQ(history_.open(now + 24 * 3600 - 1).size(), 1U);
  EXPECT_TRUE(history_.open(now + 24 * 3600).empty());
  EXPECT_THAT(approve(grace_, hash, now + 24 * 3600), HasSubstr("no such proposal is open"));
  EXPECT_EQ(propose(grace_, new_text_ + "# another\n"), "");
  EXPECT_EQ(approve(ada_, newest()), "");
  EXPECT_THAT(approve(grace_, hash), HasSubstr("no such proposal is open"));
  EXPECT_EQ(history_.version(), 2U);
}

TEST_F(PolicyHistoryTest, what_was_signed_long_ago_or_replaces_another_policy_is_refused) {
  EXPECT_THAT(propose(ada_, new_text_, now + 301), HasSubstr("compare the clocks"));
  EXPECT_THAT(propose(ada_, new_text_, now - 301), HasSubstr("compare the clocks"));
  PolicyStatement stale = statement(ada_, new_text_);
  stale.replaces = crypto::Digest{};
  EXPECT_THAT(propose(signed_with(ada_, format_statement(stale)), new_text_),
              HasSubstr("another policy than the one in force"));
}

TEST_F(PolicyHistoryTest, a_policy_that_could_never_be_changed_again_is_refused) {
  EXPECT_THAT(propose(ada_, policy_text("spiffe://west.bank.example/person/ada")),
              HasSubstr("could never be changed again"));
  EXPECT_THAT(propose(ada_, "meridian-policy: 1\n"), HasSubstr("could never be changed again"));
  PolicyHistory alone(cell);
  const std::string text = policy_text("spiffe://west.bank.example/person/ada");
  ASSERT_TRUE(alone.apply(first_policy_type, first_policy_json(**Policy::parse(text)), now));
  PolicyStatement wish = statement(ada_, new_text_);
  wish.replaces = alone.policy()->digest();
  EXPECT_THAT(
      told(alone.apply(policy_proposed_type,
                       proposed_json(signed_with(ada_, format_statement(wish)), new_text_), now)),
      HasSubstr("fewer than two people"));
}

TEST_F(PolicyHistoryTest, a_second_first_policy_and_nonsense_change_nothing) {
  EXPECT_THAT(begin(new_text_), HasSubstr("a policy already"));
  for (const char* json : {"", "[]", "{}", R"({"statement":1})", "{\"policy\":\"x\"}"})
    for (const std::string_view type :
         {first_policy_type, policy_proposed_type, policy_approved_type, std::string_view("x")})
      EXPECT_FALSE(history_.apply(type, json, now)) << type << json;
  EXPECT_EQ(history_.policy()->text(), old_text_);
}

}  // namespace
}  // namespace meridian::mesh
