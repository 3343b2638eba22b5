#include "mesh/break_glass.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "base/uuid.h"

namespace meridian::mesh {
namespace {

using testing::HasSubstr;

constexpr std::int64_t now = 1'796'013'097;
const u128 cell = *parse_uuid("5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11");
const ActRequest removal{Action::members_change, "/meridian.v1.Members/Change",
                         R"({"steps":[{"remove":"3"}]})"};

proof::Signer key(std::string name, Byte seed) {
  return {std::move(name), proof::KeyType::ed25519, Buffer(32, seed)};
}
std::string told(const Status& status) { return status ? "" : status.error().message; }

class BreakGlassTest : public ::testing::Test {
 protected:
  BreakGlassTest() {
    glass_.actions.set(index_of(Action::members_change));
    glass_.actions.set(index_of(Action::recovery_run));
    for (const proof::Signer* one : {&a_, &b_, &c_}) keys_.keys.push_back(one->verifier());
  }
  static std::string note(const std::string& text,
                          const std::vector<const proof::Signer*>& signers) {
    proof::Note made{text, {}};
    for (const proof::Signer* one : signers)
      made.signatures.push_back(*proof::sign_note(text, *one));
    return proof::format_note(made);
  }
  std::string verified(const std::string& note) const {
    const Result<SignedGlass> read = read_glass(note);
    return read ? told(verify_glass(*read, keys_)) : read.error().message;
  }
  std::string use(const std::string& note, std::int64_t at = now) {
    return told(history_.apply(glass_used_type, glass_used_json(note), at));
  }
  std::string act(const ActRequest& what, std::int64_t at = now) {
    const crypto::Digest hash = crypto::sha256(as_bytes(format_glass(glass_)));
    return told(history_.apply(glass_act_type, glass_act_json(hash, what), at));
  }

  Glass glass_{cell, {},          "spiffe://eu-west.bank.example/person/ada",
               now,  now + 3'600, "region eu-west is lost, grace does not answer",
               1};
  proof::Signer a_ = key("vault-a", 1), b_ = key("vault-b", 2), c_ = key("vault-c", 3),
                other_ = key("vault-d", 4);
  GlassKeys keys_{{}, 2, 3'600};
  GlassHistory history_{cell};
};

TEST_F(BreakGlassTest, the_golden_one_reads_and_is_written_the_same) {
  std::ifstream in(MERIDIAN_SOURCE_DIR "/docs/formats/golden/mesh/break-glass");
  const std::string golden{std::istreambuf_iterator<char>(in), {}};
  const Result<SignedGlass> read = read_glass(golden);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->glass, glass_);
  EXPECT_EQ(golden, note(format_glass(glass_), {&a_, &c_}));
  EXPECT_EQ(told(verify_glass(*read, keys_)), "");
}

TEST_F(BreakGlassTest, enough_of_the_keys_that_the_policy_names_sign_each_once) {
  const std::string text = format_glass(glass_);
  EXPECT_EQ(verified(note(text, {&a_, &b_})), "");
  EXPECT_EQ(verified(note(text, {&a_, &other_, &b_})), "");
  EXPECT_THAT(verified(note(text, {&a_})), HasSubstr("1 of the keys"));
  EXPECT_THAT(verified(note(text, {&a_, &a_})), HasSubstr("1 of the keys"));
  EXPECT_THAT(verified(note(text, {&a_, &other_})), HasSubstr("1 of the keys"));
  const proof::Signer impostor = key("vault-b", 9);
  EXPECT_THAT(verified(note(text, {&a_, &impostor})), HasSubstr("1 of the keys"));
  EXPECT_NE(verified(text), "");
}

TEST_F(BreakGlassTest, what_was_changed_after_it_was_signed_is_refused) {
  std::string changed = note(format_glass(glass_), {&a_, &b_});
  changed.replace(changed.find("person/ada"), 10, "person/eve");
  EXPECT_NE(verified(changed), "");
}

TEST_F(BreakGlassTest, a_policy_without_keys_or_with_a_shorter_time_lets_nobody) {
  const std::string good = note(format_glass(glass_), {&a_, &b_});
  keys_.longest_s = 3'599;
  EXPECT_THAT(verified(good), HasSubstr("longer than"));
  keys_ = {};
  EXPECT_THAT(verified(good), HasSubstr("names no keys"));
}

TEST_F(BreakGlassTest, it_gives_acts_of_a_cell_to_a_person_for_a_short_time_and_for_a_reason) {
  const auto wrong = [this](auto change) {
    Glass glass = glass_;
    change(glass);
    const Result<Glass> read = parse_glass(format_glass(glass));
    return read ? "" : read.error().message;
  };
  EXPECT_EQ(wrong([](Glass&) {}), "");
  EXPECT_EQ(wrong([](Glass& glass) { glass.until_s = glass.from_s + glass_lifetime_s_max; }), "");
  EXPECT_THAT(wrong([](Glass& glass) { glass.until_s = glass.from_s + glass_lifetime_s_max + 1; }),
              HasSubstr("4 hours"));
  EXPECT_THAT(wrong([](Glass& glass) { glass.until_s = glass.from_s; }), HasSubstr("4 hours"));
  EXPECT_THAT(wrong([](Glass& glass) { glass.actions.reset(); }), HasSubstr("gives nothing"));
  for (const Action action : {Action::policy_propose, Action::policy_approve, Action::events_read,
                              Action::transfers_create})
    EXPECT_THAT(wrong([&](Glass& glass) { glass.actions.set(index_of(action)); }),
                HasSubstr("nothing that it can give"));
  EXPECT_THAT(wrong([](Glass& glass) { glass.to = "spiffe://bank.example/service/robot"; }),
              HasSubstr("no person"));
  EXPECT_THAT(wrong([](Glass& glass) { glass.reason = "no"; }), HasSubstr("reason"));
  EXPECT_NE(wrong([](Glass& glass) { glass.reason = "lost\nnonce 1"; }), "");
  EXPECT_THAT(wrong([](Glass& glass) { glass.reason.assign(201, 'x'); }), HasSubstr("reason"));
  EXPECT_FALSE(parse_glass(format_glass(glass_) + "\n"));
  EXPECT_FALSE(parse_glass(""));
}

TEST_F(BreakGlassTest, it_is_brought_once_between_its_begin_and_its_end) {
  const std::string good = note(format_glass(glass_), {&a_, &b_});
  EXPECT_THAT(use(good, now - 1), HasSubstr("has not begun"));
  EXPECT_THAT(use(good, now + 3'600), HasSubstr("it is over"));
  EXPECT_TRUE(history_.in_force(now).empty());
  EXPECT_EQ(use(good), "");
  EXPECT_THAT(use(good), HasSubstr("used already"));
  EXPECT_THAT(use(note(format_glass(glass_), {&b_, &c_})), HasSubstr("used already"))
      << "other signatures make no other glass";
  EXPECT_EQ(history_.in_force(now + 3'599).size(), 1U);
  EXPECT_TRUE(history_.in_force(now + 3'600).empty());
  glass_.nonce = 2;
  glass_.from_s += 3'600;
  glass_.until_s += 3'600;
  EXPECT_EQ(use(note(format_glass(glass_), {&a_, &b_}), now + 3'600), "");
  EXPECT_THAT(use(good, now + 3'600), HasSubstr("it is over")) << "forgotten, and yet refused";
  glass_.cell = 1;
  EXPECT_THAT(use(note(format_glass(glass_), {&a_, &b_}), now + 3'600), HasSubstr("another cell"));
}

TEST_F(BreakGlassTest, nothing_but_what_it_names_is_done_by_it) {
  EXPECT_THAT(act(removal), HasSubstr("not in force"));
  EXPECT_EQ(use(note(format_glass(glass_), {&a_, &b_})), "");
  EXPECT_EQ(act(removal), "");
  EXPECT_EQ(act(removal), "") << "as often as it takes";
  ActRequest other = removal;
  other.action = Action::upgrade_activate;
  EXPECT_THAT(act(other), HasSubstr("does not give that"));
  EXPECT_THAT(act(removal, now + 3'600), HasSubstr("not in force"));
}

TEST_F(BreakGlassTest, nonsense_changes_nothing) {
  for (const char* json : {"", "[]", "{}", R"({"note":1})", R"({"note":"x"})"})
    for (const std::string_view type : {glass_used_type, glass_act_type, std::string_view("x")})
      EXPECT_FALSE(history_.apply(type, json, now)) << type << json;
  EXPECT_TRUE(history_.in_force(now).empty());
}

}  // namespace
}  // namespace meridian::mesh
