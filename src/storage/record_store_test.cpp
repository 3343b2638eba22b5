#include "storage/record_store.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "proof/merkle.h"
#include "storage/internal/records_rig.h"
#include "storage/internal/segment_frames.h"

namespace meridian::storage {
namespace {

using Machine = RecordMachine;
using Model = RecordModel;

TEST(RecordStore, records_missing_below_the_checkpoint_are_named) {
  Machine machine;
  Model model;
  auto store = machine.open(0);
  ASSERT_TRUE(append(*store, model, 1000).has_value());
  ASSERT_TRUE(store->sync().has_value());
  store.reset();
  auto more = RecordStore::open(machine.context(), 1001);
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.error().code, Code::data_loss);
  EXPECT_NE(more.error().message.find("record 1000 is missing"), std::string::npos)
      << more.error().message;
  auto file = RecordStore::open(machine.context(), 2 * segment_records);
  ASSERT_FALSE(file.has_value());
  EXPECT_NE(file.error().message.find("from record 65536 on"), std::string::npos)
      << file.error().message;
  ASSERT_TRUE(machine.disk->flip_bit(header_path(0), 5000).has_value());
  auto damaged = RecordStore::open(machine.context(), 1000);
  ASSERT_FALSE(damaged.has_value());
  EXPECT_EQ(damaged.error().code, Code::data_loss);
}

TEST(RecordStore, reading_past_the_end_is_out_of_range) {
  Machine machine;
  Model model;
  auto store = machine.open(0);
  EXPECT_EQ(store->header(0).error().code, Code::out_of_range);
  ASSERT_TRUE(append(*store, model, 3).has_value());
  EXPECT_EQ(store->header(3).error().code, Code::out_of_range);
  EXPECT_EQ(store->payload(3).error().code, Code::out_of_range);
  EXPECT_EQ(store->scan(0, 4, [](std::uint64_t, Bytes) { return true; }).error().code,
            Code::out_of_range);
}

TEST(RecordStore, reads_equal_the_model_across_segments_and_restarts) {
  Machine machine;
  Model model;
  auto store = machine.open(0);
  sim::Random random(3);
  while (model.size() < 2 * segment_records + 5000) {
    std::uint64_t count = random.chance(0.3) ? 1 + random.below(20) : 1 + random.below(9000);
    ASSERT_TRUE(append(*store, model, count).has_value());
    if (random.chance(0.2)) {
      ASSERT_TRUE(store->sync().has_value());
      std::uint64_t kept = model.size() - random.below(std::min<std::size_t>(model.size(), 3000));
      model.resize(kept);
      store = machine.open(kept);
      ASSERT_NE(store, nullptr);
    }
    for (int i = 0; i < 20; ++i) expect_record(*store, model, random.below(model.size()));
  }
  expect_all(*store, model);
  for (std::uint64_t record = 0; record < model.size(); record += 1 + random.below(50)) {
    expect_record(*store, model, record);
  }
  store.reset();
  auto read_only = RecordStore::open_read_only(machine.context());
  ASSERT_TRUE(read_only.has_value());
  expect_all(**read_only, model);
}

TEST(RecordStore, the_root_of_a_segment_is_that_of_its_subtree) {
  Machine machine;
  Model model;
  auto store = machine.open(0);
  ASSERT_TRUE(append(*store, model, segment_records).has_value());
  proof::Frontier frontier;
  for (std::uint64_t i = 0; i < segment_records; ++i) {
    frontier.append(proof::leaf_hash(header_of(i, 0)));
  }
  EXPECT_EQ(store->segment_root(0).value(), frontier.root());
  EXPECT_EQ(store->segment_root(1).error().code, Code::out_of_range);
  crypto::Digest given{1, 2, 3};
  std::vector<std::uint16_t> sizes(segment_records, 0);
  ASSERT_TRUE(
      store->append({.headers = {}, .sizes = sizes, .payloads = {}, .segment_roots = {&given, 1}})
          .has_value());
  EXPECT_EQ(store->segment_root(1).value(), given);
  store = machine.open(2 * segment_records);
  EXPECT_EQ(store->segment_root(0).value(), frontier.root());
  EXPECT_EQ(store->segment_root(1).value(), given);
}

TEST(RecordStore, the_rest_of_a_frame_that_reaches_past_the_checkpoint_is_gone) {
  Machine machine;
  Model model;
  auto store = machine.open(0);
  ASSERT_TRUE(append(*store, model, 200).has_value());
  ASSERT_TRUE(store->sync().has_value());
  for (std::uint64_t kept : {150U, 100U, 99U}) {
    model.resize(kept);
    store = machine.open(kept);
    ASSERT_NE(store, nullptr);
    expect_all(*store, model);
    ASSERT_TRUE(append(*store, model, 30, kept).has_value());
    expect_all(*store, model);
    ASSERT_TRUE(append(*store, model, 90, kept + 1).has_value());
    ASSERT_TRUE(store->sync().has_value());
    expect_all(*store, model);
    for (std::uint64_t i = 0; i < model.size(); ++i) expect_record(*store, model, i);
  }
  store = machine.open(model.size());
  expect_all(*store, model);
}

TEST(RecordStore, damage_is_named_and_what_is_sound_is_still_read) {
  Machine machine;
  Model model;
  auto store = machine.open(0);
  ASSERT_TRUE(append(*store, model, segment_records + 1000).has_value());
  ASSERT_TRUE(store->sync().has_value());
  store.reset();
  ASSERT_TRUE(machine.disk->flip_bit(header_path(0), 128 + 2000).has_value());   // first bundle
  ASSERT_TRUE(machine.disk->flip_bit(header_path(1), 128 + 10000).has_value());  // the second
  auto opened = RecordStore::open_read_only(machine.context());
  ASSERT_TRUE(opened.has_value());
  std::set<std::uint64_t> seen;
  std::vector<std::string> holes;
  ASSERT_TRUE((*opened)
                  ->scan_all(
                      0, model.size(),
                      [&](std::uint64_t record, Bytes header) {
                        EXPECT_EQ(to_buffer(header), header_of(record, 0));
                        seen.insert(record);
                        return true;
                      },
                      [&](std::uint64_t first, std::uint64_t count, const Error& error) {
                        EXPECT_EQ(error.code, Code::data_loss);
                        holes.push_back(std::to_string(first) + "+" + std::to_string(count));
                      })
                  .has_value());
  EXPECT_EQ(holes, (std::vector<std::string>{"0+256", "65792+256", "65536+0"}));
  EXPECT_EQ(seen.size(), model.size() - 512);
  EXPECT_EQ((*opened)->header(5).error().code, Code::data_loss);
  EXPECT_NE((*opened)->header(5).error().message.find("record 5"), std::string::npos);
  EXPECT_EQ((*opened)->header(65800).error().code, Code::data_loss);
  EXPECT_TRUE((*opened)->header(256).has_value());
  auto strict = (*opened)->scan(0, model.size(), [](std::uint64_t, Bytes) { return true; });
  EXPECT_EQ(strict.error().code, Code::data_loss);
}

// Rot of any bit shows when everything is read, and never as other content.
TEST(RecordStore, every_flipped_bit_is_found) {
  Machine machine;
  Model model;
  {
    auto store = machine.open(0);
    while (model.size() < segment_records) {
      ASSERT_TRUE(
          append(*store, model, std::min<std::uint64_t>(8000, segment_records - model.size()))
              .has_value());
    }
    ASSERT_TRUE(append(*store, model, 300).has_value());
    ASSERT_TRUE(store->sync().has_value());
    ASSERT_TRUE(append(*store, model, 300).has_value());
    ASSERT_TRUE(store->sync().has_value());
  }
  sim::Random random(9);
  std::map<std::string, std::uint64_t> flips;
  for (const std::string& path :
       {header_path(0), payload_path(0), header_path(1), payload_path(1)}) {
    std::uint64_t size = size_of(machine, path);
    ASSERT_GT(size, 300U);
    bool large = path.ends_with("0.seg");
    for (int i = 0; i < (large ? 12 : 60); ++i) {
      std::uint64_t at = i < 5   ? 12 * static_cast<std::uint64_t>(i)
                         : i < 8 ? size - 1 - random.below(60)
                                 : random.below(size);
      if (at >= 120 && at < 128) continue;
      ASSERT_TRUE(machine.disk->flip_bit(path, at, 3).has_value());
      auto store = RecordStore::open_read_only(machine.context());
      ASSERT_TRUE(store.has_value()) << path << " " << at << store.error().message;
      bool found = (*store)->count() != model.size();
      ASSERT_TRUE((*store)
                      ->scan_all(
                          0, (*store)->count(),
                          [&](std::uint64_t record, Bytes header) {
                            EXPECT_TRUE(equal(header, header_of(record, 0)));
                            if (has_payload(record)) {
                              auto payload = (*store)->payload(record);
                              EXPECT_TRUE(!payload || *payload == payload_of(record, 0));
                              found = found || !payload;
                            }
                            return true;
                          },
                          [&](std::uint64_t, std::uint64_t, const Error&) { found = true; })
                      .has_value());
      EXPECT_TRUE(found) << path << " at " << at << " of " << size;
      ASSERT_TRUE(machine.disk->flip_bit(path, at, 3).has_value());
    }
  }
}

TEST(RecordStore, a_rotten_synced_payload_is_refused_at_start) {
  Machine machine;
  Model model;
  auto store = machine.open(0);
  ASSERT_TRUE(append(*store, model, 500).has_value());
  ASSERT_TRUE(store->sync().has_value());
  store.reset();
  ASSERT_TRUE(machine.open(500) != nullptr);
  ASSERT_TRUE(machine.disk->flip_bit(payload_path(0), 200).has_value());
  auto opened = RecordStore::open(machine.context(), 500);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_NE(opened.error().message.find("payload of the records 0 to "), std::string::npos)
      << opened.error().message;
}

TEST(RecordStore, after_an_error_nothing_is_appended_and_the_store_reopens) {
  for (auto operation : {sim::DiskOperation::write, sim::DiskOperation::sync}) {
    Machine machine;
    Model model;
    auto store = machine.open(0);
    ASSERT_TRUE(append(*store, model, 700).has_value());
    ASSERT_TRUE(store->sync().has_value());
    machine.disk->fail_next(operation, Code::resource_exhausted);
    Model lost = model;
    Status done = append(*store, lost, 10);
    if (done) done = store->sync();
    EXPECT_EQ(done.error().code, Code::resource_exhausted);
    EXPECT_EQ(append(*store, lost, 10).error().code, Code::failed_precondition);
    store = machine.open(700);
    ASSERT_NE(store, nullptr);
    expect_all(*store, model);
  }
}

void crash_again_and_again(std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  sim::Random random(seed);
  Machine machine;
  machine.disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
  Model checkpoint;  // what a state checkpoint covers
  for (int life = 0; life < 5; ++life) {
    machine.disk->crash_at_mutation(machine.disk->mutation_count() + 1 + random.below(40));
    auto store = RecordStore::open(machine.context(), checkpoint.size());
    ASSERT_TRUE(store.has_value() || machine.disk->has_crashed()) << store.error().message;
    Model model = checkpoint;
    while (store && !machine.disk->has_crashed()) {
      bool near_edge = random.chance(0.02);
      std::uint64_t count =
          near_edge ? segment_records - model.size() % segment_records : 1 + random.below(600);
      if (!append(**store, model, count, static_cast<std::uint64_t>(life))) break;
      if (random.chance(0.3)) {
        std::uint64_t covered =
            checkpoint.size() + random.below(model.size() - checkpoint.size() + 1);
        if (!(*store)->sync()) break;
        checkpoint.assign(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(covered));
      }
    }
    store = Result<std::unique_ptr<RecordStore>>(Code::internal, "closed");
    machine.disk =
        random.chance(0.2) ? machine.disk->kill_process() : machine.disk->crash(random.next());
    auto reopened = RecordStore::open(machine.context(), checkpoint.size());
    ASSERT_TRUE(reopened.has_value()) << reopened.error().message;
    expect_all(**reopened, checkpoint);
    for (int i = 0; i < 30 && !checkpoint.empty(); ++i) {
      expect_record(**reopened, checkpoint, random.below(checkpoint.size()));
    }
    if (testing::Test::HasFailure()) return;
  }
}

TEST(RecordStore, what_a_checkpoint_covers_survives_every_crash) {
  for (std::uint64_t seed = 1; seed <= 60 && !testing::Test::HasFailure(); ++seed) {
    crash_again_and_again(seed);
  }
}

}  // namespace
}  // namespace meridian::storage
