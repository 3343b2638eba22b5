// Both tables of keys with classes, holds and wishes: against a naive model, over restarts, and
// with power failing at each step.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "sim/random.h"
#include "storage/cell_key_table.h"
#include "storage/internal/key_rig.h"
#include "storage/internal/key_rows.h"
#include "storage/key_table.h"

namespace meridian::storage {
namespace {

constexpr io::Duration day{86'400'000'000'000};
io::Duration days(std::int64_t count) {
  return io::Duration{static_cast<std::int64_t>(day) * count};
}

RetentionClass tax(std::uint8_t retention = 3) {
  return {.retention = retention,
          .keep = {84, 0},
          .erase = {120, 0},
          .defined = Day{19'675},
          .name = text_field<class_name_size>("tax_documents"),
          .basis = text_field<class_basis_size>("AO 147")};
}
RetentionClass logs() {
  return {.retention = 2,
          .is_by_month = true,
          .keep = {0, 30},
          .erase = {0, 61},
          .defined = Day{19'675},
          .name = text_field<class_name_size>("logs"),
          .basis = text_field<class_basis_size>("security of processing")};
}
Hold hold(u128 id, u128 subject, std::initializer_list<int> classes) {
  Hold hold{.id = id, .subject = subject};
  for (const int retention : classes)
    hold.classes[static_cast<std::size_t>(retention / 8)] |=
        static_cast<Byte>(1 << (retention % 8));
  hold.reference = text_field<hold_reference_size>("case-2026-114");
  return hold;
}

struct Alone : KeyRig {
  std::unique_ptr<KeyTable> table;

  Alone() {
    create();
    start();
  }
  void start() {
    auto opened = KeyTable::open(context(), *keys, clock);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    table = *std::move(opened);
  }
  void restart() {
    table.reset();
    keys = *KeyRig::open();
    start();
  }
  std::uint32_t seal(u128 subject, std::uint8_t retention) {
    auto made = table->for_sealing(subject, retention);
    EXPECT_TRUE(made.has_value()) << made.error().message;
    EXPECT_TRUE(table->sync().has_value());
    return made ? made->seal_version : 0;
  }
  bool opens(u128 subject, std::uint8_t retention, std::uint32_t version) {
    return table->for_opening(subject, retention, version).has_value();
  }
  void change(const std::vector<KeyRow>& rows) {
    const auto changed = table->change(rows);
    ASSERT_TRUE(changed.has_value()) << changed.error().message;
  }
};

TEST(KeepingTables, a_class_seals_each_period_under_a_key_of_its_own) {
  Alone rig;
  EXPECT_EQ(rig.seal(5, 3), undated_version);
  rig.change({row_of(tax()), row_of(logs())});
  const std::uint32_t now = rig.seal(5, 3);
  EXPECT_EQ(period_text(now), "2023");
  EXPECT_EQ(rig.seal(5, 3), now);
  EXPECT_EQ(period_text(rig.seal(5, 2)), "2023-11");
  rig.clock.advance(days(60));
  rig.restart();
  EXPECT_EQ(period_text(rig.seal(5, 3)), "2024");
  EXPECT_EQ(period_text(rig.seal(5, 2)), "2024-01");
  EXPECT_EQ(rig.seal(5, 9), undated_version) << "of a class without a definition";
  for (const std::uint32_t version : {undated_version, now}) EXPECT_TRUE(rig.opens(5, 3, version));
}

TEST(KeepingTables, forgetting_keeps_what_must_be_kept_and_says_until_when) {
  Alone rig;
  rig.change({row_of(tax())});
  const std::uint32_t kept = rig.seal(5, 3);
  rig.seal(5, 1);
  rig.seal(6, 1);
  const ForgetPlan plan = rig.table->plan(5);
  EXPECT_EQ(plan.now, (std::vector<KeyName>{{1, 1}}));
  ASSERT_EQ(plan.kept.size(), 1U);
  EXPECT_EQ(plan.kept[0].key, (KeyName{3, kept}));
  EXPECT_EQ(to_text(*plan.kept[0].until), "2031-01-01");
  const auto erased = rig.table->change({wish_row(5, rig.table->today()), gone_row(5, {1, 1})});
  ASSERT_TRUE(erased.has_value());
  EXPECT_EQ(erased->keys_destroyed, 1U) << "K_commit serves the key that is kept";
  EXPECT_EQ(erased->epoch, 1U);
  for (int round = 0; round < 2; ++round, rig.restart()) {
    EXPECT_FALSE(rig.opens(5, 1, 1));
    EXPECT_TRUE(rig.table->is_erased(5, {1, 1}));
    EXPECT_FALSE(rig.table->is_erased(5, {3, kept}));
    EXPECT_FALSE(rig.table->is_erased(6, {1, 1}));
    EXPECT_TRUE(rig.opens(5, 3, kept));
    EXPECT_TRUE(rig.opens(6, 1, 1));
    EXPECT_EQ(rig.table->for_sealing(5, 3).error().code, Code::failed_precondition);
    EXPECT_FALSE(rig.table->is_forgotten(5));
    EXPECT_TRUE(rig.table->due(10).is_empty());
  }
  rig.clock.advance(days(8 * 366));
  EXPECT_EQ(rig.table->due(10).subjects, std::vector<u128>{5});
  EXPECT_EQ(rig.table->plan(5).now, (std::vector<KeyName>{{3, kept}}));
  EXPECT_TRUE(rig.table->plan(5).kept.empty());
  rig.change({forgotten_mark(5)});
  EXPECT_TRUE(rig.table->is_forgotten(5));
  EXPECT_EQ(rig.table->rows(), 2U);
  EXPECT_TRUE(rig.table->due(10).is_empty());
}

TEST(KeepingTables, nothing_that_is_held_goes_in_any_way) {
  Alone rig;
  rig.change({row_of(logs()), row_of(hold(1, 5, {2}))});
  const std::uint32_t version = rig.seal(5, 2);
  rig.seal(6, 2);
  rig.seal(5, 1);
  rig.clock.advance(days(200));
  EXPECT_EQ(rig.table->plan(5).kept[0].hold, u128{1});
  const DueKeys due = rig.table->due(10);
  ASSERT_EQ(due.classes.size(), 1U);
  EXPECT_EQ(due.classes[0].keys, 2U) << "those of 6, with its K_commit";
  for (const KeyRow& row :
       {forgotten_mark(5), gone_row(5, {2, version}), expired_row(2, due.classes[0].through)}) {
    rig.change({row});
    rig.restart();
    EXPECT_TRUE(rig.opens(5, 2, version));
    EXPECT_FALSE(rig.table->is_forgotten(5));
  }
  EXPECT_FALSE(rig.opens(6, 2, version));
  EXPECT_TRUE(rig.table->is_erased(6, {2, version}));
  EXPECT_TRUE(rig.table->due(10).is_empty());
  rig.change({release_row(5, 1)});
  ASSERT_EQ(rig.table->due(10).classes.size(), 1U) << "its time was up meanwhile";
  rig.change({expired_row(2, due.classes[0].through)});
  EXPECT_FALSE(rig.opens(5, 2, version));
  EXPECT_TRUE(rig.opens(5, 1, 1));
}

/// What the words say, without a thought for cost: key names by subject.
struct Model {
  std::map<u128, std::set<KeyName>> keys;
  std::map<u128, std::map<u128, Hold>> holds;
  std::set<u128> forgotten, wishes;
  std::map<u128, std::set<KeyName>> erased;

  bool is_held(u128 subject, std::uint8_t retention) const {
    const auto found = holds.find(subject);
    if (found == holds.end()) return false;
    for (const auto& [id, one] : found->second)
      if (one.covers(retention)) return true;
    return false;
  }
  void take(u128 subject, const KeyName& key) {
    if (is_held(subject, key.retention) || keys[subject].erase(key) == 0) return;
    erased[subject].insert(key);
  }
  void forget(u128 subject) {
    for (const KeyName& key : keys[subject])
      if (is_held(subject, key.retention)) return;
    for (const KeyName& key : std::set<KeyName>(keys[subject])) take(subject, key);
    forgotten.insert(subject);
    wishes.erase(subject);
  }
  /// Of the class that is by month.
  void expire(std::uint32_t through) {
    for (const auto& [subject, names] : std::map<u128, std::set<KeyName>>(keys))
      for (const KeyName& key : names)
        if (key.retention == 2 && key.version <= through) take(subject, key);
  }
};

/// A table that several keep alike, and the records that it folds in. It turns a row at a time.
struct Shared : KeyRig {
  struct Record {
    KeyRow row{};
    std::uint32_t turn = 0;
    u128 check = 0;
  };
  std::unique_ptr<CellKeyTable> table;
  std::vector<Record> log;

  explicit Shared(bool is_at_once) : is_at_once_(is_at_once) {
    create();
    start();
  }
  void start() {
    const TurnPace pace{is_at_once_ ? 4'096U : 0U, 1};
    table = *CellKeyTable::open(context(), *keys, clock, pace);
    table->set_complete(true);
    for (std::uint64_t at = table->place().records; at < log.size(); ++at) fold(at);
  }
  void restart() {
    ASSERT_TRUE(table->folded(log.size()));
    table.reset();
    keys = *KeyRig::open();
    start();
  }
  void record(const Record& record) {
    log.push_back(record);
    fold(log.size() - 1);
  }
  void turn() {
    while (table->is_turning()) turn_on();
    record({{}, table->place().turns + 1, *table->offer()});
  }
  void turn_on() {
    if (!table->is_turning()) return;
    ASSERT_TRUE(table->turn_on(log.size()));
  }

 private:
  void fold(std::uint64_t at) {
    const Record& one = log[at];
    if (one.turn != 0) {
      while (table->is_turning()) ASSERT_TRUE(table->turn_on(at));
      ASSERT_TRUE(*table->turn(one.turn, one.check, at));
    } else if (one.row.kind == RowKind::key && one.row.retention != forgotten_row) {
      ASSERT_TRUE(table->add(one.row, at));
    } else {
      table->change(one.row);
    }
  }
  bool is_at_once_;
};

TEST(KeepingTables, random_histories_agree_with_a_model_on_both_tables) {
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    sim::Random random(seed);
    Alone alone;
    Shared rig(seed % 2 == 0);
    std::unique_ptr<CellKeyTable>& shared = rig.table;
    rig.turn();
    shared->make_in(1);
    Model model;
    const auto change = [&](const KeyRow& row) {
      alone.change({row});
      rig.record({row});
    };
    change(row_of(tax())), change(row_of(logs()));
    for (int step = 0; step < 150; ++step) {
      const u128 subject = 1 + random.below(5);
      const auto retention = static_cast<std::uint8_t>(1 + random.below(3));
      const u128 id = 1 + random.below(3);
      switch (random.below(12)) {
        case 0: {
          const Hold one = hold(id, subject, {retention, 1 + static_cast<int>(random.below(3))});
          change(row_of(one));
          model.holds[subject][id] = one;
          break;
        }
        case 1:
          change(release_row(subject, id));
          model.holds[subject].erase(id);
          break;
        case 2:
          change(wish_row(subject, alone.table->today()));
          if (!model.forgotten.contains(subject)) model.wishes.insert(subject);
          break;
        case 3:
          change(forgotten_mark(subject));
          if (!model.forgotten.contains(subject)) model.forget(subject);
          break;
        case 4: {
          if (model.keys[subject].empty()) break;
          const KeyName key = *model.keys[subject].begin();
          if (!model.wishes.contains(subject)) break;  // as a door would
          change(gone_row(subject, key));
          model.take(subject, key);
          break;
        }
        case 5: {
          const auto due = alone.table->due(100);
          const auto same = shared->due(100);
          ASSERT_EQ(due.subjects, same.subjects);
          ASSERT_EQ(due.classes.size(), same.classes.size());
          for (const auto& expired : due.classes) {
            ASSERT_EQ(expired.retention, 2);
            change(expired_row(2, expired.through));
            model.expire(expired.through);
          }
          break;
        }
        case 6: {
          const io::Duration time = days(static_cast<std::int64_t>(random.below(40)));
          alone.clock.advance(time), rig.clock.advance(time);
          break;
        }
        case 7:
          alone.disk = alone.disk->crash(random.next());
          alone.restart();
          break;
        case 8: rig.turn(); break;
        case 9:
          rig.restart();
          shared->make_in(step + 10);
          break;
        default: {
          auto made = alone.table->for_sealing(subject, retention);
          const bool refused = model.forgotten.contains(subject) || model.wishes.contains(subject);
          ASSERT_EQ(made.has_value(), !refused);
          if (refused) {
            ASSERT_EQ(shared->for_sealing(subject, retention).error().code,
                      Code::failed_precondition);
            break;
          }
          model.keys[subject].insert({retention, made->seal_version});
          ASSERT_TRUE(alone.table->sync());
          ASSERT_EQ(shared->for_sealing(subject, retention)->seal_version, made->seal_version);
          for (const KeyRow& row : shared->take_unfolded()) rig.record({row});
        }
      }
      if (random.below(2) == 0) rig.turn_on();
      std::size_t rows = 0;
      for (u128 who = 1; who <= 5; ++who) {
        for (SubjectKeyring* table : {static_cast<SubjectKeyring*>(alone.table.get()),
                                      static_cast<SubjectKeyring*>(shared.get())}) {
          const SubjectState state = table->state(who);
          const std::set<KeyName> keys(state.keys.begin(), state.keys.end());
          ASSERT_EQ(keys, model.keys[who]) << "seed " << seed << " step " << step;
          ASSERT_EQ(state.is_forgotten, model.forgotten.contains(who));
          ASSERT_EQ(state.wish.has_value(), model.wishes.contains(who));
          for (const KeyName& key : model.erased[who])
            ASSERT_TRUE(table->is_erased(who, key)) << "seed " << seed << " step " << step;
          for (const KeyName& key : model.keys[who])
            ASSERT_TRUE(table->for_opening(who, key.retention, key.version));
        }
        if (!model.keys[who].empty()) rows += model.keys[who].size() + 1;
      }
      ASSERT_EQ(alone.table->rows(), rows);
      ASSERT_EQ(shared->rows(), rows);
    }
  }
}

TEST(KeepingTables, a_copy_brings_classes_holds_and_wishes_along) {
  KeyRig from, to;
  from.create();
  Buffer passed_over(100);
  to.entropy.fill(passed_over);
  to.create();
  auto table = *CellKeyTable::open(from.context(), *from.keys, from.clock);
  auto other = *CellKeyTable::open(to.context(), *to.keys, to.clock);
  ASSERT_TRUE(*table->turn(1, *table->offer(), 1));
  table->make_in(1);
  table->change(row_of(tax()));
  ASSERT_TRUE(table->for_sealing(5, 3));
  ASSERT_TRUE(table->for_sealing(5, 1));
  for (const KeyRow& row : table->take_unfolded()) ASSERT_TRUE(table->add(row, 0));
  table->change(row_of(hold(9, 5, {3})));
  table->change(wish_row(5, Day{19'700}));
  table->change(gone_row(5, {1, 1}));
  const auto copy = table->copy();
  ASSERT_TRUE(other->take(crypto::Secret(*table->kek(copy.check))));
  ASSERT_TRUE(other->install(copy));
  other->set_complete(true);
  const SubjectState state = other->state(5), same = table->state(5);
  EXPECT_EQ(state.keys, same.keys);
  EXPECT_EQ(state.holds, same.holds);
  EXPECT_EQ(state.wish, same.wish);
  EXPECT_TRUE(other->is_erased(5, {1, 1}));
  EXPECT_EQ(*other->keeping().find(3), tax());
}

TEST(KeepingTables, golden_bytes_are_what_rows_are_written_as_and_read_from) {
  RetentionClass medical = tax(7);
  medical.residency = 1;
  const std::vector<KeyRow> rows{row_of(logs()),
                                 row_of(tax()),
                                 row_of(hold(9, 5, {3})),
                                 release_row(5, 9),
                                 wish_row(5, Day{19'700}),
                                 gone_row(5, {1, 1}),
                                 expired_row(2, 13 * 2024 + 1),
                                 jurisdiction_row(1, "eu", "eu-west"),
                                 residency_key_row(1, 0, 77),
                                 row_of(medical),
                                 residency_turn_row(1, 1),
                                 residency_key_row(1, 1, 78)};
  const Buffer golden = golden_bytes("keeping-rows.hex");
  ASSERT_FALSE(golden.empty());
  EXPECT_EQ(encode_rows(rows, 1), golden);
  const auto read = decode_rows(rows_tag, golden);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->rows, rows);
  EXPECT_EQ(class_in(rows[0]), logs());
  EXPECT_EQ(hold_in(rows[2]), hold(9, 5, {3}));
  EXPECT_EQ(class_in(rows[9]), medical);
  // One encoding: no bit of padding may be set.
  for (const std::size_t at : {8 + 18, 8 + 19, 8 + 17, 8 + 2 * 104 + 16, 8 + 4 * 104 + 30,
                               8 + 7 * 104 + 20, 8 + 8 * 104 + 90, 8 + 9 * 104 + 22,
                               8 + 8 * 104 + 21, 8 + 10 * 104 + 21, 8 + 10 * 104 + 40}) {
    Buffer changed = golden;
    changed[at] ^= 0x40;
    EXPECT_FALSE(decode_rows(rows_tag, changed).has_value()) << at;
  }
}

TEST(KeepingTables, after_a_crash_anywhere_a_change_is_whole_or_was_not_begun) {
  const auto history = [](Alone& rig) {
    return rig.table->change(
        {wish_row(5, Day{19'700}), gone_row(5, {1, 1}), row_of(hold(9, 6, {1}))});
  };
  const auto prepare = [](Alone& rig) {
    rig.change({row_of(tax())});
    rig.seal(5, 3), rig.seal(5, 1), rig.seal(6, 1);
  };
  Alone whole;
  prepare(whole);
  const std::uint64_t begin = whole.disk->mutation_count();
  ASSERT_TRUE(history(whole));
  const std::uint64_t end = whole.disk->mutation_count();
  int done = 0, untouched = 0;
  for (std::uint64_t point = begin + 1; point <= end; ++point)
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      SCOPED_TRACE(testing::Message() << "point " << point << " seed " << seed);
      Alone rig;
      prepare(rig);
      rig.disk->crash_at_mutation(point);
      static_cast<void>(history(rig));
      rig.table.reset();
      rig.disk = rig.disk->crash(seed);
      rig.restart();
      const bool is_done = rig.table->state(5).wish.has_value();
      ++(is_done ? done : untouched);
      EXPECT_EQ(rig.opens(5, 1, 1), !is_done);
      EXPECT_EQ(rig.table->is_erased(5, {1, 1}), is_done);
      EXPECT_EQ(rig.table->state(6).holds.size(), is_done ? 1U : 0U);
      EXPECT_EQ(rig.table->state(5).keys.size(), is_done ? 1U : 2U);
      EXPECT_TRUE(rig.opens(6, 1, 1));
      ASSERT_TRUE(history(rig)) << "and it can be done now, again or at last";
      EXPECT_FALSE(rig.opens(5, 1, 1));
    }
  EXPECT_GT(done, 8);
  EXPECT_GT(untouched, 8);
}

}  // namespace
}  // namespace meridian::storage
