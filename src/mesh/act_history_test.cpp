#include "mesh/act_history.h"

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

class ActHistoryTest : public ::testing::Test {
 protected:
  static std::string told(const Status& status) { return status ? "" : status.error().message; }
  static std::string id_of(const Holder& who) {
    return format_spiffe_id(*who.certificate.claimed_id());
  }
  static SignedText signed_with(const Holder& by, const std::string& text) {
    return {text, by.certificate.pem(), sign(by.key, text)};
  }
  ActStatement statement(const Holder& by) {
    return {cell, removal_, id_of(by), ++nonce_, now, now + act_lifetime_s};
  }
  std::string propose(const SignedText& given, std::int64_t at = now) {
    hash_ = act_hash(given.text);
    return told(history_.apply(act_proposed_type, act_proposed_json(given), at));
  }
  std::string propose(const Holder& by) {
    return propose(signed_with(by, format_act(statement(by))));
  }
  std::string approve(const Holder& by, std::int64_t at = now) {
    const std::string text = format_act_approval(hash_, id_of(by));
    return told(
        history_.apply(act_approved_type, act_approved_json(hash_, signed_with(by, text)), at));
  }
  std::string use(std::int64_t at = now) {
    return told(history_.apply(act_used_type, act_used_json(hash_), at));
  }
  /// What is missing; nothing: it may be done.
  std::string missing(const Holder& by, const ActRequest& what, std::int64_t at = now) {
    const auto found = history_.usable(id_of(by), what, at);
    return found ? "" : found.error().message;
  }

  Holder root_ = internal::self_signed(internal::root_spec());
  Region west_ = Region::make(root_, "west.bank.example");
  Region east_ = Region::make(root_, "east.bank.example");
  Holder ada_ = west_.leaf("/person/ada"), grace_ = east_.leaf("/person/grace");
  ActRequest removal_{Action::members_change, "/meridian.v1.Members/Change",
                      R"({"steps":[{"remove":"3"}]})"};
  u128 nonce_ = 0;
  crypto::Digest hash_{};
  ActHistory history_{cell};
};

TEST_F(ActHistoryTest, what_another_approved_is_done_once_by_who_proposed_it) {
  EXPECT_THAT(missing(ada_, removal_), HasSubstr("needs a second person"));
  EXPECT_EQ(propose(ada_), "");
  EXPECT_THAT(missing(ada_, removal_), HasSubstr("meridian act approve " + to_hex(hash_)));
  EXPECT_THAT(use(), HasSubstr("before a second person"));
  EXPECT_EQ(approve(grace_), "");
  EXPECT_EQ(missing(ada_, removal_), "");
  EXPECT_EQ(use(), "");
  EXPECT_THAT(missing(ada_, removal_), HasSubstr("used already"));
  EXPECT_THAT(use(), HasSubstr("used already"));
  EXPECT_EQ(history_.acts(now).size(), 1U);
  EXPECT_EQ(propose(ada_), "") << "the same again is another proposal";
  EXPECT_THAT(missing(ada_, removal_), HasSubstr("has not approved it yet"));
}

TEST_F(ActHistoryTest, nothing_else_and_nobody_else_goes_through) {
  EXPECT_EQ(propose(ada_), "");
  EXPECT_EQ(approve(grace_), "");
  EXPECT_THAT(missing(grace_, removal_), HasSubstr("needs a second person"));
  EXPECT_THAT(missing(east_.leaf("/person/ada"), removal_), HasSubstr("needs a second person"));
  ActRequest other = removal_;
  other.request = R"({"steps":[{"remove":"2"}]})";
  EXPECT_THAT(missing(ada_, other), HasSubstr("needs a second person"));
  other = removal_;
  other.method = "/meridian.v1.Members/Other";
  EXPECT_THAT(missing(ada_, other), HasSubstr("needs a second person"));
  other = removal_;
  other.action = Action::upgrade_activate;
  EXPECT_THAT(missing(ada_, other), HasSubstr("needs a second person"));
  EXPECT_EQ(missing(ada_, removal_), "");
}

TEST_F(ActHistoryTest, nobody_approves_their_own_in_whichever_region_nor_a_service_nor_twice) {
  EXPECT_EQ(propose(ada_), "");
  EXPECT_THAT(approve(ada_), HasSubstr("a second person approves"));
  EXPECT_THAT(approve(east_.leaf("/person/ada")), HasSubstr("a second person approves"));
  EXPECT_THAT(approve(west_.leaf("/service/clerk")), HasSubstr("no person"));
  EXPECT_THAT(missing(ada_, removal_), HasSubstr("has not approved it yet"));
  EXPECT_EQ(approve(grace_), "");
  EXPECT_THAT(approve(east_.leaf("/person/joan")), HasSubstr("approved it already"));
}

TEST_F(ActHistoryTest, the_signature_is_over_exactly_this_and_by_the_key_of_that_person) {
  const std::string text = format_act(statement(ada_));
  SignedText other = signed_with(ada_, text);
  other.signature = sign(grace_.key, text);
  EXPECT_THAT(propose(other), HasSubstr("not by the key of"));
  other = signed_with(ada_, text);
  other.certificate = grace_.certificate.pem();
  EXPECT_THAT(propose(other), HasSubstr("certificate is not that of"));
  other = signed_with(ada_, text);
  other.text.replace(other.text.find("\"3\""), 3, "\"2\"");
  EXPECT_THAT(propose(other), HasSubstr("not by the key of"));
  EXPECT_EQ(propose(ada_), "");
  const SignedText approval =
      signed_with(grace_, format_act_approval(crypto::Digest{}, id_of(grace_)));
  EXPECT_THAT(told(history_.apply(act_approved_type, act_approved_json(hash_, approval), now)),
              HasSubstr("not the approval of this proposal"));
  SignedText forged = signed_with(ada_, format_act_approval(hash_, id_of(grace_)));
  forged.certificate = grace_.certificate.pem();
  EXPECT_THAT(told(history_.apply(act_approved_type, act_approved_json(hash_, forged), now)),
              HasSubstr("not by the key of"));
  EXPECT_THAT(missing(ada_, removal_), HasSubstr("has not approved it yet"));
}

TEST_F(ActHistoryTest, what_is_over_is_neither_approved_nor_used_nor_comes_back) {
  const std::int64_t end = now + act_lifetime_s;
  const SignedText given = signed_with(ada_, format_act(statement(ada_)));
  EXPECT_EQ(propose(given), "");
  EXPECT_THAT(propose(given), HasSubstr("there already"));
  EXPECT_THAT(approve(grace_, end), HasSubstr("it is over"));
  EXPECT_EQ(approve(grace_, end - 1), "");
  EXPECT_EQ(missing(ada_, removal_, end - 1), "");
  EXPECT_THAT(missing(ada_, removal_, end), HasSubstr("needs a second person"));
  EXPECT_THAT(use(end), HasSubstr("it is over"));
  EXPECT_TRUE(history_.acts(end).empty());
  EXPECT_THAT(propose(given, end), HasSubstr("compare the clocks"));
  ActStatement brief = statement(ada_);
  brief.ends_s = now + 10;
  EXPECT_THAT(propose(signed_with(ada_, format_act(brief)), now + 10), HasSubstr("over already"));
}

TEST_F(ActHistoryTest, another_cell_another_time_and_too_many_are_refused) {
  ActStatement elsewhere = statement(ada_);
  elsewhere.cell = 1;
  EXPECT_THAT(propose(signed_with(ada_, format_act(elsewhere))), HasSubstr("another cell"));
  const SignedText given = signed_with(ada_, format_act(statement(ada_)));
  EXPECT_THAT(propose(given, now + 301), HasSubstr("compare the clocks"));
  EXPECT_THAT(propose(given, now - 301), HasSubstr("compare the clocks"));
  for (std::size_t i = 0; i < ActHistory::acts_of_one_max; ++i) EXPECT_EQ(propose(ada_), "");
  EXPECT_THAT(propose(ada_), HasSubstr("too many"));
  EXPECT_THAT(propose(east_.leaf("/person/ada")), HasSubstr("too many"));
  EXPECT_EQ(propose(grace_), "") << "one person does not hold up the others";
}

TEST_F(ActHistoryTest, nonsense_changes_nothing) {
  EXPECT_EQ(propose(ada_), "");
  for (const char* json : {"", "[]", "{}", R"({"proposal":1})", R"({"proposal":"x"})"})
    for (const std::string_view type :
         {act_proposed_type, act_approved_type, act_used_type, std::string_view("x")})
      EXPECT_FALSE(history_.apply(type, json, now)) << type << json;
  EXPECT_THAT(missing(ada_, removal_), HasSubstr("has not approved it yet"));
}

}  // namespace
}  // namespace meridian::mesh
