// Turns of a table that is used meanwhile, a row at a time.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "sim/random.h"
#include "storage/cell_key_table.h"
#include "storage/internal/key_rig.h"

namespace meridian::storage {
namespace {

using Keys = std::pair<Buffer, Buffer>;

/// A table that is filled with `persons`, and the turn that wraps them anew.
struct TurnRig : KeyRig {
  static constexpr u128 persons = 8;
  static constexpr std::uint64_t turn_record = 100;
  std::unique_ptr<CellKeyTable> table;
  std::map<u128, Keys> made;
  u128 next = 0;

  explicit TurnRig(u128 count = persons) {
    create();
    open_table();
    EXPECT_TRUE(*table->turn(1, *table->offer(), 0));
    table->make_in(1);
    for (u128 person = 1; person <= count; ++person) seal(person);
    EXPECT_TRUE(table->folded(turn_record).has_value());
    next = *table->offer();
  }
  void open_table() {
    auto opened = CellKeyTable::open(context(), *keys, clock, {.at_once = 0, .step = 2});
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    table = *std::move(opened);
    table->set_complete(true);
  }
  void restart() {
    table.reset();
    keys = *KeyRig::open();
    open_table();
  }
  /// Its rows are folded in.
  void seal(u128 person, std::uint8_t retention = 3) {
    const auto got = table->for_sealing(person, retention);
    ASSERT_TRUE(got.has_value()) << got.error().message;
    if (retention == 3) made[person] = {to_buffer(got->seal), to_buffer(got->commit)};
    for (const KeyRow& row : table->take_unfolded()) ASSERT_TRUE(table->add(row, 0).has_value());
  }
  bool begin() { return *table->turn(2, next, turn_record); }
  std::optional<Keys> open(u128 person, std::uint8_t retention = 3) {
    const auto got = table->for_opening(person, retention, 1);
    if (!got) return std::nullopt;
    return Keys(to_buffer(got->seal), to_buffer(got->commit));
  }
  void expect_all_open() {
    for (const auto& [person, known] : made) EXPECT_EQ(open(person), known);
  }
  std::size_t keks() {
    std::size_t count = 0;
    for (const auto& key : keys->list()) count += key.name == "epoch" ? 1 : 0;
    return count;
  }
};

TEST(EpochTurn, a_table_is_used_while_it_turns_and_the_key_before_goes_at_the_end) {
  TurnRig rig;
  ASSERT_TRUE(rig.begin());
  std::uint64_t records = TurnRig::turn_record + 1;
  std::size_t steps = 0;
  for (bool made = false; !made; ++steps) {
    EXPECT_TRUE(rig.table->is_turning());
    EXPECT_EQ(rig.keks(), 2U);
    EXPECT_EQ(rig.table->place().turns, 1U) << "others are not told that it is made";
    rig.expect_all_open();
    rig.seal(20 + steps);
    if (steps == 1) {  // one that was wrapped anew, one that was not, one that came since
      for (const u128 person : {u128{1}, TurnRig::persons, u128{21}}) {
        rig.table->erase(person);
        rig.made.erase(person);
        EXPECT_FALSE(rig.open(person));
      }
    }
    rig.table->drop_old_keys();
    made = *rig.table->turn_on(++records);
  }
  EXPECT_GE(steps, 5U);
  EXPECT_FALSE(rig.table->is_turning());
  EXPECT_EQ(rig.keks(), 1U);
  EXPECT_EQ(rig.table->check(), rig.next);
  rig.expect_all_open();
  rig.restart();
  EXPECT_EQ(rig.table->place().records, records);
  EXPECT_EQ(rig.table->place().turns, 2U);
  rig.expect_all_open();
  for (const u128 person : {u128{1}, TurnRig::persons, u128{21}}) {
    EXPECT_FALSE(rig.open(person));
    EXPECT_TRUE(rig.table->is_forgotten(person));
  }
}

TEST(EpochTurn, a_row_that_no_record_brought_is_no_part_of_it) {
  TurnRig rig;
  ASSERT_TRUE(rig.begin());
  ASSERT_TRUE(rig.table->for_sealing(3, 4).has_value());  // not folded in
  while (rig.table->is_turning()) ASSERT_TRUE(rig.table->turn_on(TurnRig::turn_record + 1));
  EXPECT_TRUE(rig.open(3, 4));
  rig.restart();
  EXPECT_FALSE(rig.open(3, 4));
  rig.expect_all_open();
}

/// Where a class lives depends on whether it had keys when it was defined: the file must say so
/// too.
TEST(EpochTurn, classes_that_are_defined_meanwhile_live_where_they_did_after_a_restart) {
  TurnRig rig;
  rig.table->change(jurisdiction_row(1, "eu", "eu-west"));
  for (u128 person = 1; person <= TurnRig::persons; ++person) rig.seal(person, 8);
  ASSERT_TRUE(rig.begin());
  std::uint64_t records = TurnRig::turn_record + 1;
  const auto define = [&](std::uint8_t retention) {
    RetentionClass one{.retention = retention, .residency = 1, .defined = Day{20'000}};
    one.name = text_field<class_name_size>("medical");
    one.basis = text_field<class_basis_size>("law");
    rig.table->change(row_of(one));
  };
  define(8);  // has keys, which go before they are wrapped anew
  for (u128 person = 1; person <= TurnRig::persons; ++person)
    rig.table->change(gone_row(person, {8, 1}));
  define(9);  // has none yet; then all who are known get one
  const auto kek = crypto::make_key_wrapper(*rig.table->kek(rig.next));
  for (u128 person = 1; person <= TurnRig::persons; ++person) {
    KeyRow row{.subject = person, .retention = 9, .version = 13 * 2026};
    row.seal = *kek->wrap(Buffer(32, Byte{9}));
    ASSERT_TRUE(rig.table->add(row, records).has_value());
  }
  while (rig.table->is_turning()) ASSERT_TRUE(rig.table->turn_on(++records));
  for (int i = 0; i < 2; ++i, rig.restart()) {
    ASSERT_NE(rig.table->keeping().find(8), nullptr);
    EXPECT_EQ(rig.table->keeping().find(8)->residency, 0) << "after restarts: " << i;
    ASSERT_NE(rig.table->keeping().find(9), nullptr);
    EXPECT_EQ(rig.table->keeping().find(9)->residency, 1) << "after restarts: " << i;
    EXPECT_TRUE(rig.table->has_keys(9));
  }
}

TEST(EpochTurn, one_that_a_crash_cuts_short_is_folded_in_again) {
  TurnRig whole;
  const std::uint64_t begin = whole.disk->mutation_count();
  ASSERT_TRUE(whole.begin());
  while (whole.table->is_turning()) ASSERT_TRUE(whole.table->turn_on(TurnRig::turn_record + 1));
  const std::uint64_t end = whole.disk->mutation_count();
  ASSERT_GE(end - begin, 8U);
  std::set<std::uint32_t> seen;
  for (std::uint64_t point = begin + 1; point <= end; ++point) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      SCOPED_TRACE("point " + std::to_string(point) + " seed " + std::to_string(seed));
      TurnRig rig;
      rig.disk->crash_at_mutation(point);
      Result<bool> going = rig.table->turn(2, rig.next, TurnRig::turn_record);
      while (going && rig.table->is_turning()) going = rig.table->turn_on(TurnRig::turn_record + 1);
      rig.disk = seed % 2 == 0 ? rig.disk->crash(seed) : rig.disk->kill_process();
      rig.restart();
      const std::uint32_t turns = rig.table->place().turns;
      seen.insert(turns);
      EXPECT_EQ(rig.table->place().records, TurnRig::turn_record + (turns == 2 ? 1 : 0));
      rig.expect_all_open();
      EXPECT_TRUE(rig.begin());
      while (rig.table->is_turning()) ASSERT_TRUE(rig.table->turn_on(TurnRig::turn_record + 1));
      rig.expect_all_open();
      EXPECT_EQ(rig.keks(), 1U);
      EXPECT_EQ(rig.table->place().turns, 2U);
    }
  }
  EXPECT_EQ(seen, (std::set<std::uint32_t>{1, 2}));
}

TEST(EpochTurn, a_full_disk_holds_it_up_and_loses_nothing) {
  bool full_at_table = false, full_at_destroying = false, fitted = false;
  for (std::uint64_t room = 0; room < 5'000; room += 25) {
    SCOPED_TRACE("room " + std::to_string(room));
    TurnRig rig(room % 2 == 0 ? TurnRig::persons
                              : 1);  // of one the table is smaller than the store
    const std::uint64_t used = rig.read("keys/table").size() + rig.read("keys/store").size();
    rig.disk->set_capacity(used + room);
    ASSERT_TRUE(rig.begin());
    Result<bool> going = false;
    while (going && rig.table->is_turning()) going = rig.table->turn_on(TurnRig::turn_record + 1);
    fitted |= going.has_value();
    if (!going) {
      EXPECT_EQ(going.error().code, Code::resource_exhausted) << going.error().message;
      EXPECT_EQ(rig.keks(), 2U);
      (*rig.disk->exists("keys/table.new") ? full_at_table : full_at_destroying) = true;
      rig.expect_all_open();
      rig.disk->set_capacity(1 << 20);
      if (room % 4 == 0) {
        rig.restart();
        ASSERT_TRUE(rig.begin());
        rig.table->make_in(2);
      }
      rig.seal(30);
      while (rig.table->is_turning()) ASSERT_TRUE(rig.table->turn_on(TurnRig::turn_record + 2));
      ASSERT_TRUE(rig.table->folded(TurnRig::turn_record + 2).has_value());
    }
    rig.expect_all_open();
    EXPECT_EQ(rig.keks(), 1U);
    rig.restart();
    rig.expect_all_open();
  }
  EXPECT_TRUE(full_at_table);
  EXPECT_TRUE(full_at_destroying);
  EXPECT_TRUE(fitted);
}

}  // namespace
}  // namespace meridian::storage
