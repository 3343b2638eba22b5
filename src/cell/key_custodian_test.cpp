#include "cell/key_custodian.h"

#include <gtest/gtest.h>

#include "cell/internal/keepers_rig.h"

namespace meridian::cell {
namespace {

std::string outcome_of(const std::optional<Result<ledger::RecordIndex>>& appended) {
  if (!appended) return "no answer";
  return *appended ? "done" : appended->error().message;
}

struct KeyCustodianTest : testing::Test {
  Keepers cell{1};

  ledger::RecordIndex must_append(std::uint64_t at, u128 id, const std::string& subject) {
    const auto appended = cell.append(at, id, subject);
    EXPECT_EQ(outcome_of(appended), "done");
    return appended && *appended ? **appended : ledger::no_record;
  }
  ForgetAnswer must_forget(std::uint64_t at, const std::string& subject) {
    const auto done = cell.forget(at, subject);
    EXPECT_TRUE(done && *done) << (done ? done->error().message : "no answer");
    return done && *done ? **done : ForgetAnswer{};
  }
  /// "well", "forgotten" or the error.
  std::string reads(std::uint64_t at, ledger::RecordIndex record) {
    const auto event = cell.read(at, record);
    if (!event) return event.error().message;
    return event->forgotten ? "forgotten" : std::string(as_text(event->data));
  }
  void expect_all_read(ledger::RecordIndex record, const std::string& what) {
    for (const auto& [id, member] : cell.members)
      if (member.is_up) {
        EXPECT_EQ(reads(id, record), what) << "replica " << id;
      }
  }
  std::size_t keks(std::uint64_t id) {
    std::size_t count = 0;
    for (const auto& key : cell.members[id].keys->list()) count += key.name == "epoch" ? 1 : 0;
    return count;
  }
  ~KeyCustodianTest() override { EXPECT_TRUE(cell.fatal.empty()) << cell.fatal.front(); }
};

const std::string well = "{\"note\":\"well\"}";

TEST_F(KeyCustodianTest, what_the_leader_seals_for_a_person_all_replicas_open) {
  cell.lead(1);
  const auto record = must_append(1, 1, "anna");
  cell.run(io::seconds(1));
  expect_all_read(record, well);
  EXPECT_EQ(cell.append(2, 2, "anna")->error().code, Code::unavailable) << "2 does not lead";
}

TEST_F(KeyCustodianTest, the_next_leader_goes_on_with_the_same_keys) {
  cell.lead(1);
  const auto first = must_append(1, 1, "anna");
  cell.lead(2);
  const auto second = must_append(2, 2, "anna");
  const auto other = must_append(2, 3, "bert");
  cell.run(io::seconds(1));
  for (const auto record : {first, second, other}) expect_all_read(record, well);
}

TEST_F(KeyCustodianTest, a_forgotten_person_is_unreadable_everywhere_and_the_others_are_not) {
  cell.lead(1);
  const auto anna = must_append(1, 1, "anna");
  const auto bert = must_append(1, 2, "bert");
  const ForgetAnswer forgotten = must_forget(1, "anna");
  EXPECT_EQ(forgotten.keys_destroyed, 2u);
  EXPECT_EQ(forgotten.destroyed_on, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_TRUE(forgotten.not_yet_on.empty());
  expect_all_read(anna, "forgotten");
  expect_all_read(bert, well);
  for (const std::uint64_t id : {1, 2, 3}) EXPECT_EQ(keks(id), 1u) << "the old KEK is destroyed";
  EXPECT_EQ(cell.append(1, 3, "anna")->error().code, Code::failed_precondition);
}

TEST_F(KeyCustodianTest, who_is_down_while_somebody_is_forgotten_is_named_and_follows_later) {
  cell.lead(1);
  const auto anna = must_append(1, 1, "anna");
  const auto bert = must_append(1, 2, "bert");
  cell.run(io::seconds(1));
  cell.stop(3);
  const ForgetAnswer forgotten = must_forget(1, "anna");
  EXPECT_EQ(forgotten.destroyed_on, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(forgotten.not_yet_on, std::vector<std::uint64_t>{3});
  cell.start(3);
  cell.run(io::seconds(3));
  expect_all_read(anna, "forgotten");
  expect_all_read(bert, well);
  EXPECT_EQ(keks(3), 1u);
}

TEST_F(KeyCustodianTest, who_missed_several_turns_takes_over_a_table) {
  cell.lead(1);
  const auto anna = must_append(1, 1, "anna");
  const auto bert = must_append(1, 2, "bert");
  cell.run(io::seconds(1));
  cell.stop(3);
  must_forget(1, "anna");
  const auto carl = must_append(1, 3, "carl");
  must_forget(1, "dora");
  cell.start(3);
  cell.run(io::seconds(5));
  expect_all_read(anna, "forgotten");
  expect_all_read(bert, well);
  expect_all_read(carl, well);
  EXPECT_EQ(keks(3), 1u);
}

TEST_F(KeyCustodianTest, one_that_joins_late_opens_what_was_sealed_before) {
  cell.lead(1);
  const auto anna = must_append(1, 1, "anna");
  const auto bert = must_append(1, 2, "bert");
  must_forget(1, "anna");
  cell.join();
  cell.run(io::seconds(5));
  expect_all_read(anna, "forgotten");
  expect_all_read(bert, well);
  cell.lead(4);
  const auto carl = must_append(4, 3, "carl");
  cell.run(io::seconds(1));
  expect_all_read(carl, well);
}

TEST_F(KeyCustodianTest, damaged_records_are_waited_for_until_they_are_repaired) {
  cell.lead(1);
  cell.run(io::seconds(1));
  cell.stop(3);
  const auto anna = must_append(1, 1, "anna");
  cell.members[3].is_damaged = true;
  cell.start(3);
  cell.run(io::seconds(5));
  EXPECT_NE(reads(3, anna), well);
  EXPECT_EQ(std::ranges::count_if(cell.notices,
                                  [](const std::string& line) {
                                    return line.find("cannot be read yet") != line.npos;
                                  }),
            1);
  cell.members[3].is_damaged = false;
  cell.run(io::seconds(5));
  expect_all_read(anna, well);
}

TEST_F(KeyCustodianTest, without_a_quorum_that_holds_the_next_key_nobody_is_forgotten) {
  cell.lead(1);
  const auto anna = must_append(1, 1, "anna");
  cell.run(io::seconds(1));
  cell.members[2].is_cut_off = cell.members[3].is_cut_off = true;
  EXPECT_FALSE(cell.forget(1, "anna", io::seconds(5)));
  EXPECT_EQ(reads(1, anna), well);
  cell.members[2].is_cut_off = false;
  cell.run(io::seconds(5));
  EXPECT_EQ(reads(1, anna), "forgotten");
  EXPECT_EQ(reads(2, anna), "forgotten");
}

TEST_F(KeyCustodianTest, a_key_that_is_not_here_yet_is_not_said_to_be_destroyed) {
  cell.lead(1);
  must_append(1, 1, "anna");
  cell.run(io::seconds(1));
  cell.members[3].is_cut_off = true;
  must_forget(1, "anna");
  const auto bert = must_append(1, 2, "bert");
  must_forget(1, "dora");
  cell.stop(3);
  cell.start(3);  // gets the records, and no answer about keys
  cell.run(io::milliseconds(400));
  EXPECT_NE(reads(3, bert).find("brought up to date"), std::string::npos) << reads(3, bert);
  cell.members[3].is_cut_off = false;
  cell.run(io::seconds(5));
  EXPECT_EQ(reads(3, bert), well);
}

TEST_F(KeyCustodianTest, below_the_level_that_has_keys_it_says_what_to_do) {
  cell.level = 1;
  cell.lead(1);
  const auto refused = cell.append(1, 1, "anna");
  ASSERT_TRUE(refused && !*refused);
  EXPECT_EQ(refused->error().code, Code::failed_precondition);
  EXPECT_EQ(cell.forget(1, "anna")->error().code, Code::failed_precondition);
  cell.level = 2;
  cell.run(io::seconds(1));
  must_append(1, 2, "anna");
}

/// Leaders come and go, replicas crash, messages are lost; what was answered stays true.
class ManySeeds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(ManySeeds, what_was_answered_stays_true) {
  const std::uint64_t seed = GetParam();
  // With every other seed a turn goes on while others want something.
  Keepers cell(seed, 3, nullptr, {.at_once = seed % 2 == 0 ? 4'096U : 0U, .step = 1});
  sim::Random random(seed * 77);
  cell.percent_lost = static_cast<int>(random.below(30));
  std::vector<std::pair<ledger::RecordIndex, std::string>> appended;
  std::set<std::string> forgotten, maybe_forgotten;
  std::uint64_t leader = 1;
  cell.lead(leader);
  for (u128 step = 1; step <= 40; ++step) {
    const std::string subject = "person-" + std::to_string(random.below(6));
    switch (random.below(8)) {
      case 0: {
        leader = 1 + random.below(3);
        if (!cell.members[leader].is_up) cell.start(leader);
        cell.lead(leader);
        break;
      }
      case 1: {
        const std::uint64_t victim = 1 + random.below(3);
        if (victim == leader || !cell.members[victim].is_up) break;
        bool others_up = true;
        for (const auto& [id, one] : cell.members) others_up &= one.is_up;
        if (others_up) cell.crash(victim, random.next());
        break;
      }
      case 2:
        for (auto& [id, one] : cell.members)
          if (!one.is_up) cell.start(id);
        break;
      case 3: {
        maybe_forgotten.insert(subject);
        const auto done = cell.forget(leader, subject, io::seconds(8));
        if (done && *done) forgotten.insert(subject);
        break;
      }
      default: {
        const auto done = cell.append(leader, step, subject, io::seconds(8));
        if (done && *done) appended.emplace_back(**done, subject);
      }
    }
  }
  cell.percent_lost = 0;
  for (auto& [id, one] : cell.members)
    if (!one.is_up) cell.start(id);
  cell.run(io::seconds(20));
  ASSERT_TRUE(cell.fatal.empty()) << cell.fatal.front();
  const auto last = cell.append(leader, 1'000, "somebody-new", io::seconds(10));
  EXPECT_EQ(outcome_of(last), "done") << "it goes on";
  cell.run(io::seconds(2));
  for (const auto& [record, subject] : appended)
    for (const std::uint64_t id : {1, 2, 3}) {
      const auto event = cell.read(id, record);
      ASSERT_TRUE(event) << event.error().message << " at " << id << ", " << subject;
      if (forgotten.contains(subject)) {
        EXPECT_TRUE(event->forgotten) << subject << " at " << id;
      }
      if (!maybe_forgotten.contains(subject)) {
        EXPECT_FALSE(event->forgotten) << subject << " at " << id;
      }
      EXPECT_EQ(event->forgotten, cell.read(leader, record)->forgotten) << "alike";
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ManySeeds, testing::Range(std::uint64_t{1}, std::uint64_t{61}));

}  // namespace
}  // namespace meridian::cell
