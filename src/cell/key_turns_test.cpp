// Turns of the epoch that nobody's forgetting asked for: once a day, on demand, and because a KEK
// that lies in tokens is needed by a replica that has none. And the leader's word to turn
// `storage`.
#include <gtest/gtest.h>

#include "cell/internal/keepers_rig.h"
#include "token/soft_token_rig.h"

namespace meridian::cell {
namespace {

using token::SoftToken;
const std::string well = "{\"note\":\"well\"}";

ledger::RecordIndex must_append(Keepers& cell, std::uint64_t at, u128 id,
                                const std::string& subject) {
  const auto appended = cell.append(at, id, subject);
  EXPECT_TRUE(appended && *appended) << (appended ? appended->error().message : "no answer");
  return appended && *appended ? **appended : ledger::no_record;
}

void expect_all_read(Keepers& cell, ledger::RecordIndex record) {
  for (const auto& [id, member] : cell.members) {
    if (!member.is_up) continue;
    const auto event = cell.read(id, record);
    ASSERT_TRUE(event.has_value()) << "replica " << id << ": " << event.error().message;
    EXPECT_EQ(as_text(event->data), well) << "replica " << id;
  }
}

std::uint32_t turns(Keepers& cell, std::uint64_t id) {
  return cell.members[id].door->shared_keys()->place().turns;
}

std::vector<storage::KeyStore::Listing> keks(Keepers& cell, std::uint64_t id) {
  std::vector<storage::KeyStore::Listing> all = cell.members[id].keys->list();
  std::erase_if(all, [](const auto& key) { return key.name != "epoch"; });
  return all;
}

/// A day passes while all are down: only what counts by the clock differs.
void pass(Keepers& cell, io::Duration time) {
  for (const std::uint64_t id : {1, 2, 3}) cell.stop(id);
  cell.world.advance(time);
  for (const std::uint64_t id : {1, 2, 3}) cell.start(id);
  cell.run(io::seconds(5));
}

TEST(KeyTurns, the_leader_turns_an_epoch_that_is_a_day_old_and_no_younger_one) {
  Keepers cell(1);
  cell.lead(1);
  const auto anna = must_append(cell, 1, 1, "anna");
  cell.run(io::seconds(1));
  ASSERT_EQ(turns(cell, 1), 1U);
  pass(cell, io::seconds(23 * 3'600));
  EXPECT_EQ(turns(cell, 1), 1U);
  pass(cell, io::seconds(2 * 3'600));
  for (const std::uint64_t id : {1, 2, 3}) {
    EXPECT_EQ(turns(cell, id), 2U) << "replica " << id;
    EXPECT_EQ(keks(cell, id).size(), 1U) << "the old KEK is destroyed";
  }
  expect_all_read(cell, anna);
  pass(cell, io::seconds(3'600));
  EXPECT_EQ(turns(cell, 1), 2U) << "once a day";
  EXPECT_TRUE(cell.fatal.empty());
}

TEST(KeyTurns, a_clock_that_nobody_confirms_turns_nothing) {
  Keepers cell(2);
  cell.is_clock_confirmed = false;
  cell.lead(1);
  must_append(cell, 1, 1, "anna");
  pass(cell, io::seconds(25 * 3'600));
  EXPECT_EQ(turns(cell, 1), 1U);
  cell.is_clock_confirmed = true;
  cell.run(io::seconds(70));
  EXPECT_EQ(turns(cell, 1), 2U);
}

TEST(KeyTurns, on_demand_it_turns_on_all_and_says_where) {
  Keepers cell(3);
  cell.lead(1);
  const auto anna = must_append(cell, 1, 1, "anna");
  cell.run(io::seconds(1));
  const auto turned = cell.turn(1);
  ASSERT_TRUE(turned && *turned) << (turned ? turned->error().message : "no answer");
  EXPECT_EQ((*turned)->epoch, 2U);
  EXPECT_EQ((*turned)->destroyed_on, (std::vector<std::uint64_t>{1, 2, 3}));
  expect_all_read(cell, anna);
  const auto refused = cell.turn(2);
  ASSERT_TRUE(refused && !*refused);
  EXPECT_EQ(refused->error().code, Code::unavailable);
  // And a forgetting asked for at the same time goes with it or after it.
  std::optional<Result<ForgetAnswer>> one, other;
  cell.members[1].custodian->turn(5, [&](Result<ForgetAnswer> done) { one = std::move(done); });
  cell.members[1].custodian->forget(5, cell.members[1].door->subject_id("anna"),
                                    [&](Result<ForgetAnswer> done) { other = std::move(done); });
  cell.run(io::seconds(10));
  ASSERT_TRUE(one && *one && other && *other);
  EXPECT_GT((*other)->keys_destroyed, 0U);
  EXPECT_TRUE(cell.read(2, anna)->forgotten);
}

TEST(KeyTurns, persons_are_written_about_read_and_held_while_an_epoch_turns) {
  Keepers cell(5, 3, nullptr, {.at_once = 0, .step = 1});
  cell.lead(1);
  std::vector<ledger::RecordIndex> before;
  for (u128 n = 1; n <= 60; ++n)
    before.push_back(must_append(cell, 1, n, "person-" + std::to_string(low64(n) % 20)));
  cell.run(io::seconds(1));
  // Forgotten with the turn that begins; the disk of the leader is full for a while.
  std::optional<Result<ForgetAnswer>> forgotten;
  cell.members[1].custodian->forget(
      5, cell.members[1].door->subject_id("person-7"),
      [&](Result<ForgetAnswer> done) { forgotten = std::move(done); });
  const storage::CellKeyTable& table = *cell.members[1].door->shared_keys();
  while (keks(cell, 1).size() == 1) cell.run(io::milliseconds(1));  // the next one is offered
  cell.members[1].disk->set_capacity(0);
  cell.run(io::seconds(5));
  ASSERT_TRUE(table.is_turning());
  EXPECT_EQ(turns(cell, 2), 2U) << "the others have room";
  EXPECT_FALSE(forgotten) << "its key is not destroyed yet";
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto event = cell.read(1, before[i]);
    ASSERT_TRUE(event) << event.error().message;
    EXPECT_EQ(event->forgotten, (i + 1) % 20 == 7);
  }
  const auto since = must_append(cell, 1, 100, "person-1");
  const auto fresh = must_append(cell, 1, 101, "somebody new");
  EXPECT_FALSE(forgotten);
  cell.members[1].disk->set_capacity(std::uint64_t{1} << 30);
  cell.run(io::seconds(5));
  ASSERT_TRUE(forgotten && *forgotten);
  EXPECT_EQ(keks(cell, 1).size(), 1U);
  expect_all_read(cell, since);
  expect_all_read(cell, fresh);
  EXPECT_TRUE(cell.fatal.empty()) << cell.fatal.front();
}

TEST(KeyTurns, the_leader_has_storage_turned_by_all_or_by_one) {
  Keepers cell(4);
  cell.lead(1);
  cell.run(io::seconds(1));
  Result<std::vector<std::uint64_t>> asked = fail(Code::internal, "no answer");
  const auto ask = [&](std::uint64_t at, std::optional<std::uint64_t> which) {
    cell.storage_turns.clear();
    cell.members[at].custodian->ask_storage_turn(which,
                                                 [&](auto told) { asked = std::move(told); });
    cell.run(io::seconds(1));
    std::ranges::sort(cell.storage_turns);
  };
  ask(1, std::nullopt);
  ASSERT_TRUE(asked.has_value()) << asked.error().message;
  EXPECT_EQ(*asked, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(cell.storage_turns, *asked);
  ask(1, 3);
  EXPECT_EQ(cell.storage_turns, std::vector<std::uint64_t>{3});
  ask(1, 9);
  EXPECT_EQ(asked.error().code, Code::invalid_argument);
  ask(2, std::nullopt);
  EXPECT_EQ(asked.error().code, Code::unavailable) << "2 does not lead";
  // Nor does anybody take its word.
  cell.members[3].custodian->receive(2, encode_key_message(TurnStorage{}));
  cell.run(io::seconds(1));
  EXPECT_TRUE(cell.storage_turns.empty());
}

// Nobody asks any more, and the clock alone sees to it.
TEST(KeyTurns, unwrapped_keys_are_overwritten_within_a_minute_also_if_nobody_asks) {
  Keepers cell(6);
  cell.lead(1);
  const auto anna = must_append(cell, 1, 1, "anna");
  cell.run(io::seconds(1));
  ASSERT_TRUE(cell.read(2, anna).has_value());
  for (const std::uint64_t id : {1, 2})
    EXPECT_NE(cell.members[id].door->shared_keys()->unwrapped_keys(), 0U) << "replica " << id;
  cell.run(io::seconds(50));
  EXPECT_NE(cell.members[2].door->shared_keys()->unwrapped_keys(), 0U) << "it is a cache";
  cell.run(io::seconds(10));
  for (const std::uint64_t id : {1, 2})
    EXPECT_EQ(cell.members[id].door->shared_keys()->unwrapped_keys(), 0U) << "replica " << id;
}

/// All key stores are in one token.
class KeyTurnsInTokens : public testing::Test {
 protected:
  void SetUp() override {
    if (!SoftToken::is_installed()) GTEST_SKIP() << SoftToken::not_installed;
    soft_.emplace();
    auto opened = SoftToken::open();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    cell_.emplace(5, 3, *opened);
    cell_->lead(1);
  }
  void TearDown() override {
    if (cell_) {
      EXPECT_TRUE(cell_->fatal.empty()) << cell_->fatal.front();
    }
    cell_.reset();
  }
  void expect_kek_inside(std::uint64_t id) {
    const auto all = keks(*cell_, id);
    ASSERT_FALSE(all.empty());
    EXPECT_TRUE(all.back().is_in_token) << "replica " << id;
    EXPECT_FALSE(cell_->members[id].keys->newest("epoch").has_value());
  }

  std::optional<SoftToken> soft_;
  std::optional<Keepers> cell_;
};

TEST_F(KeyTurnsInTokens, the_kek_is_inside_on_all_and_opens_what_the_leader_sealed) {
  const auto anna = must_append(*cell_, 1, 1, "anna");
  cell_->run(io::seconds(2));
  expect_all_read(*cell_, anna);
  for (const std::uint64_t id : {1, 2, 3}) expect_kek_inside(id);
  ASSERT_TRUE(cell_->forget(1, "anna").has_value());
  EXPECT_TRUE(cell_->read(3, anna)->forgotten);
  const auto bert = must_append(*cell_, 1, 2, "bert");
  // After a restart too.
  for (const std::uint64_t id : {1, 2, 3}) {
    cell_->stop(id);
    cell_->start(id);
  }
  cell_->run(io::seconds(2));
  expect_all_read(*cell_, bert);
  for (const std::uint64_t id : {1, 2, 3}) expect_kek_inside(id);
}

TEST_F(KeyTurnsInTokens, one_that_joins_long_after_a_turn_causes_one_and_opens_all) {
  const auto anna = must_append(*cell_, 1, 1, "anna");
  cell_->run(io::seconds(70));  // the KEK is in no memory any more
  const std::uint32_t before = turns(*cell_, 1);
  EXPECT_EQ(cell_->members[1]
                .door->shared_keys()
                ->kek(cell_->members[1].door->shared_keys()->check())
                .error()
                .code,
            Code::failed_precondition);
  const std::uint64_t joined = cell_->join();
  cell_->run(io::seconds(10));
  EXPECT_EQ(turns(*cell_, 1), before + 1) << "one turn, and no more";
  expect_all_read(*cell_, anna);
  expect_kek_inside(joined);
  const auto bert = must_append(*cell_, 1, 2, "bert");
  cell_->run(io::seconds(5));
  expect_all_read(*cell_, bert);
}

TEST_F(KeyTurnsInTokens, one_that_was_down_for_some_turns_catches_up) {
  must_append(*cell_, 1, 1, "anna");
  cell_->run(io::seconds(1));
  cell_->stop(3);
  ASSERT_TRUE(cell_->forget(1, "anna").has_value());
  const auto bert = must_append(*cell_, 1, 2, "bert");
  cell_->run(io::seconds(70));
  cell_->start(3);
  cell_->run(io::seconds(10));
  expect_all_read(*cell_, bert);
  expect_kek_inside(3);
  EXPECT_EQ(turns(*cell_, 3), turns(*cell_, 1));
}

}  // namespace
}  // namespace meridian::cell
