#include "storage/cell_key_table.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "sim/random.h"
#include "storage/internal/key_rig.h"

namespace meridian::storage {
namespace {

/// One replica's key store and table.
struct Replica {
  KeyRig rig;
  std::unique_ptr<CellKeyTable> table;

  explicit Replica(std::uint64_t seed) {
    Buffer passed_over(seed * 1'000);  // so that no two make the same keys
    rig.entropy.fill(passed_over);
    rig.create();
    reopen();
  }
  void reopen() {
    table.reset();
    rig.keys = *rig.open();
    auto opened = CellKeyTable::open(rig.context(), *rig.keys, rig.clock);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    table = *std::move(opened);
    table->set_complete(true);
  }
  void learn(const Replica& other, u128 check) {
    ASSERT_TRUE(table->take(crypto::Secret(*other.table->kek(check))).has_value());
  }
  std::pair<Buffer, Buffer> seal(u128 subject, std::uint8_t retention = 3) {
    auto got = table->for_sealing(subject, retention);
    EXPECT_TRUE(got.has_value()) << got.error().message;
    return got ? std::pair(to_buffer(got->seal), to_buffer(got->commit))
               : std::pair<Buffer, Buffer>();
  }
  std::optional<std::pair<Buffer, Buffer>> open(u128 subject, std::uint8_t retention = 3) {
    auto got = table->for_opening(subject, retention, 1);
    if (!got) return std::nullopt;
    return std::pair(to_buffer(got->seal), to_buffer(got->commit));
  }
  std::size_t keks() {
    std::size_t count = 0;
    for (const auto& key : rig.keys->list()) count += key.name == "epoch" ? 1 : 0;
    return count;
  }
};

struct CellKeyTableTest : testing::Test {
  Replica leader{1}, follower{2};

  void turn(std::uint32_t number) {
    const u128 check = *leader.table->offer();
    follower.learn(leader, check);
    EXPECT_TRUE(*leader.table->turn(number, check, number));
    EXPECT_TRUE(*follower.table->turn(number, check, number));
  }
  void start_making() {
    turn(1);
    leader.table->make_in(7);
  }
  void fold_everywhere() {
    for (const KeyRow& row : leader.table->take_unfolded())
      for (Replica* one : {&leader, &follower}) ASSERT_TRUE(one->table->add(row, 0).has_value());
  }
};

TEST_F(CellKeyTableTest, what_one_replica_sealed_another_opens) {
  start_making();
  const auto keys = leader.seal(5);
  fold_everywhere();
  EXPECT_EQ(follower.open(5), keys);
  EXPECT_NE(leader.seal(6), keys);
}

TEST_F(CellKeyTableTest, a_row_goes_with_every_request_until_it_is_folded_in) {
  start_making();
  leader.seal(5);
  leader.seal(5);
  EXPECT_EQ(leader.table->take_unfolded().size(), 2u);  // sealing key and K_commit
  EXPECT_EQ(leader.table->take_unfolded().size(), 0u);
  leader.seal(5);
  const std::vector<KeyRow> again = leader.table->take_unfolded();
  EXPECT_EQ(again.size(), 2u);
  for (const KeyRow& row : again) EXPECT_TRUE(leader.table->add(row, 0).has_value());
  leader.seal(5);
  EXPECT_EQ(leader.table->take_unfolded().size(), 0u);
  for (const KeyRow& row : again) EXPECT_TRUE(leader.table->add(row, 0).has_value()) << "twice";
}

TEST_F(CellKeyTableTest, no_row_is_made_without_a_term_before_the_first_turn_or_during_one) {
  leader.table->make_in(7);
  EXPECT_EQ(leader.table->for_sealing(5, 3).error().code, Code::unavailable);
  turn(1);
  EXPECT_TRUE(leader.table->for_sealing(5, 3).has_value());
  leader.table->hold(true);
  EXPECT_EQ(leader.table->for_sealing(5, 3).error().code, Code::unavailable) << "not folded in";
  leader.table->hold(false);
  leader.seal(5);
  fold_everywhere();
  leader.table->hold(true);
  EXPECT_TRUE(leader.table->for_sealing(5, 3).has_value()) << "its row is in the log";
  EXPECT_EQ(leader.table->for_sealing(5, 4).error().code, Code::unavailable);
  EXPECT_TRUE(follower.table->for_sealing(5, 3).has_value());
  EXPECT_EQ(follower.table->for_sealing(6, 3).error().code, Code::unavailable);
}

TEST_F(CellKeyTableTest, what_was_made_in_another_term_is_gone) {
  start_making();
  const auto keys = leader.seal(5);
  leader.table->make_in(8);
  EXPECT_FALSE(leader.open(5));
  EXPECT_EQ(leader.table->rows(), 0u);
  EXPECT_NE(leader.seal(5), keys);
}

TEST_F(CellKeyTableTest, another_key_under_the_same_name_is_damage) {
  start_making();
  leader.seal(5);
  const std::vector<KeyRow> rows = leader.table->take_unfolded();
  for (const KeyRow& row : rows) ASSERT_TRUE(follower.table->add(row, 0).has_value());
  leader.table->make_in(8);
  leader.seal(5);
  const Status added = follower.table->add(leader.table->take_unfolded().back(), 0);
  ASSERT_FALSE(added.has_value());
  EXPECT_EQ(added.error().code, Code::data_loss);
}

TEST_F(CellKeyTableTest, a_row_that_does_not_open_is_refused) {
  start_making();
  leader.seal(5);
  KeyRow row = leader.table->take_unfolded().front();
  row.commit[7] ^= 1;
  EXPECT_EQ(follower.table->add(row, 0).error().code, Code::data_loss);
  EXPECT_EQ(follower.table->rows(), 0u);
}

TEST_F(CellKeyTableTest, who_lacks_the_key_of_a_turn_makes_it_later) {
  start_making();
  const auto keys = leader.seal(5);
  fold_everywhere();
  const u128 check = *leader.table->offer();
  EXPECT_TRUE(*leader.table->turn(2, check, 2));
  EXPECT_FALSE(*follower.table->turn(2, check, 2));
  EXPECT_EQ(follower.open(5), keys);
  follower.learn(leader, check);
  EXPECT_TRUE(*follower.table->turn(2, check, 2));
  EXPECT_EQ(follower.open(5), keys);
  EXPECT_EQ(follower.table->place().turns, 2u);
  EXPECT_TRUE(*follower.table->turn(2, check, 2)) << "made already";
  EXPECT_EQ(leader.keks(), 1u);
}

TEST_F(CellKeyTableTest, a_turn_that_was_made_takes_every_older_key_with_it) {
  start_making();
  leader.seal(5);
  leader.seal(6);
  fold_everywhere();
  for (Replica* one : {&leader, &follower}) ASSERT_TRUE(one->table->folded(10).has_value());
  const Buffer old_table = follower.rig.read("keys/table");
  for (Replica* one : {&leader, &follower}) one->table->erase(5);
  EXPECT_FALSE(follower.open(5));
  turn(2);
  EXPECT_TRUE(follower.open(6));
  EXPECT_TRUE(follower.table->is_forgotten(5));
  EXPECT_EQ(follower.keks(), 1u);
  follower.reopen();
  EXPECT_FALSE(follower.open(5));
  EXPECT_TRUE(follower.open(6));
  follower.rig.put("keys/table", old_table);
  EXPECT_EQ(CellKeyTable::open(follower.rig.context(), *follower.rig.keys, follower.rig.clock)
                .error()
                .code,
            Code::failed_precondition);
}

TEST_F(CellKeyTableTest, a_subject_that_is_being_forgotten_gets_no_more_sealed) {
  start_making();
  leader.seal(5);
  leader.table->refuse_subject(5);
  EXPECT_EQ(leader.table->for_sealing(5, 3).error().code, Code::failed_precondition);
  leader.table->release_subjects();  // it came to nothing
  EXPECT_TRUE(leader.table->for_sealing(5, 3).has_value());
}

TEST_F(CellKeyTableTest, a_copy_is_what_it_was_made_of_and_opens_under_its_key_alone) {
  start_making();
  const auto keys = leader.seal(5);
  leader.seal(6);
  fold_everywhere();
  leader.table->erase(6);
  ASSERT_TRUE(leader.table->folded(42).has_value());
  leader.seal(7);  // not folded in: no part of it
  const CellKeyTable::Copy copy = leader.table->copy();

  Replica joiner{3};
  EXPECT_EQ(joiner.table->install(copy).error().code, Code::failed_precondition);
  joiner.learn(leader, copy.check);
  CellKeyTable::Copy damaged = copy;
  damaged.parts.back()[60] ^= 1;
  EXPECT_EQ(joiner.table->install(damaged).error().code, Code::data_loss);
  ASSERT_TRUE(joiner.table->install(copy).has_value());
  for (int life = 0; life < 2; ++life) {
    EXPECT_EQ(joiner.open(5), keys);
    EXPECT_TRUE(joiner.table->is_forgotten(6));
    EXPECT_FALSE(joiner.open(7));
    EXPECT_EQ(joiner.table->place(), (KeyPlace{42, 1}));
    EXPECT_EQ(joiner.table->check(), leader.table->check());
    joiner.reopen();
  }
}

/// A random life of two replicas against a map; each restarts now and then and folds again from
/// where its disk says.
TEST(CellKeyTable, two_replicas_fold_the_same_records_to_the_same_keys) {
  sim::Random random(11);
  Replica leader{1}, follower{2};
  struct Record {
    KeyRow row;
    u128 erased = 0;
    std::uint32_t turn = 0;
    u128 check = 0;
  };
  std::vector<Record> log;
  std::map<u128, std::pair<Buffer, Buffer>> keys;
  std::set<u128> forgotten;
  const auto fold = [&](Replica& one) {
    for (std::uint64_t at = one.table->place().records; at < log.size(); ++at) {
      const Record& record = log[at];
      if (record.turn != 0) {
        ASSERT_TRUE(*one.table->turn(record.turn, record.check, at));
      } else if (record.erased != 0) {
        one.table->erase(record.erased);
      } else {
        ASSERT_TRUE(one.table->add(record.row, 0).has_value());
      }
      if (random.below(3) == 0) {
        ASSERT_TRUE(one.table->folded(at + 1).has_value());
      }
    }
    ASSERT_TRUE(one.table->folded(log.size()).has_value());
  };
  const auto turn = [&] {
    const u128 check = *leader.table->offer();
    follower.learn(leader, check);
    log.push_back({{}, 0, leader.table->place().turns + 1, check});
    fold(leader);
    fold(follower);
  };
  turn();
  leader.table->make_in(1);
  for (int step = 0; step < 400; ++step) {
    const u128 subject = 1 + random.below(40);
    const std::uint64_t choice = random.below(10);
    if (choice < 6) {
      const auto got = leader.table->for_sealing(subject, 3);
      if (forgotten.contains(subject)) {
        ASSERT_FALSE(got.has_value());
        continue;
      }
      keys[subject] = {to_buffer(got->seal), to_buffer(got->commit)};
      for (const KeyRow& row : leader.table->take_unfolded()) log.push_back({row, 0, 0, 0});
    } else if (choice < 7) {
      forgotten.insert(subject);
      keys.erase(subject);
      log.push_back({{}, subject, 0, 0});
      turn();
    } else if (choice < 8) {
      follower.reopen();
    } else if (choice < 9) {
      fold(leader);
      leader.reopen();
      leader.table->make_in(1);
    }
    fold(leader);
    fold(follower);
  }
  for (u128 subject = 1; subject <= 40; ++subject)
    for (Replica* one : {&leader, &follower}) {
      EXPECT_EQ(one->open(subject).has_value(), keys.contains(subject));
      EXPECT_EQ(one->table->is_forgotten(subject), forgotten.contains(subject));
      if (keys.contains(subject)) {
        EXPECT_EQ(*one->open(subject), keys[subject]);
      }
    }
}

TEST_F(CellKeyTableTest, a_row_that_may_still_come_is_not_said_to_be_gone) {
  start_making();
  follower.table->set_complete(false);
  EXPECT_EQ(follower.table->for_opening(5, 3, 1).error().code, Code::unavailable);
  follower.table->erase(6);
  EXPECT_EQ(follower.table->for_opening(6, 3, 1).error().code, Code::not_found);
  const auto keys = leader.seal(5);
  fold_everywhere();
  EXPECT_EQ(follower.open(5), keys);
  follower.table->set_complete(true);
  EXPECT_EQ(follower.table->for_opening(7, 3, 1).error().code, Code::not_found);
}

}  // namespace
}  // namespace meridian::storage
