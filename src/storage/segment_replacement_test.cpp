#include <gtest/gtest.h>

#include <set>

#include "proof/merkle.h"
#include "storage/internal/records_rig.h"

namespace meridian::storage {
namespace {

/// One finished segment and the beginning of another.
struct Rig {
  explicit Rig(std::uint64_t seed = 1) {
    machine.disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
    store = machine.open(0);
    // As a log gives them, in groups: frames are other ones than those of a replacement.
    while (model.size() < segment_records + 500) {
      EXPECT_TRUE(append(*store, model, 5'003).has_value());
    }
    EXPECT_TRUE(store->sync().has_value());
    root = store->segment_root(0).value();
  }
  void reopen() {
    store.reset();
    store = machine.open(model.size());
    ASSERT_NE(store, nullptr);
  }
  Status replace(const crypto::Digest& wanted, std::uint64_t step = 16'384,
                 std::uint64_t end = segment_records) {
    auto replacement = TRY(store->replace_segment(0));
    while (replacement->next() < end) {
      TRY(add(*replacement, std::min(step, end - replacement->next())));
    }
    return replacement->finish(wanted);
  }
  static Status add(RecordStore::Replacement& replacement, std::uint64_t count) {
    return append_records(replacement, replacement.next(), count);
  }
  void damage() {
    ASSERT_TRUE(machine.disk->flip_bit(header_path(0), 100'000).has_value());
    ASSERT_TRUE(machine.disk->flip_bit(payload_path(0), 10'000).has_value());
  }
  std::vector<std::string> files() {
    std::vector<std::string> all;
    for (const std::string directory : {"headers", "payloads"}) {
      auto listed = machine.disk->list(directory);
      EXPECT_TRUE(listed.has_value());
      for (const std::string& name : *listed) all.push_back(directory + "/" + name);
    }
    return all;
  }
  bool is_sound() {
    const auto nothing = [](std::uint64_t, Bytes) { return true; };
    return store->scan(0, model.size(), nothing).has_value() &&
           store->scan_payloads(0, model.size(), nothing).has_value();
  }

  RecordMachine machine;
  RecordModel model;
  std::unique_ptr<RecordStore> store;
  crypto::Digest root{};
  const std::vector<std::string> whole{header_path(0), header_path(1), payload_path(0),
                                       payload_path(1)};
};

TEST(SegmentReplacement, wrong_or_missing_records_change_nothing) {
  Rig rig;
  EXPECT_EQ(rig.store->replace_segment(1).error().code, Code::out_of_range);
  rig.damage();
  rig.reopen();
  EXPECT_EQ(rig.replace({}).error().code, Code::invalid_argument);
  const Status missing = rig.replace(rig.root, 5'000, segment_records - 1);
  EXPECT_EQ(missing.error().code, Code::invalid_argument);
  EXPECT_NE(missing.error().message.find("records 65535 to 65535 are missing"), std::string::npos)
      << missing.error().message;
  EXPECT_EQ(rig.files(), rig.whole);
  EXPECT_FALSE(rig.is_sound());
}

TEST(SegmentReplacement, a_damaged_segment_is_sound_afterwards_and_after_a_start) {
  for (const std::uint64_t step : {97U, 16'384U, 65'536U}) {
    Rig rig;
    rig.damage();
    rig.reopen();
    EXPECT_FALSE(rig.is_sound());
    const Status replaced = rig.replace(rig.root, step);
    ASSERT_TRUE(replaced.has_value()) << replaced.error().message;
    EXPECT_EQ(rig.files(), rig.whole);
    expect_all(*rig.store, rig.model);
    EXPECT_EQ(rig.store->segment_root(0).value(), rig.root);
    rig.reopen();
    expect_all(*rig.store, rig.model);
    EXPECT_EQ(rig.store->segment_root(0).value(), rig.root);
  }
}

TEST(SegmentReplacement, a_missing_file_and_one_without_a_header_are_replaced) {
  Rig rig;
  ASSERT_TRUE(rig.machine.disk->remove(payload_path(0)).has_value());
  ASSERT_TRUE(rig.machine.disk->flip_bit(header_path(0), 60).has_value());
  rig.store->forget_segment(0);
  EXPECT_FALSE(rig.is_sound());
  ASSERT_TRUE(rig.replace(rig.root).has_value());
  expect_all(*rig.store, rig.model);
}

TEST(SegmentReplacement, who_reads_meanwhile_reads_to_the_end) {
  Rig rig;
  rig.reopen();
  std::uint64_t seen = 0;
  const Status scanned =
      rig.store->scan(0, segment_records, [&](std::uint64_t record, Bytes header) {
        if (record == 30'000) {
          EXPECT_TRUE(rig.replace(rig.root).has_value());
        }
        EXPECT_TRUE(equal(header, header_of(record, 0)));
        ++seen;
        return true;
      });
  EXPECT_TRUE(scanned.has_value());
  EXPECT_EQ(seen, segment_records);
}

// Opened bundles are kept by where they stand: the same place holds others in the new file.
TEST(SegmentReplacement, single_records_read_right_after_others_were_kept_open) {
  Rig rig;
  for (std::uint64_t record = 0; record < 20'000; ++record)
    expect_record(*rig.store, rig.model, record);
  ASSERT_TRUE(rig.replace(rig.root).has_value());
  for (std::uint64_t record = 0; record < 20'000; ++record)
    expect_record(*rig.store, rig.model, record);
}

TEST(SegmentReplacement, appends_go_on_meanwhile) {
  Rig rig;
  auto replacement = rig.store->replace_segment(0);
  ASSERT_TRUE(replacement.has_value());
  while ((*replacement)->next() < segment_records) {
    ASSERT_TRUE(Rig::add(**replacement, 8'192).has_value());
    ASSERT_TRUE(append(*rig.store, rig.model, 9'000).has_value());
  }
  ASSERT_TRUE((*replacement)->finish(rig.root).has_value());
  ASSERT_TRUE(rig.store->sync().has_value());
  expect_all(*rig.store, rig.model);
}

TEST(SegmentReplacement, a_crash_at_any_step_leaves_the_old_or_the_new_files) {
  Rig rig;
  std::uint64_t crashes = 0;
  std::uint64_t replaced = 0;
  for (std::uint64_t step = 1;; ++step) {
    rig.machine.disk->crash_at_mutation(rig.machine.disk->mutation_count() + step);
    const bool done = rig.replace(rig.root).has_value();
    rig.store.reset();
    rig.machine.disk =
        step % 3 == 0 ? rig.machine.disk->kill_process() : rig.machine.disk->crash(step * 7 + 1);
    rig.reopen();
    ASSERT_EQ(rig.files(), rig.whole) << "step " << step;
    expect_all(*rig.store, rig.model);
    ASSERT_EQ(rig.store->segment_root(0).value(), rig.root);
    ASSERT_FALSE(testing::Test::HasFailure()) << "step " << step;
    if (done) {
      ++replaced;
      break;
    }
    ++crashes;
  }
  EXPECT_GT(crashes, 15U);
  EXPECT_EQ(replaced, 1U);
}

TEST(SegmentReplacement, a_full_disk_changes_nothing) {
  Rig rig;
  for (const auto operation : {sim::DiskOperation::create, sim::DiskOperation::write}) {
    rig.machine.disk->fail_next(operation, Code::resource_exhausted);
    EXPECT_EQ(rig.replace(rig.root).error().code, Code::resource_exhausted);
    EXPECT_EQ(rig.files(), rig.whole);
    EXPECT_TRUE(rig.is_sound());
  }
}

TEST(RecordStore, damage_that_a_reader_meets_is_told) {
  Rig rig;
  rig.damage();
  ASSERT_TRUE(rig.machine.disk->flip_bit(header_path(1), 300).has_value());
  std::vector<std::uint64_t> told;
  rig.store->on_damage([&](std::uint64_t number) { told.push_back(number); });
  EXPECT_FALSE(rig.store->payload(1).has_value());  // it has none
  EXPECT_TRUE(told.empty());
  EXPECT_FALSE(rig.is_sound());
  EXPECT_EQ(told, std::vector<std::uint64_t>{0});
  // Of an unfinished segment: not what is replaced.
  EXPECT_FALSE(rig.store->header(segment_records + 1).has_value());
  EXPECT_EQ(told.size(), 1U);
}

TEST(RecordStore, a_segment_that_was_let_go_is_read_from_the_disk) {
  Rig rig;
  rig.reopen();
  ASSERT_TRUE(rig.is_sound());
  ASSERT_TRUE(rig.machine.disk->flip_bit(header_path(0), size_of(rig.machine, header_path(0)) - 10)
                  .has_value());
  EXPECT_TRUE(rig.store->segment_root(0).has_value());
  rig.store->forget_segment(0);
  EXPECT_EQ(rig.store->segment_root(0).error().code, Code::data_loss);
}

}  // namespace
}  // namespace meridian::storage
