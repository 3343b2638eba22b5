#include "storage/key_table.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "sim/random.h"
#include "storage/internal/key_rig.h"

namespace meridian::storage {
namespace {

using Sealing = std::map<std::pair<std::uint64_t, int>, std::pair<Buffer, Buffer>>;

struct TableRig : KeyRig {
  std::unique_ptr<KeyTable> table;

  TableRig() { create(); }
  Result<std::unique_ptr<KeyTable>> open_table() { return KeyTable::open(context(), *keys, clock); }
  void start() {
    auto opened = open_table();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    table = *std::move(opened);
  }
  /// As a restart does: both from disk.
  void restart() {
    table.reset();
    auto opened = KeyRig::open();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    keys = *std::move(opened);
    start();
  }
  std::pair<Buffer, Buffer> seal(std::uint64_t subject, std::uint8_t retention) {
    auto got = table->for_sealing(subject, retention);
    EXPECT_TRUE(got.has_value()) << got.error().message;
    return got ? std::pair(to_buffer(got->seal), to_buffer(got->commit))
               : std::pair<Buffer, Buffer>();
  }
  std::optional<std::pair<Buffer, Buffer>> opening(std::uint64_t subject, std::uint8_t retention) {
    auto got = table->for_opening(subject, retention, 1);
    if (!got) {
      EXPECT_EQ(got.error().code, Code::not_found) << got.error().message;
      return std::nullopt;
    }
    return std::pair(to_buffer(got->seal), to_buffer(got->commit));
  }
  std::set<std::uint32_t> epochs() {
    std::set<std::uint32_t> epochs;
    for (const auto& key : keys->list())
      if (key.name == "epoch") epochs.insert(static_cast<std::uint32_t>(key.version));
    return epochs;
  }
};

TEST(KeyTable, keys_are_made_once_and_come_back_after_a_restart) {
  TableRig rig;
  rig.start();
  auto first = rig.seal(5, 1), second = rig.seal(5, 2), other = rig.seal(6, 1);
  EXPECT_NE(first.first, second.first);
  EXPECT_EQ(first.second, second.second) << "one commitment key per subject";
  EXPECT_NE(first.second, other.second);
  EXPECT_EQ(rig.seal(5, 1), first);
  EXPECT_EQ(rig.table->rows(), 5U);
  ASSERT_TRUE(rig.table->sync().has_value());
  rig.restart();
  EXPECT_EQ(rig.opening(5, 1), first);
  EXPECT_EQ(rig.seal(5, 2), second);
  EXPECT_EQ(rig.seal(6, 1), other);
  EXPECT_EQ(rig.table->rows(), 5U);
  EXPECT_EQ(rig.table->classes(5), (std::vector<std::uint8_t>{1, 2}));
  EXPECT_TRUE(rig.table->classes(7).empty());
  EXPECT_EQ(rig.table->dropped_bytes(), 0U);
  EXPECT_EQ(rig.opening(5, 3), std::nullopt);
  EXPECT_EQ(rig.opening(7, 1), std::nullopt);
  EXPECT_EQ(rig.opening(5, commit_row), std::nullopt);
  EXPECT_EQ(rig.table->for_opening(5, 1, 2).error().code, Code::not_found);
  EXPECT_EQ(rig.table->for_sealing(5, 254).error().code, Code::invalid_argument);
  EXPECT_EQ(rig.table->for_sealing(5, 255).error().code, Code::invalid_argument);
}

TEST(KeyTable, cached_keys_are_dropped_after_a_minute_and_still_the_same) {
  TableRig rig;
  rig.start();
  auto made = rig.seal(5, 1);
  for (int round = 0; round < 5; ++round) {
    rig.clock.advance(io::seconds(61));
    EXPECT_EQ(rig.opening(5, 1), made);
  }
}

TEST(KeyTable, more_subjects_than_the_cache_holds_keep_their_keys) {
  TableRig rig;
  rig.start();
  constexpr std::uint64_t count = KeyTable::cache_max + 500;
  std::map<std::uint64_t, std::pair<Buffer, Buffer>> some;
  for (std::uint64_t subject = 0; subject < count; ++subject) {
    auto made = rig.table->for_sealing(subject, 1);
    ASSERT_TRUE(made.has_value());
    if (subject % 997 == 0) some[subject] = {to_buffer(made->seal), to_buffer(made->commit)};
  }
  ASSERT_TRUE(rig.table->sync().has_value()) << "more rows than one frame carries";
  for (const auto& [subject, keys] : some) EXPECT_EQ(rig.opening(subject, 1), keys);
  rig.restart();
  EXPECT_EQ(rig.table->rows(), 2 * count);
  for (const auto& [subject, keys] : some) EXPECT_EQ(rig.opening(subject, 1), keys);
}

TEST(KeyTable, an_erased_subject_is_gone_for_good_and_the_others_stay) {
  TableRig rig;
  rig.start();
  rig.seal(5, 1), rig.seal(5, 2);
  auto stays = rig.seal(6, 1);
  auto erased = rig.table->erase(5);  // rows were not even synced
  ASSERT_TRUE(erased.has_value()) << erased.error().message;
  EXPECT_EQ(erased->keys_destroyed, 3U);
  EXPECT_EQ(erased->epoch, 1U);
  for (int round = 0; round < 2; ++round, rig.restart()) {
    EXPECT_EQ(rig.table->epoch(), 2U);
    EXPECT_EQ(rig.table->rows(), 2U);
    EXPECT_TRUE(rig.table->is_forgotten(5));
    EXPECT_FALSE(rig.table->is_forgotten(6));
    EXPECT_EQ(rig.opening(5, 1), std::nullopt);
    EXPECT_EQ(rig.table->for_sealing(5, 1).error().code, Code::failed_precondition);
    EXPECT_EQ(rig.opening(6, 1), stays);
    EXPECT_EQ(rig.epochs(), std::set<std::uint32_t>{2});
    auto again = rig.table->erase(5);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->keys_destroyed, 0U);
  }
}

TEST(KeyTable, a_subject_without_keys_is_marked_durably_without_a_new_epoch) {
  TableRig rig;
  rig.start();
  auto erased = rig.table->erase(9);
  ASSERT_TRUE(erased.has_value());
  EXPECT_EQ(erased->keys_destroyed, 0U);
  EXPECT_EQ(erased->epoch, 0U);
  rig.disk = rig.disk->crash(1);
  rig.restart();
  EXPECT_TRUE(rig.table->is_forgotten(9));
  EXPECT_EQ(rig.table->epoch(), 1U);
  EXPECT_EQ(rig.table->rows(), 0U);
}

TEST(KeyTable, a_turn_keeps_everybody_and_old_copies_open_nowhere) {
  TableRig rig;
  rig.start();
  const auto five = rig.seal(5, 1);
  ASSERT_TRUE(rig.table->sync().has_value());
  const Buffer old_table = rig.read("keys/table");
  const auto six = rig.seal(6, 1);  // not durable yet
  ASSERT_TRUE(rig.table->turn().has_value());
  EXPECT_EQ(rig.table->epoch(), 2U);
  EXPECT_EQ(rig.epochs(), (std::set<std::uint32_t>{2}));
  EXPECT_EQ(rig.opening(5, 1), five);
  rig.disk = rig.disk->crash(1);
  rig.restart();
  EXPECT_EQ(rig.opening(5, 1), five);
  EXPECT_EQ(rig.opening(6, 1), six);
  rig.put("keys/table", old_table);
  EXPECT_EQ(rig.open_table().error().code, Code::failed_precondition);
}

TEST(KeyTable, after_an_erasure_old_copies_open_nowhere_and_no_file_holds_the_old_kek) {
  TableRig rig;
  rig.start();
  rig.seal(5, 1), rig.seal(6, 1);
  ASSERT_TRUE(rig.table->sync().has_value());
  Buffer old_table = rig.read("keys/table");
  Buffer old_kek = to_buffer(rig.keys->get("epoch", KeyVersion{1})->secret);
  ASSERT_TRUE(rig.table->erase(5).has_value());
  for (const auto& key : rig.keys->list())
    EXPECT_FALSE(equal(rig.keys->get(key.name, key.version)->secret, old_kek));
  std::vector<std::string> names = *rig.disk->list("keys");
  for (const std::string& name : names) EXPECT_TRUE(name == "store" || name == "table") << name;
  rig.table.reset();
  rig.put("keys/table", old_table);
  EXPECT_EQ(rig.open_table().error().code, Code::failed_precondition);
}

TEST(KeyTable, random_histories_agree_with_a_model) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    sim::Random random(seed);
    TableRig rig;
    rig.start();
    Sealing durable, live;
    std::set<std::uint64_t> forgotten;
    for (int step = 0; step < 150; ++step) {
      std::uint64_t subject = random.below(12);
      auto retention = static_cast<std::uint8_t>(random.below(3));
      switch (random.below(12)) {
        case 0: {
          ASSERT_TRUE(rig.table->erase(subject).has_value());
          forgotten.insert(subject);
          std::erase_if(live, [&](const auto& row) { return row.first.first == subject; });
          durable = live;
          break;
        }
        case 1:
          ASSERT_TRUE(rig.table->sync().has_value());
          durable = live;
          break;
        case 2:
          ASSERT_TRUE(rig.table->sync().has_value());
          durable = live;
          rig.disk = rig.disk->crash(random.next());
          rig.restart();
          break;
        case 3: rig.clock.advance(io::seconds(40)); break;
        default: {
          if (forgotten.contains(subject)) {
            ASSERT_EQ(rig.table->for_sealing(subject, retention).error().code,
                      Code::failed_precondition);
            break;
          }
          auto made = rig.seal(subject, retention);
          auto [known, is_new] = live.emplace(std::pair(subject, int{retention}), made);
          ASSERT_EQ(known->second, made);
        }
      }
      for (const auto& [id, keys] : live)
        ASSERT_EQ(rig.opening(id.first, static_cast<std::uint8_t>(id.second)), keys);
      for (std::uint64_t gone : forgotten) ASSERT_EQ(rig.opening(gone, retention), std::nullopt);
    }
  }
}

// Seals, syncs, erases and seals again; crashes at every mutation, loses the page cache in several
// ways (and also after a kill -9 and a restart that saw what was not durable).
TEST(KeyTable, after_a_crash_anywhere_nothing_durable_is_lost_and_nothing_erased_is_back) {
  struct Done {
    std::optional<std::pair<Buffer, Buffer>> five, six, seven;
    bool erasing = false, erased = false;
  };
  auto history = [](TableRig& rig, Done& done) {
    auto opened = rig.open_table();
    if (!opened) return;
    KeyTable& table = **opened;
    auto seal = [&](std::uint64_t subject) -> std::optional<std::pair<Buffer, Buffer>> {
      auto made = table.for_sealing(subject, 1);
      if (!made) return std::nullopt;
      auto keys = std::pair(to_buffer(made->seal), to_buffer(made->commit));
      if (!table.sync()) return std::nullopt;
      return keys;
    };
    if (!(done.five = seal(5)) || !(done.six = seal(6))) return;
    done.erasing = true;
    if (!table.erase(5)) return;
    done.erased = true;
    done.seven = seal(7);
  };
  TableRig whole;
  std::uint64_t begin = whole.disk->mutation_count();
  Done all;
  history(whole, all);
  ASSERT_TRUE(all.seven.has_value());
  std::uint64_t end = whole.disk->mutation_count();
  ASSERT_GE(end - begin, 20U);
  std::set<std::pair<bool, bool>> seen;
  for (std::uint64_t point = begin + 1; point <= end; ++point) {
    for (std::uint64_t seed = 0; seed < 16; ++seed) {
      SCOPED_TRACE("point " + std::to_string(point) + " seed " + std::to_string(seed));
      TableRig rig;
      rig.disk->crash_at_mutation(point);
      Done done;
      history(rig, done);
      rig.disk = seed % 2 == 0 ? rig.disk->crash(seed) : rig.disk->kill_process();
      rig.restart();
      if (seed % 2 == 1) {
        rig.disk = rig.disk->crash(seed);
        rig.restart();
      }
      bool forgotten = rig.table->is_forgotten(5);
      if (done.erased) {
        EXPECT_TRUE(forgotten);
      }
      if (!done.erasing) {
        EXPECT_FALSE(forgotten);
      }
      if (forgotten) {
        EXPECT_EQ(rig.opening(5, 1), std::nullopt);
        EXPECT_EQ(rig.epochs(), std::set<std::uint32_t>{rig.table->epoch()});
      } else if (done.five) {
        EXPECT_EQ(rig.opening(5, 1), done.five);
        EXPECT_TRUE(rig.epochs().contains(rig.table->epoch()));
      }
      if (done.six) {
        EXPECT_EQ(rig.opening(6, 1), done.six);
      }
      if (done.seven) {
        EXPECT_EQ(rig.opening(7, 1), done.seven);
      }
      EXPECT_FALSE(*rig.disk->exists("keys/table.new"));
      rig.seal(8, 1);
      EXPECT_TRUE(rig.table->sync().has_value());
      EXPECT_TRUE(rig.table->erase(6).has_value()) << "and the next erasure works";
      EXPECT_EQ(rig.epochs().size(), 1U);
      seen.insert({done.erasing && !done.erased, forgotten});
    }
  }
  EXPECT_TRUE(seen.contains({true, true})) << "a crash inside erase that completed";
  EXPECT_TRUE(seen.contains({true, false})) << "and one that had not begun";
}

// kill -9 leaves a new table that is only in the page cache; opening it then begins to destroy the
// old KEK, and power fails at each step of that.
TEST(KeyTable, power_failing_while_a_killed_erasure_is_finished_loses_no_survivor) {
  TableRig whole;
  whole.start();
  auto six = whole.seal(6, 1);
  whole.seal(5, 1);
  ASSERT_TRUE(whole.table->sync().has_value());
  std::uint64_t begin = whole.disk->mutation_count();
  ASSERT_TRUE(whole.table->erase(5).has_value());
  std::uint64_t end = whole.disk->mutation_count();
  int finished_late = 0;
  for (std::uint64_t point = begin + 1; point <= end; ++point) {
    for (std::uint64_t step = 1; step <= 12; ++step) {
      for (std::uint64_t seed = 0; seed < 8; ++seed) {
        SCOPED_TRACE(testing::Message()
                     << "point " << point << " step " << step << " seed " << seed);
        TableRig rig;
        rig.start();
        ASSERT_EQ(rig.seal(6, 1), six);
        rig.seal(5, 1);
        ASSERT_TRUE(rig.table->sync().has_value());
        rig.disk->crash_at_mutation(point);
        static_cast<void>(rig.table->erase(5));
        rig.table.reset();
        rig.disk = rig.disk->kill_process();
        rig.disk->crash_at_mutation(rig.disk->mutation_count() + step);
        if (auto keys = rig.KeyRig::open()) {
          rig.keys = *std::move(keys);
          static_cast<void>(rig.open_table());
        }
        rig.disk = rig.disk->crash(seed);
        rig.restart();
        EXPECT_EQ(rig.opening(6, 1), six);
        if (rig.table->is_forgotten(5)) {
          ++finished_late;
          EXPECT_EQ(rig.epochs().size(), 1U);
        }
      }
    }
  }
  EXPECT_GT(finished_late, 0);
}

TEST(KeyTable, a_torn_last_frame_is_dropped_and_told_and_earlier_damage_is_refused) {
  TableRig rig;
  rig.start();
  rig.seal(5, 1);
  ASSERT_TRUE(rig.table->sync().has_value());
  auto six = rig.read("keys/table").size();
  rig.seal(6, 1);
  ASSERT_TRUE(rig.table->sync().has_value());
  Buffer good = rig.read("keys/table");
  for (std::size_t size = six + 1; size < good.size(); ++size) {
    rig.put("keys/table", Bytes(good).first(size));
    rig.restart();
    EXPECT_EQ(rig.table->dropped_bytes(), size - six);
    EXPECT_EQ(rig.opening(6, 1), std::nullopt);
    EXPECT_NE(rig.opening(5, 1), std::nullopt);
    EXPECT_EQ(rig.read("keys/table").size(), six);
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    Buffer bad = good;
    bad[at] ^= 0x10;
    rig.put("keys/table", bad);
    auto opened = rig.open_table();
    if (at >= six) {
      ASSERT_TRUE(opened.has_value()) << at << opened.error().message;
      EXPECT_EQ((*opened)->dropped_bytes(), good.size() - six);
      continue;
    }
    ASSERT_FALSE(opened.has_value()) << at;
    bool kek_version = at >= 40 && at < 44;
    EXPECT_EQ(opened.error().code, kek_version ? Code::failed_precondition : Code::data_loss) << at;
  }
  for (std::size_t size = 0; size <= sealed_file_header_size + 8 + frame_overhead - 1; ++size) {
    rig.put("keys/table", Bytes(good).first(size));
    EXPECT_EQ(rig.open_table().error().code, Code::data_loss) << size;
  }
}

TEST(KeyTable, a_full_disk_refuses_rows_and_erasures_and_later_takes_them) {
  bool full_at_key_store = false, full_at_table = false, full_at_destroying = false, fitted = false;
  for (std::uint64_t room = 0; room < 3000; room += 10) {
    TableRig rig;
    rig.start();
    auto five = rig.seal(5, 1);
    ASSERT_TRUE(rig.table->sync().has_value());
    auto six = rig.seal(6, 1);
    std::uint64_t used = rig.read("keys/table").size() + rig.read("keys/store").size();
    rig.disk->set_capacity(used + room);
    if (room < 100) {
      EXPECT_EQ(rig.table->sync().error().code, Code::resource_exhausted);
    }
    auto erased = rig.table->erase(5);
    if (erased) {
      fitted = true;
      continue;
    }
    ASSERT_EQ(erased.error().code, Code::resource_exhausted) << erased.error().message;
    bool forgotten = rig.table->is_forgotten(5);
    std::size_t epochs = rig.epochs().size();
    (epochs == 1 ? full_at_key_store : forgotten ? full_at_destroying : full_at_table) = true;
    if (!forgotten) {
      EXPECT_EQ(rig.opening(5, 1), five);
    }
    rig.disk->set_capacity(1 << 20);
    ASSERT_TRUE(rig.table->sync().has_value());
    if (room % 20 == 0) rig.restart();
    if (!forgotten) {
      EXPECT_EQ(rig.opening(5, 1), five);
    }
    EXPECT_EQ(rig.opening(6, 1), six);
    erased = rig.table->erase(5);
    ASSERT_TRUE(erased.has_value());
    if (!forgotten || room % 20 != 0) {
      EXPECT_EQ(erased->keys_destroyed, 2U);
      EXPECT_EQ(erased->epoch, 1U);
    }
    EXPECT_EQ(rig.opening(5, 1), std::nullopt);
    EXPECT_EQ(rig.opening(6, 1), six);
    EXPECT_EQ(rig.epochs().size(), 1U);
  }
  EXPECT_TRUE(full_at_key_store);
  EXPECT_TRUE(full_at_table);
  EXPECT_TRUE(full_at_destroying);
  EXPECT_TRUE(fitted);
}

TEST(KeyTable, after_a_failed_sync_everything_is_refused_until_a_restart) {
  TableRig rig;
  rig.start();
  rig.seal(5, 1);
  rig.disk->fail_next(sim::DiskOperation::sync);
  EXPECT_EQ(rig.table->sync().error().code, Code::internal);
  EXPECT_EQ(rig.table->sync().error().code, Code::failed_precondition);
  EXPECT_EQ(rig.table->for_sealing(5, 1).error().code, Code::failed_precondition);
  EXPECT_EQ(rig.table->erase(5).error().code, Code::failed_precondition);
  rig.restart();
  rig.seal(5, 1);
  EXPECT_TRUE(rig.table->sync().has_value());
}

TEST(KeyTable, golden_bytes_are_what_a_table_writes) {
  TableRig rig;
  rig.start();
  rig.seal(5, 1);
  ASSERT_TRUE(rig.table->sync().has_value());
  ASSERT_TRUE(rig.table->erase(9).has_value());
  Buffer golden = golden_bytes("key-table.hex");
  EXPECT_EQ(to_hex(rig.read("keys/table")), to_hex(golden));
}

}  // namespace
}  // namespace meridian::storage
