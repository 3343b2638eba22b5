#include "door/erasure_records.h"

#include <gtest/gtest.h>

#include "door/internal/erasure_rig.h"

namespace meridian::door {
namespace {

std::vector<std::uint64_t> records_of(const ErasureFinder& finder) {
  std::vector<std::uint64_t> records;
  for (const auto& one : finder.found()) records.push_back(one.said.record);
  return records;
}

TEST(ErasureRecords, say_whose_keys_went_and_with_which_epoch) {
  ErasureRigLog log;
  log.add(erase_key(anna, 3, 13 * 2026, 4));
  const auto one = erasure_record_of(log.headers()[0]);
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->subject, anna);
  EXPECT_EQ(one->classes, std::vector<std::uint8_t>{3});
  EXPECT_EQ(storage::period_text(one->version), "2026");
  EXPECT_EQ(one->keys, 1U);
  EXPECT_EQ(one->epoch, 4U);
  EXPECT_TRUE(one->destroys());
}

TEST(ErasureRecords, that_change_nothing_on_any_replica_are_none) {
  ErasureRigLog log;
  log.add(erase_key(anna, 254, 1, 4));
  log.add(erase_key(anna, 3, 0, 4));
  log.add(wish(anna, 0xFFFF'FFFF, 2));
  log.add(expire(255, 13 * 2026, 4, 9));
  ledger::Header refused = log.headers()[0];
  refused.outcome = ledger::Outcome{5};
  for (const ledger::Header& header : log.headers()) EXPECT_FALSE(erasure_record_of(header));
  log.add(erase_all(anna, {1}, 2, 4));
  refused = log.headers().back();
  EXPECT_TRUE(erasure_record_of(refused));
  refused.outcome = ledger::Outcome{5};
  EXPECT_FALSE(erasure_record_of(refused));
}

TEST(ErasureFinder, takes_what_is_of_the_person_and_every_expiry) {
  ErasureRigLog log;
  log.add(wish(anna, 20'000, 1));     // 0
  log.add(erase_key(anna, 1, 1, 4));  // 1
  log.add(erase_key(bert, 1, 1, 4));  // 2
  log.add(turn(5));                   // 3
  log.next_entry();
  log.add(expire(9, 13 * 2026 + 3, 5, 7));  // 4
  log.add(turn(6));                         // 5
  log.next_entry();
  log.add(place_hold(anna, 77, {9}));   // 6
  log.add(place_hold(bert, 78, {9}));   // 7
  log.add(release_hold(anna, 77));      // 8
  log.add(erase_all(anna, {3}, 2, 6));  // 9; alone: no turn
  ErasureFinder of_anna(anna), of_class(RetentionNumber{9}), of_other(RetentionNumber{8});
  for (const ledger::Header& header : log.headers()) {
    of_anna.add(header);
    of_class.add(header);
    of_other.add(header);
  }
  EXPECT_EQ(records_of(of_anna), (std::vector<std::uint64_t>{0, 1, 4, 6, 8, 9}));
  EXPECT_EQ(records_of(of_class), std::vector<std::uint64_t>{4});
  EXPECT_TRUE(records_of(of_other).empty());
  EXPECT_EQ(of_anna.found()[0].turn, std::nullopt) << "a wish destroys nothing";
  EXPECT_EQ(of_anna.found()[1].turn, 3U);
  EXPECT_EQ(of_anna.found()[2].turn, 5U);
  EXPECT_EQ(of_anna.found()[5].turn, std::nullopt);
}

TEST(ErasureFinder, a_turn_is_that_of_the_next_epoch_behind_it_in_one_entry) {
  ErasureRigLog log;
  log.add(turn(5));
  log.add(erase_key(anna, 1, 1, 4));  // 1
  log.add(turn(6));                   // of another epoch
  log.next_entry();
  log.add(turn(5));                   // 3, too late
  log.add(erase_key(anna, 2, 1, 4));  // 4
  log.add(turn(5));                   // 5
  ErasureFinder finder(anna);
  std::vector<bool> open;
  for (const ledger::Header& header : log.headers()) {
    finder.add(header);
    open.push_back(finder.is_open());
  }
  ASSERT_EQ(records_of(finder), (std::vector<std::uint64_t>{1, 4}));
  EXPECT_EQ(finder.found()[0].turn, std::nullopt);
  EXPECT_EQ(finder.found()[1].turn, 5U);
  EXPECT_EQ(open, (std::vector<bool>{false, true, true, false, true, false}));
}

struct ExpiryChoiceTest : testing::Test {
  ErasureRigLog log;
  ExpiryChoice choice;
  template <typename Command>
  void add(const Command& command, bool is_clear = true) {
    log.add(command);
    choice.add(*erasure_record_of(log.headers().back()), is_clear);
  }
};

TEST_F(ExpiryChoiceTest, the_latest_period_of_each_class_counts_and_the_first_record_of_it) {
  add(expire(9, 13 * 2026 + 1, 1, 1));
  add(expire(9, 13 * 2026 + 2, 2, 1));  // 1
  add(expire(9, 13 * 2026 + 2, 3, 1));
  add(expire(9, 13 * 2025 + 2, 4, 1));
  add(expire(8, 13 * 2020, 5, 1));  // 4
  EXPECT_EQ(choice.records(), (std::vector<std::uint64_t>{1, 4}));
}

TEST_F(ExpiryChoiceTest, what_was_held_then_is_not_said_to_be_gone_by_it) {
  add(place_hold(anna, 77, {9}));
  add(place_hold(anna, 78, {9, 8}));
  add(expire(9, 13 * 2026 + 1, 1, 1));
  add(release_hold(anna, 77));
  add(expire(9, 13 * 2026 + 1, 2, 1));
  EXPECT_TRUE(choice.records().empty());
  add(expire(7, 13 * 2026 + 1, 3, 1));  // 5: not held
  add(release_hold(anna, 78));
  add(expire(9, 13 * 2026 + 1, 4, 1));  // 7
  EXPECT_EQ(choice.records(), (std::vector<std::uint64_t>{5, 7}));
}

TEST_F(ExpiryChoiceTest, nothing_is_said_where_a_key_is_left_or_all_was_gone_before) {
  add(expire(9, 13 * 2026 + 1, 1, 1), false);
  add(expire(8, 13 * 2026 + 1, 1, 1));  // 1
  add(erase_all(anna, {8}, 2, 2));
  add(expire(7, 13 * 2026 + 1, 3, 1));
  EXPECT_EQ(choice.records(), std::vector<std::uint64_t>{1});
}

}  // namespace
}  // namespace meridian::door
