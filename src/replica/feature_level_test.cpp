// Upgrades of a cell of one replica: what each level takes, and that there is a way back before the
// new one is active and none after it.
#include <gtest/gtest.h>

#include "replica/internal/replica_rig.h"

namespace meridian::replica {
namespace {

using ledger::CommandKind;

class FeatureLevelTest : public testing::Test {
 protected:
  FeatureLevelTest() { install(1); }
  /// Starts a version that runs levels up to `level`.
  void install(std::uint32_t level) {
    rig.config.feature_level = level;
    rig.reopen();
  }
  Result<Answer> turn_epoch() {
    auto request = std::make_unique<ledger::Request>();
    request->attester = ledger::Attester::replica;
    ledger::TurnEpoch turn{};
    turn.number = 1;
    request->add(CommandKind::turn_epoch, turn);
    return rig.ask(std::move(request));
  }
  std::string activate(std::uint32_t level) {
    std::optional<Status> done;
    rig.replica->activate_level(level, [&](const Status& status) { done = status; });
    rig.world.run_until_idle();
    EXPECT_TRUE(done.has_value());
    return *done ? "done" : done->error().message;
  }
  LevelReport levels() {
    LevelReport report;
    rig.replica->levels([&](const LevelReport& got) { report = got; });
    rig.world.run_until_idle();
    return report;
  }
  static bool says(const std::string& text, std::string_view words) {
    return text.find(words) != std::string::npos;
  }

  ReplicaRig rig;
};

TEST_F(FeatureLevelTest, a_cell_begins_at_the_level_of_who_leads_it_first) {
  EXPECT_EQ(levels().active, 1u);
  EXPECT_EQ(levels().own, (ledger::FeatureLevels{1, 1}));
  ReplicaRig newer(2);
  newer.must_open();
  std::uint32_t active = 0;
  newer.replica->levels([&](const LevelReport& got) { active = got.active; });
  EXPECT_EQ(active, ledger::feature_level_newest);
}

TEST_F(FeatureLevelTest, commands_of_a_level_are_not_proposed_before_it_is_active) {
  install(2);
  const std::uint64_t records = rig.replica->visible_records();
  const Result<Answer> refused = turn_epoch();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_TRUE(says(refused.error().message, "turn_epoch needs level 2: nothing was done"));
  EXPECT_EQ(rig.replica->visible_records(), records);
  EXPECT_EQ(activate(2), "done");
  EXPECT_TRUE(turn_epoch().has_value());
  rig.reopen();
  EXPECT_EQ(levels().active, 2u);
  EXPECT_TRUE(turn_epoch().has_value());
}

TEST_F(FeatureLevelTest, there_is_a_way_back_until_the_level_is_active) {
  EXPECT_TRUE(says(activate(2), "runs level 1 only"));
  for (const std::uint32_t level : {2, 1, 2}) {
    install(level);
    ASSERT_TRUE(rig.ask(accounts_request(3)).has_value());
  }
  EXPECT_EQ(activatable_level(levels()), 2u);
  EXPECT_EQ(activate(2), "done");
  EXPECT_TRUE(says(activate(2), "active already"));
  EXPECT_TRUE(says(activate(1), "never taken back"));
  rig.close();
  rig.config.feature_level = 1;
  const Status opened = rig.open();  // from the log
  ASSERT_FALSE(opened.has_value());
  ASSERT_EQ(rig.fatal.size(), 1u);
  EXPECT_TRUE(says(rig.fatal[0].message, "a version of meridian that runs level 2"));
  rig.fatal.clear();
  install(2);
  ASSERT_TRUE(rig.ask(accounts_request(3)).has_value());
}

TEST_F(FeatureLevelTest, a_state_of_a_newer_level_is_refused_naming_what_to_start) {
  rig.config.checkpoint_interval = 10;
  install(2);
  EXPECT_EQ(activate(2), "done");
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(rig.ask(accounts_request(4)).has_value());
  EXPECT_GT(rig.report().checkpoint_record, 2u);
  rig.close();
  rig.config.feature_level = 1;
  const Status opened = rig.open();
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::unimplemented);
  EXPECT_TRUE(says(opened.error().message, "a version of meridian that runs level 2"))
      << opened.error().message;
}

TEST_F(FeatureLevelTest, accounts_that_require_signatures_wait_for_their_level) {
  install(3);
  const std::uint64_t records = rig.replica->visible_records();
  const auto make = [&] {
    auto request = std::make_unique<ledger::Request>();
    request->add(CommandKind::create_account, make_account(1));
    request->add(CommandKind::create_account,
                 make_account(2, ledger::account_flags::requires_signature));
    return rig.ask(std::move(request));
  };
  const Result<Answer> refused = make();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::failed_precondition);
  EXPECT_TRUE(says(refused.error().message, "an account that requires signatures needs level 4"))
      << refused.error().message;
  EXPECT_EQ(rig.replica->visible_records(), records) << "nothing was done";
  install(4);
  EXPECT_FALSE(make().has_value()) << "not active yet";
  EXPECT_EQ(activate(4), "done");
  const Result<Answer> made = make();
  ASSERT_TRUE(made.has_value()) << made.error().message;
  EXPECT_EQ(made->results[1].outcome, ledger::Outcome::created);
}

TEST_F(FeatureLevelTest, events_that_clients_signed_wait_for_level_4) {
  const auto append = [&](u128 evidence, std::initializer_list<u128> events) {
    auto request = std::make_unique<ledger::Request>();
    request->attester = ledger::Attester::client_signature;
    request->signature_digest[0] = 1;
    for (const u128 id : events.size() == 0 ? std::vector<u128>{evidence}
                                            : std::vector<u128>{evidence, *events.begin()}) {
      ledger::AppendEvent event{};
      event.event_id = id;
      event.stream = event.category = event.type = 1;
      event.commitment[0] = 1;
      event.payload_size = 1;
      event.payload_offset = static_cast<std::uint32_t>(request->payloads.size());
      request->payloads.push_back(1);
      request->add(CommandKind::append_event, event);
    }
    const Result<Answer> answer = rig.ask(std::move(request));
    return answer ? "done" : answer.error().message;
  };
  install(3);
  for (const std::uint32_t level : {2, 3}) {
    install(level);
    ASSERT_EQ(activate(level), "done");
  }
  EXPECT_EQ(append(1, {}), "done") << "the evidence of what else was signed";
  EXPECT_TRUE(says(append(2, {3}), "an event that its client signed needs level 4"));
  install(4);
  EXPECT_TRUE(says(append(2, {3}), "needs level 4"));
  ASSERT_EQ(activate(4), "done");
  EXPECT_EQ(append(2, {3}), "done");
}

}  // namespace
}  // namespace meridian::replica
