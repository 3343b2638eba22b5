// The key `storage` turned over under a workload of all that writes sealed files: log, records,
// state, key table. Every step of the one comes between any two of the other, and power fails
// anywhere.
#include "storage/internal/storage_turn.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>

#include "io/clock.h"
#include "io/entropy.h"
#include "sim/random.h"
#include "storage/internal/key_rig.h"
#include "storage/internal/records_rig.h"
#include "storage/internal/state_manifest.h"
#include "storage/internal/wal_rig.h"
#include "storage/key_table.h"
#include "storage/state_store.h"
#include "storage/storage_rotation.h"
#include "storage/storage_turner.h"

namespace meridian::storage {
namespace {

constexpr KeyVersion first{1}, second{2};

/// A node's disk and keys.
struct TurnRig {
  TurnRig() { put(std::make_unique<sim::Disk>()); }

  void put(std::unique_ptr<sim::Disk> disk) {
    raw = disk.get();
    guarded = std::make_unique<GuardedDisk>(std::move(disk));
  }
  KeyStore::Io io() { return {*guarded, clock, entropy}; }
  SealedContext context() { return {*guarded, entropy, *keys, rig_cell}; }
  void create() {
    auto made = KeyStore::create(io(), rig_passphrase(), cheap_cost);
    ASSERT(made.has_value());
    keys = std::move(*made);
  }
  Status open() {
    keys = TRY(KeyStore::open(io(), rig_passphrase()));
    return {};
  }

  sim::Disk* raw = nullptr;
  std::unique_ptr<GuardedDisk> guarded;
  sim::Clock clock;
  sim::Entropy entropy{1};
  std::unique_ptr<KeyStore> keys;
};

/// Everything of a node that writes sealed files, and what it acknowledged.
class Node {
 public:
  Node(TurnRig& rig, std::uint64_t seed) : rig_(rig), random_(seed) {}

  Status open() {
    log_.clear();
    const auto visit = [this](const WalEntry& entry) -> Status {
      log_[entry.index] = held(entry);
      return {};
    };
    wal_ = TRY(Wal::open(rig_.context(), small_files, released_, visit, nullptr,
                         [this](std::uint64_t index) -> Status {
                           log_.erase(log_.lower_bound(index), log_.end());
                           return {};
                         }));
    if (wal_->ambiguous_tail()) TRY(wal_->drop_tail());
    records_ = TRY(RecordStore::open(rig_.context(), synced_.size()));
    state_ = TRY(StateStore::open(rig_.context()));
    table_ = TRY(KeyTable::open(rig_.context(), *rig_.keys, rig_.clock));
    return {};
  }

  Status act() {
    switch (random_.below(6)) {
      case 0:
      case 1:
      case 2: return append();
      case 3: return add_records();
      case 4: return checkpoint();
      default: return seal();
    }
  }

  /// What was acknowledged is there. After a crash what was under way may be there too.
  void expect_whole(const std::string& when) {
    for (const auto& [index, entry] : acknowledged_) {
      if (index < released_) continue;
      ASSERT_TRUE(log_.contains(index)) << when << ", entry " << index;
      ASSERT_EQ(log_.at(index), entry) << when << ", entry " << index;
    }
    expect_all(*records_, synced_);
    if (state_record_ != 0) {
      ASSERT_NE(state_->newest(), nullptr) << when;
      ASSERT_GE(state_->newest()->record_index, state_record_) << when;
      ASSERT_TRUE(state_->load([](ChunkId, Bytes) -> Status { return {}; }).has_value()) << when;
    }
    for (const u128 subject : sealed_) {
      const auto keys = table_->for_opening(subject, 1, 1);
      ASSERT_TRUE(keys.has_value()) << when << ": " << keys.error().message;
    }
  }
  void expect_log_reads(const std::string& when) {
    log_.clear();
    if (acknowledged_.empty()) return;
    const auto next = wal_->read(released_, UINT64_MAX, [this](const WalEntry& entry) -> Status {
      log_[entry.index] = held(entry);
      return {};
    });
    ASSERT_TRUE(next.has_value()) << when << ": " << next.error().message;
  }

 private:
  Status append() {
    const Entries entries = batch(random_, wal_->last_index() + 1);
    TRY(storage::append(*wal_, entries));
    for (const auto& [index, entry] : entries) acknowledged_[index] = entry;
    if (random_.chance(0.3) && wal_->last_index() > 20) {
      released_ = std::max(released_, wal_->last_index() - 10);
      TRY(wal_->release_before(released_));
    }
    return {};
  }
  Status add_records() {
    RecordModel model = synced_;
    TRY(storage::append(*records_, model, 1 + random_.below(60)));
    TRY(records_->sync());
    synced_ = std::move(model);
    return {};
  }
  Status checkpoint() {
    TRY(state_->begin(state_record_ + 1));
    for (std::uint32_t i = 0; i < 3; ++i) {
      const Buffer bytes = filled(random_, random_.below(900));
      const ChunkId id{1, i};
      TRY(state_->add(id, state_chunk_digest(id, bytes), bytes));
    }
    TRY(state_->commit(state_record_ + 1, 1, {}));
    ++state_record_;
    return {};
  }
  Status seal() {
    const u128 subject{1 + random_.below(50)};
    if (random_.chance(0.15) && !sealed_.empty()) {
      TRY(table_->turn());
      return {};
    }
    TRY(table_->for_sealing(subject, 1));
    TRY(table_->sync());
    sealed_.push_back(subject);
    return {};
  }

  TurnRig& rig_;
  sim::Random random_;
  std::unique_ptr<Wal> wal_;
  std::unique_ptr<RecordStore> records_;
  std::unique_ptr<StateStore> state_;
  std::unique_ptr<KeyTable> table_;
  Entries log_, acknowledged_;
  std::uint64_t released_ = 1;
  RecordModel synced_;
  std::uint64_t state_record_ = 0;
  std::vector<u128> sealed_;
};

constexpr int acts_before = 40, acts_at_most = 4'000;

/// Lives until the turn is at its end, or power fails.
Status live(TurnRig& rig, Node& node, std::uint64_t seed) {
  TRY(node.open());
  for (int i = 0; i < acts_before; ++i) TRY(node.act());
  StorageTurn turn(*rig.guarded, *rig.keys);
  TRY(turn.begin());
  sim::Random random(seed);
  for (int i = 0; i < acts_at_most; ++i) {
    if (random.chance(0.3)) {
      TRY(node.act());
      continue;
    }
    if (TRY(turn.step()) == StorageTurn::Next::at_end) return {};
  }
  return fail(Code::internal, "the turn has no end");
}

void expect_turned(TurnRig& rig, const std::string& when) {
  const auto use = find_storage_key_use(*rig.guarded);
  ASSERT_TRUE(use.has_value()) << when << ": " << use.error().message;
  EXPECT_EQ(use->size(), 1U) << when;
  std::size_t versions = 0;
  for (const auto& key : rig.keys->list()) versions += key.name == "storage" ? 1 : 0;
  EXPECT_EQ(versions, 1U) << when;
}

TEST(StorageTurn, under_load_every_file_gets_under_the_new_key_and_the_old_one_goes) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::string when = "seed " + std::to_string(seed);
    TurnRig rig;
    rig.create();
    Node node(rig, seed);
    const Status lived = live(rig, node, seed);
    ASSERT_TRUE(lived.has_value()) << when << ": " << lived.error().message;
    expect_turned(rig, when);
    EXPECT_EQ(rig.keys->get("storage", first).error().code, Code::not_found);
    node.expect_log_reads(when);
    node.expect_whole(when);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(node.act().has_value()) << when;
    // And by another process.
    rig.put(rig.raw->kill_process());
    ASSERT_TRUE(rig.open().has_value());
    const Status again = node.open();
    ASSERT_TRUE(again.has_value()) << when << ": " << again.error().message;
    node.expect_whole(when + ", opened again");
  }
}

// Power fails at mutations all over the turn, and what was not synced is lost in several ways.
TEST(StorageTurn, after_a_crash_anywhere_under_load_every_file_opens_and_the_turn_is_finished) {
  int lives = 0, in_the_turn = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    TurnRig whole;
    whole.create();
    std::uint64_t end = 0;
    {
      Node node(whole, seed);
      ASSERT_TRUE(live(whole, node, seed).has_value());
      end = whole.raw->mutation_count();
    }
    for (std::uint64_t point = 100 + seed % 5; point <= end; point += 5) {
      const std::string when = "seed " + std::to_string(seed) + " point " + std::to_string(point);
      TurnRig rig;
      rig.create();
      Node node(rig, seed);
      rig.raw->crash_at_mutation(point);
      EXPECT_FALSE(live(rig, node, seed).has_value() && point < end) << when;
      // Killed first, now and then: what comes after sees files that the disk does not have yet.
      if (point % 2 == 0) {
        rig.put(rig.raw->crash(point));
      } else {
        rig.put(rig.raw->kill_process());
        ASSERT_TRUE(rig.open().has_value()) << when;
        static_cast<void>(finish_storage_rotation(*rig.guarded, *rig.keys));
        rig.put(rig.raw->crash(point));
      }
      const Status opened = rig.open();
      ASSERT_TRUE(opened.has_value()) << when << ": " << opened.error().message;
      if (rig.keys->list().back().name == "storage" && rig.keys->list().back().version == second)
        ++in_the_turn;
      const auto finished = finish_storage_rotation(*rig.guarded, *rig.keys);
      ASSERT_TRUE(finished.has_value()) << when << ": " << finished.error().message;
      expect_turned(rig, when);
      const Status again = node.open();
      ASSERT_TRUE(again.has_value()) << when << ": " << again.error().message;
      node.expect_whole(when);
      ++lives;
    }
  }
  EXPECT_GE(lives, 1'000);
  EXPECT_GE(in_the_turn, 400) << "power failed before the turn was begun";
}

TEST(StorageTurn, a_new_name_under_the_old_key_is_not_missed) {
  TurnRig rig;
  rig.create();
  ASSERT_TRUE(rig.guarded->make_directory("a").has_value());
  ASSERT_TRUE(rig.guarded->make_directory("b").has_value());
  auto writer = SealedWriter::create(rig.context(), "b/file", Purpose::other, 1);
  ASSERT_TRUE(writer.has_value() && writer->sync().has_value());
  StorageTurn turn(*rig.guarded, *rig.keys);
  ASSERT_TRUE(turn.begin().has_value());
  // From the folder that comes last into the one that was looked at already, again and again.
  for (int i = 0; i < 500; ++i) {
    const bool is_back = i % 2 == 0;
    ASSERT_TRUE(rig.guarded->rename(is_back ? "b/file" : "a/file", is_back ? "a/file" : "b/file")
                    .has_value());
    const auto next = turn.step();
    ASSERT_TRUE(next.has_value()) << next.error().message;
    if (*next == StorageTurn::Next::at_end) break;
  }
  while (*turn.step() != StorageTurn::Next::at_end) {
  }
  expect_turned(rig, "at the end");
  const std::string path = *rig.guarded->exists("a/file") ? "a/file" : "b/file";
  EXPECT_TRUE(SealedReader::open(rig.context(), path, Purpose::other, 1).has_value());
}

TEST(StorageTurn, a_file_that_is_being_made_is_waited_for) {
  TurnRig rig;
  rig.create();
  auto writer = SealedWriter::create(rig.context(), "file", Purpose::other, 1);
  ASSERT_TRUE(writer.has_value());
  StorageTurn turn(*rig.guarded, *rig.keys);
  ASSERT_TRUE(turn.begin().has_value());
  for (int i = 0; i < 50; ++i) {
    const auto next = turn.step();
    ASSERT_TRUE(next.has_value() && *next != StorageTurn::Next::at_end);
  }
  EXPECT_EQ(turn.progress().older, std::vector{first});
  ASSERT_TRUE(writer->sync().has_value());
  for (int i = 0; i < 50 && *turn.step() != StorageTurn::Next::at_end; ++i) {
  }
  EXPECT_EQ(turn.progress().destroyed, std::vector{first});
  EXPECT_TRUE(SealedReader::open(rig.context(), "file", Purpose::other, 1).has_value());
}

TEST(StorageTurn, damage_keeps_the_old_key_and_says_where_until_it_is_healed) {
  TurnRig rig;
  rig.create();
  for (const char* path : {"one", "two"}) {
    auto writer = SealedWriter::create(rig.context(), path, Purpose::other, 1);
    ASSERT_TRUE(writer.has_value() && writer->sync().has_value());
  }
  ASSERT_TRUE(rig.raw->flip_bit("one", 60).has_value());
  StorageTurn turn(*rig.guarded, *rig.keys);
  ASSERT_TRUE(turn.begin().has_value());
  StorageTurn::Next next = StorageTurn::Next::at_once;
  for (int i = 0; i < 50 && next == StorageTurn::Next::at_once; ++i) next = *turn.step();
  EXPECT_EQ(next, StorageTurn::Next::later);
  EXPECT_NE(turn.progress().hindrance.find("one"), std::string::npos);
  EXPECT_EQ(turn.progress().files, 1U) << "the other one was turned";
  EXPECT_TRUE(rig.keys->get("storage", first).has_value());
  EXPECT_EQ(turn.begin().error().code, Code::failed_precondition);
  ASSERT_TRUE(rig.raw->flip_bit("one", 60).has_value());
  for (int i = 0; i < 50 && *turn.step() != StorageTurn::Next::at_end; ++i) {
  }
  expect_turned(rig, "after it was healed");
  EXPECT_TRUE(turn.progress().hindrance.empty());
}

TEST(StorageTurn, a_full_disk_hinders_it_and_loses_nothing) {
  TurnRig rig;
  rig.create();
  auto writer = SealedWriter::create(rig.context(), "file", Purpose::other, 1);
  ASSERT_TRUE(writer.has_value() && writer->sync().has_value());
  StorageTurn turn(*rig.guarded, *rig.keys);
  ASSERT_TRUE(turn.begin().has_value());
  rig.raw->set_capacity(1);
  StorageTurn::Next next = StorageTurn::Next::at_once;
  for (int i = 0; i < 50 && next == StorageTurn::Next::at_once; ++i) next = *turn.step();
  EXPECT_EQ(next, StorageTurn::Next::later);
  rig.raw->set_capacity(1 << 30);
  for (int i = 0; i < 50 && *turn.step() != StorageTurn::Next::at_end; ++i) {
  }
  expect_turned(rig, "with room again");
}

// With real threads: headers are read while they change, files come, go and are recycled.
TEST(StorageTurner, threads_that_use_the_files_meanwhile_notice_nothing) {
  TurnRig rig;
  rig.create();
  const auto clock = io::os_clock();
  const auto entropy = io::os_entropy();
  const SealedContext context{*rig.guarded, *entropy, *rig.keys, rig_cell};
  ASSERT_TRUE(rig.guarded->make_directory("kept").has_value());
  constexpr int kept = 40;
  for (int i = 0; i < kept; ++i) {
    auto writer = SealedWriter::create(context, "kept/" + std::to_string(i), Purpose::other, 1);
    ASSERT_TRUE(writer.has_value() && writer->sync().has_value());
  }
  std::atomic<bool> is_over = false;
  std::atomic<int> wrong = 0, read = 0, written = 0, fatal = 0;
  const auto reading = io::os_executor("reading"), writing = io::os_executor("writing"),
             turning = io::os_executor("turning");
  reading->post([&] {
    for (int i = 0; !is_over; i = (i + 1) % kept, ++read)
      if (!SealedReader::open(context, "kept/" + std::to_string(i), Purpose::other, 1)) ++wrong;
  });
  writing->post([&] {
    auto opened = Wal::open(
        context, small_files, 1, [](const WalEntry&) -> Status { return {}; }, nullptr);
    if (!opened) return void(++wrong);
    sim::Random random(1);
    for (; !is_over; ++written) {
      if (!append(**opened, batch(random, (*opened)->last_index() + 1))) ++wrong;
      if (!(*opened)->release_before((*opened)->last_index())) ++wrong;
    }
  });
  const auto turner =
      StorageTurner::start({*rig.guarded, *rig.keys, *turning, [](const std::string&) {},
                            [&](const Error&) { ++fatal; }});
  for (std::uint32_t turn = 2; turn <= 6; ++turn) {
    std::promise<bool> begun;
    turner->begin([&](const Result<KeyVersion>& version) {
      begun.set_value(version && *version == KeyVersion{turn});
    });
    ASSERT_TRUE(begun.get_future().get()) << "turn " << turn;
    for (bool is_turned = false; !is_turned && fatal == 0;) {
      std::promise<Result<StorageTurner::Report>> told;
      turner->report([&](Result<StorageTurner::Report> now) { told.set_value(std::move(now)); });
      const auto report = told.get_future().get();
      ASSERT_TRUE(report.has_value()) << report.error().message;
      is_turned = report->progress.older.empty();
      if (is_turned) {
        EXPECT_EQ(report->files.size(), 1U);
      }
    }
  }
  is_over = true;
  reading->drain();
  writing->drain();
  EXPECT_EQ(fatal, 0);
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(read, 100);
  EXPECT_GT(written, 20);
}

}  // namespace
}  // namespace meridian::storage
