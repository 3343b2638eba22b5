#include "mesh/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace meridian::mesh {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr u128 cell = make_u128(7, 9);
constexpr std::string_view payments = "spiffe://eu-west.bank.example/service/payments";

constexpr std::string_view example = R"(meridian-policy: 1
grants:
  - who: spiffe://eu-west.bank.example/service/payments
    roles: [writer]
    cells: all
    ledgers: [700, 710]
    streams: ["payments-*", orders]
  - who: ["spiffe://*.bank.example/person/*"]
    roles: auditor
    cells: [09000000-0000-0000-0700-000000000000]
    ledgers: all
  - who: spiffe://eu-west.bank.example/service/*
    actions: [status.read, accounts.read]
    cells: all
    ledgers: [700]
denials:
  - who: spiffe://eu-west.bank.example/service/old-*
    actions: all
  - who: spiffe://eu-west.bank.example/service/payments
    actions: accounts.create
    ledgers: 710
)";

std::shared_ptr<const Policy> parsed(std::string_view yaml) {
  Result<std::shared_ptr<const Policy>> policy = Policy::parse(yaml);
  EXPECT_TRUE(policy.has_value()) << policy.error().message;
  return *policy;
}

std::string refusal(const std::string& yaml) {
  const Result<std::shared_ptr<const Policy>> policy = Policy::parse(yaml);
  EXPECT_FALSE(policy.has_value()) << yaml;
  if (policy) return "";
  EXPECT_EQ(policy.error().code, Code::invalid_argument);
  return policy.error().message;
}

TEST(Policy, what_no_grant_gives_is_denied) {
  const std::shared_ptr<const Policy> policy = parsed("meridian-policy: 1\n");
  EXPECT_TRUE(policy->mfa_needed());
  EXPECT_TRUE(parsed("meridian-policy: 1\nmfa: needed\n")->mfa_needed());
  EXPECT_FALSE(parsed("meridian-policy: 1\nmfa: not-needed\n")->mfa_needed());
  const Rights rights = policy->rights_of(payments, cell);
  EXPECT_TRUE(rights.is_empty());
  for (std::size_t i = 0; i < action_count; ++i) EXPECT_FALSE(rights.allow(action_at(i)));
}

TEST(Policy, a_grant_is_for_its_ledgers_and_streams) {
  const Rights rights = parsed(example)->rights_of(payments, cell);
  EXPECT_TRUE(rights.allow(Action::transfers_create));
  EXPECT_TRUE(rights.allow(Action::transfers_create, 700));
  EXPECT_FALSE(rights.allow(Action::transfers_create, 701));
  EXPECT_FALSE(rights.allow_all_ledgers(Action::transfers_create));
  EXPECT_TRUE(rights.allow(Action::events_append, "orders"));
  EXPECT_TRUE(rights.allow(Action::events_append, "payments-2026"));
  EXPECT_FALSE(rights.allow(Action::events_append, "orders-2026"));
  EXPECT_FALSE(rights.allow(Action::events_read));
  EXPECT_FALSE(rights.allow(Action::policy_propose));
}

TEST(Policy, grants_add_up_each_with_its_own_ledgers) {
  const Rights rights = parsed(example)->rights_of(payments, cell);
  EXPECT_TRUE(rights.allow(Action::accounts_read, 700));
  EXPECT_FALSE(rights.allow(Action::accounts_read, 710)) << "that grant writes there, no more";
}

TEST(Policy, a_denial_beats_every_grant) {
  const std::shared_ptr<const Policy> policy = parsed(example);
  EXPECT_TRUE(
      policy->rights_of("spiffe://eu-west.bank.example/service/old-batch", cell).is_empty());
  const Rights rights = policy->rights_of(payments, cell);
  EXPECT_TRUE(rights.allow(Action::accounts_create, 700));
  EXPECT_FALSE(rights.allow(Action::accounts_create, 710));
  EXPECT_TRUE(rights.allow(Action::transfers_create, 710)) << "it names one action";
}

TEST(Policy, a_grant_is_for_its_cells) {
  const std::string_view auditor = "spiffe://us-east.bank.example/person/7";
  const std::shared_ptr<const Policy> policy = parsed(example);
  EXPECT_TRUE(policy->rights_of(auditor, cell).allow(Action::records_read));
  EXPECT_TRUE(policy->rights_of(auditor, cell).allow_all_ledgers(Action::accounts_read));
  EXPECT_TRUE(policy->rights_of(auditor, cell + 1).is_empty());
}

TEST(Policy, patterns_match_whole_labels_and_endings) {
  const auto matches = [](std::string_view pattern, std::string_view id) {
    return IdentityPattern::parse(pattern)->matches(id);
  };
  EXPECT_TRUE(matches("spiffe://a.b/x", "spiffe://a.b/x"));
  EXPECT_FALSE(matches("spiffe://a.b/x", "spiffe://a.b/x/y"));
  EXPECT_FALSE(matches("spiffe://a.b/x", "spiffe://a.b.c/x"));
  EXPECT_FALSE(matches("spiffe://a.b/x", "spiffe://xa.b/x"));
  EXPECT_TRUE(matches("spiffe://*.b/x", "spiffe://a.b/x"));
  EXPECT_FALSE(matches("spiffe://*.b/x", "spiffe://b/x"));
  EXPECT_FALSE(matches("spiffe://*.b/x", "spiffe://.b/x"));
  EXPECT_FALSE(matches("spiffe://*.b/x", "spiffe://c.a.b/x"));
  EXPECT_TRUE(matches("spiffe://a.b/x/*", "spiffe://a.b/x/y/z"));
  EXPECT_FALSE(matches("spiffe://a.b/x/*", "spiffe://a.b/x"));
  EXPECT_FALSE(matches("spiffe://a.b/*", "http://a.b/x"));
  EXPECT_FALSE(matches("spiffe://a.b/*", ""));
}

TEST(Policy, an_error_names_line_and_remedy) {
  const std::string head = "meridian-policy: 1\ngrants:\n";
  const std::string who = "  - who: spiffe://a.b/x\n";
  EXPECT_THAT(refusal(""), HasSubstr("document"));
  EXPECT_THAT(refusal("meridian-policy: 1\n---\nmeridian-policy: 1\n"),
              HasSubstr("one YAML document"));
  EXPECT_EQ(refusal("meridian-policy: 1 # \xff\n"),
            "line 1: the byte 0xff is no printable ASCII character. write others as \\u00fc "
            "between double quotes");
  EXPECT_THAT(refusal("grants: []\n"), HasSubstr("does not say `meridian-policy: 1`"));
  EXPECT_THAT(refusal("meridian-policy: 2\n"), HasSubstr("which is the format this version reads"));
  EXPECT_THAT(refusal("meridian-policy: 1\ndenial: []\n"),
              StartsWith("line 2: there is no key 'denial'"));
  EXPECT_THAT(refusal("meridian-policy: 1\ngrants: []\ngrants: []\n"), HasSubstr("twice"));
  EXPECT_THAT(refusal(head + "  - roles: writer\n    cells: all\n"), HasSubstr("does not say who"));
  EXPECT_THAT(refusal(head + who + "    cells: all\n"), HasSubstr("neither roles nor actions"));
  EXPECT_THAT(refusal(head + who + "    actions: status.read\n"), HasSubstr("in which cells"));
  EXPECT_THAT(refusal(head + who + "    roles: boss\n    cells: all\n"),
              StartsWith("line 4: there is no role 'boss'"));
  EXPECT_THAT(refusal(head + who + "    actions: all\n    cells: all\n"),
              HasSubstr("no action 'all'"));
  EXPECT_THAT(refusal(head + who + "    roles: writer\n    cells: all\n    streams: all\n"),
              HasSubstr("does not say which: `ledgers: all`"));
  EXPECT_THAT(refusal(head + who + "    roles: writer\n    cells: all\n    ledgers: all\n"),
              HasSubstr("does not say which: `streams: all`"));
  EXPECT_THAT(
      refusal(head + who + "    actions: accounts.read\n    cells: all\n    ledgers: [0]\n"),
      StartsWith("line 6: '0' is no ledger"));
  EXPECT_THAT(
      refusal(head + who + "    actions: events.read\n    cells: all\n    streams: ['*']\n"),
      HasSubstr("'*' is no stream"));
  EXPECT_THAT(refusal(head + who + "    actions: status.read\n    cells: [eu]\n"),
              HasSubstr("'eu' is no cell"));
  EXPECT_THAT(refusal(head + "  - who: bank.example/x\n    actions: status.read\n    cells: all\n"),
              StartsWith("line 3: 'bank.example/x' is no pattern of identities"));
  EXPECT_THAT(refusal("meridian-policy: 1\ngrants: [\n"), StartsWith("line 3: "));
  for (const char* mfa : {"no", "false", "[needed]", "\"\"", "NOT-NEEDED"})
    EXPECT_THAT(refusal(std::string("meridian-policy: 1\nmfa: ") + mfa + "\n"),
                HasSubstr("line 2: mfa is `needed`, or `not-needed`"));
  EXPECT_THAT(refusal(std::string(policy_size_max + 1, ' ')), HasSubstr("more than the"));
}

TEST(Policy, words_of_the_vocabulary_are_found_again) {
  for (std::size_t i = 0; i < action_count; ++i)
    EXPECT_EQ(action_named(info(action_at(i)).name), action_at(i));
  for (std::size_t i = 0; i < role_count; ++i) {
    const auto role = static_cast<Role>(i);
    EXPECT_EQ(role_named(name(role)), role);
  }
  EXPECT_EQ(action_named("all"), std::nullopt);
}

TEST(Policy, who_reads_personal_data_or_decides_is_no_auditor) {
  for (const Action action : {Action::events_read, Action::subjects_export, Action::policy_approve})
    EXPECT_FALSE(actions_of(Role::auditor).test(index_of(action)));
  for (std::size_t i = 0; i < role_count; ++i) {
    const Actions& actions = actions_of(static_cast<Role>(i));
    EXPECT_FALSE(actions.test(index_of(Action::transfers_create)) &&
                 actions.test(index_of(Action::policy_approve)));
  }
}

/// A random document of few names, so that rules meet.
class RandomPolicy {
 public:
  explicit RandomPolicy(std::uint64_t seed) : random_(seed) {}

  std::string text() {
    std::string yaml = "meridian-policy: 1\n";
    yaml += "grants:\n";
    for (std::uint64_t n = 1 + pick(4); n > 0; --n) yaml += rule(true);
    if (pick(2) == 0) return yaml;
    yaml += "denials:\n";
    for (std::uint64_t n = 1 + pick(3); n > 0; --n) yaml += rule(false);
    return yaml;
  }
  std::string id() {
    return "spiffe://" + one_of({"a.x", "b.x"}) + "/" + one_of({"s/1", "s/12", "p/1"});
  }
  u128 cell() { return load_le<u128>(from(pick(2))); }
  std::string stream() { return one_of({"a", "ab", "b"}); }
  std::uint32_t ledger() { return static_cast<std::uint32_t>(1 + pick(3)); }
  std::uint64_t pick(std::uint64_t n) { return random_() % n; }

 private:
  static const Byte* from(std::uint64_t which) {
    static const std::array<Byte, 16> bytes[2] = {{}, {1}};
    return bytes[which].data();
  }
  std::string one_of(std::vector<std::string> choices) { return choices[pick(choices.size())]; }
  std::string rule(bool is_grant) {
    std::string yaml = "  - who: ['spiffe://" + one_of({"a.x", "*.x"}) + "/" +
                       one_of({"s/1", "s/*", "*"}) + "']\n";
    yaml += "    actions: [" + one_of({"transfers.create", "accounts.read", "status.read"}) + ", " +
            one_of({"events.append", "events.read", "metrics.read"}) + "]\n";
    if (is_grant || pick(2) == 0)
      yaml +=
          "    cells: " + one_of({"all", std::string(32, '0'), "01" + std::string(30, '0')}) + "\n";
    if (is_grant || pick(2) == 0) yaml += "    ledgers: " + one_of({"all", "[1, 3]", "2"}) + "\n";
    if (is_grant || pick(2) == 0)
      yaml += "    streams: " + one_of({"all", "['a*']", "[b, a]"}) + "\n";
    return yaml;
  }
  std::mt19937_64 random_;
};

/// explain() walks the rules as they were written; Rights are what they come to.
TEST(Policy, rights_are_what_the_rules_say_one_by_one) {
  std::uint64_t allowed = 0, asked = 0;
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    RandomPolicy random(seed);
    const std::string text = random.text();
    const std::shared_ptr<const Policy> policy = parsed(text);
    for (int i = 0; i < 30; ++i) {
      const std::string id = random.id(), stream = random.stream();
      const u128 where = random.cell();
      const std::uint32_t ledger = random.ledger();
      const Action action = action_at(random.pick(action_count));
      const Rights rights = policy->rights_of(id, where);
      Question question{id, where, action, std::nullopt, std::nullopt};
      bool is_allowed = false;
      switch (info(action).scope) {
        case Scope::cell: is_allowed = rights.allow(action); break;
        case Scope::ledger:
          question.ledger = ledger;
          is_allowed = rights.allow(action, ledger);
          EXPECT_LE(rights.allow_all_ledgers(action), is_allowed);
          break;
        case Scope::stream:
          question.stream = stream;
          is_allowed = rights.allow(action, stream);
          EXPECT_LE(rights.allow_all_streams(action), is_allowed);
          break;
      }
      const Explanation why = policy->explain(question);
      ASSERT_EQ(is_allowed, why.is_allowed) << text << id << ' ' << info(action).name << ' '
                                            << ledger << ' ' << stream << ": " << why.text;
      EXPECT_LE(is_allowed, rights.allow(action)) << "a call that may be begun";
      EXPECT_THAT(why.text, StartsWith(is_allowed ? "allowed by grant " : "denied"));
      allowed += is_allowed ? 1 : 0;
      ++asked;
    }
  }
  EXPECT_GT(allowed, asked / 100);
}

TEST(Policy, an_explanation_names_the_rule_or_what_is_missing) {
  const std::shared_ptr<const Policy> policy = parsed(example);
  const auto explain = [&](std::string_view id, Action action,
                           std::optional<std::uint32_t> ledger) {
    return policy->explain({id, cell, action, ledger, std::nullopt}).text;
  };
  EXPECT_EQ(explain(payments, Action::transfers_create, 700), "allowed by grant 1 (roles: writer)");
  EXPECT_EQ(explain(payments, Action::accounts_create, 710),
            "denied by denial 2 (actions: accounts.create)");
  EXPECT_EQ(explain(payments, Action::transfers_create, 1),
            "denied: grant 1 (roles: writer) gives transfers.create only in other ledgers");
  EXPECT_EQ(
      explain(payments, Action::policy_propose, std::nullopt),
      "denied: no grant to spiffe://eu-west.bank.example/service/payments gives policy.propose");
  EXPECT_EQ(explain("spiffe://x.y/z", Action::status_read, std::nullopt),
            "denied: no grant is about spiffe://x.y/z");
}

TEST(Policy, a_beginning_of_names_is_allowed_if_one_grant_has_all_of_it_and_no_denial_some) {
  const std::shared_ptr<const Policy> policy = parsed(R"(meridian-policy: 1
grants:
  - who: spiffe://bank.example/service/a
    actions: events.read
    cells: all
    streams: ["pay*", "orders-1*", exact]
denials:
  - who: spiffe://bank.example/service/a
    actions: events.read
    streams: ["payments-secret*", payroll-7]
)");
  const Rights rights = policy->rights_of("spiffe://bank.example/service/a", cell);
  const auto allow = [&](std::string_view prefix) {
    return rights.allow_prefix(Action::events_read, prefix);
  };
  EXPECT_TRUE(allow("payouts-"));
  EXPECT_FALSE(allow("payments-"));  // some of it is denied
  EXPECT_FALSE(allow("payroll-"));
  EXPECT_FALSE(allow("pa"));  // more than is given
  EXPECT_TRUE(allow("orders-1"));
  EXPECT_FALSE(allow("orders-"));
  EXPECT_FALSE(allow("exact"));
  EXPECT_FALSE(policy->rights_of("spiffe://bank.example/service/b", cell)
                   .allow_prefix(Action::events_read, "payouts-"));
}

TEST(Policy, approvers_are_people_who_are_here_and_not_denied) {
  const auto count = [](const std::string& who, const std::string& more = "") {
    return parsed("meridian-policy: 1\ngrants:\n  - who: " + who +
                  "\n    roles: operator\n    cells: all\n" + more)
        ->approvers(cell);
  };
  const std::string ada = "spiffe://bank.example/person/ada";
  EXPECT_EQ(parsed("meridian-policy: 1\n")->approvers(cell), 0U);
  EXPECT_EQ(count("spiffe://bank.example/service/*"), 0U);
  EXPECT_EQ(count(ada), 1U);
  EXPECT_EQ(count("[" + ada + ", " + ada + "]"), 1U);
  EXPECT_EQ(count("'spiffe://*.bank.example/person/ada'"), 1U) << "one person in several regions";
  EXPECT_EQ(count("[" + ada + ", spiffe://eu.bank.example/person/ada]"), 1U);
  EXPECT_EQ(count("[" + ada + ", spiffe://bank.example/person/grace]"), 2U);
  EXPECT_EQ(count("spiffe://bank.example/person/*"), 2U);
  EXPECT_EQ(count("spiffe://bank.example/*"), 2U);
  EXPECT_EQ(count(ada,
                  "  - who: spiffe://bank.example/person/grace\n    roles: operator\n    "
                  "cells: [00000000-0000-0000-0000-000000000001]\n"),
            1U);
  EXPECT_EQ(count("[" + ada + ", spiffe://bank.example/person/grace]",
                  "denials:\n  - who: " + ada + "\n    actions: policy.approve\n"),
            1U);
}

}  // namespace
}  // namespace meridian::mesh
