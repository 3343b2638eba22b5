#include "storage/sorted_runs.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "io/executor.h"
#include "storage/internal/run_file.h"
#include "storage/internal/runs_rig.h"

namespace meridian::storage {
namespace {

using Pair = SortedRuns::Pair;

std::vector<Pair> range_of(const RunModel& model, const RunKey& first, const RunKey& last,
                           std::size_t count, bool reversed) {
  std::vector<Pair> pairs;
  if (last < first) return pairs;
  for (auto at = model.lower_bound(first); at != model.end() && !(last < at->first); ++at)
    pairs.push_back({at->first, at->second});
  if (reversed) std::ranges::reverse(pairs);
  if (pairs.size() > count) pairs.resize(count);
  return pairs;
}

/// One random life of an index beside a map that says what it must answer.
struct Life {
  Life(std::size_t key_size, std::uint64_t seed) : rig(key_size, seed), random(seed) {
    runs = rig.must_open({});
  }

  void insert(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const RunKey key = rig.random_key(random);
      if (!model.emplace(key, next_value).second) continue;
      runs->insert(key, next_value++);
      fresh.push_back(key);
    }
  }
  void remove() {
    if (fresh.empty()) return;
    const std::size_t at = random.below(fresh.size());
    runs->remove(fresh[at]);
    model.erase(fresh[at]);
    fresh.erase(fresh.begin() + static_cast<std::ptrdiff_t>(at));
  }
  void find() {
    RunKey key = rig.random_key(random);
    if (!model.empty() && random.chance(0.5)) {
      auto near = model.lower_bound(key);
      if (near != model.end()) key = near->first;
    }
    runs->prefetch(key);
    auto found = runs->find(key);
    ASSERT_TRUE(found.has_value()) << found.error().message;
    auto wanted = model.find(key);
    ASSERT_EQ(*found, wanted == model.end() ? std::nullopt : std::optional(wanted->second));
  }
  void find_range() {
    RunKey first = rig.random_key(random);
    RunKey last = random.chance(0.2) ? first : rig.random_key(random);
    if (random.chance(0.5)) last.high = first.high;
    if (last < first && random.chance(0.9)) std::swap(first, last);
    const std::size_t count = random.chance(0.2) ? 100'000 : random.below(20);
    const bool reversed = random.chance(0.5);
    auto found = runs->find_range(first, last, count, reversed);
    ASSERT_TRUE(found.has_value()) << found.error().message;
    const std::vector<Pair> wanted = range_of(model, first, last, count, reversed);
    ASSERT_EQ(found->size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ((*found)[i].key, wanted[i].key);
      ASSERT_EQ((*found)[i].value, wanted[i].value);
    }
  }
  void checkpoint() {
    runs->freeze();
    const RunModel frozen = model;
    fresh.clear();
    insert(random.below(30));  // beside the frozen ones
    find();
    find_range();
    merge();
    auto written = runs->write_frozen();
    ASSERT_TRUE(written.has_value()) << written.error().message;
    if (random.chance(0.2)) return;  // the checkpoint was never committed
    manifest = *written;
    committed = frozen;
    if (random.chance(0.8)) {
      ASSERT_TRUE(runs->retire().has_value());
    }
  }
  /// Some of what is due: it goes on while keys come and checkpoints are written.
  void merge() {
    for (std::uint64_t steps = random.below(6); steps > 0; --steps)
      ASSERT_TRUE(runs->merge_some().has_value());
  }
  void reopen() {
    runs.reset();
    runs = rig.must_open(manifest);
    ASSERT_NE(runs, nullptr);
    model = committed;
    fresh.clear();
  }

  RunsRig rig;
  sim::Random random;
  std::unique_ptr<SortedRuns> runs;
  RunModel model, committed;
  std::vector<RunKey> fresh;
  Buffer manifest;
  std::uint64_t next_value = 0;
};

TEST(SortedRuns, random_lives_answer_as_a_map_does) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Life life(seed % 2 == 0 ? 16 : 24, seed);
    for (int step = 0; step < 200 && !testing::Test::HasFatalFailure(); ++step) {
      const std::uint64_t dice = life.random.below(100);
      if (dice < 45) {
        life.insert(life.random.below(10));
      } else if (dice < 47) {
        life.insert(3'000);
      } else if (dice < 55) {
        life.remove();
      } else if (dice < 75) {
        life.find();
      } else if (dice < 85) {
        life.find_range();
      } else if (dice < 98) {
        life.checkpoint();
      } else {
        life.reopen();
      }
    }
    ASSERT_FALSE(testing::Test::HasFatalFailure());
    expect_holds(*life.runs, life.model);
  }
}

TEST(SortedRuns, a_new_index_is_empty_and_one_reopened_without_a_checkpoint_too) {
  RunsRig rig(16);
  auto runs = rig.must_open({});
  EXPECT_EQ(runs->size(), 0U);
  EXPECT_EQ(runs->debt_bytes(), 0U);
  runs->insert({5, 0}, 9);
  runs->freeze();
  EXPECT_TRUE(runs->write_frozen().has_value());
  runs.reset();
  runs = rig.must_open({});
  EXPECT_EQ(runs->size(), 0U);
  EXPECT_EQ(*runs->find({5, 0}), std::nullopt);
  EXPECT_TRUE(rig.disk->list("index/ids")->empty());
}

TEST(SortedRuns, runs_of_one_size_are_merged_so_that_few_remain) {
  RunsRig rig(16);
  auto runs = rig.must_open({});
  RunModel model;
  Buffer manifest;
  for (std::uint64_t round = 0; round < 40; ++round) {
    for (std::uint64_t i = 0; i < 50; ++i) {
      const RunKey key{make_u128(i * 7'919 % 1'000, round), 0};
      runs->insert(key, round * 50 + i);
      model[key] = round * 50 + i;
    }
    runs->freeze();
    while (*runs->merge_some()) EXPECT_GT(runs->debt_bytes(), 0U);
    EXPECT_EQ(runs->debt_bytes(), 0U);
    auto written = runs->write_frozen();
    ASSERT_TRUE(written.has_value());
    manifest = *written;
    ASSERT_TRUE(runs->retire().has_value());
    EXPECT_LE(rig.disk->list("index/ids")->size(), 4U);
  }
  expect_holds(*runs, model);
  runs = rig.must_open(manifest);
  expect_holds(*runs, model);
}

TEST(SortedRuns, filter_and_directory_cost_little_more_than_two_bytes_a_key) {
  RunsRig rig(16);
  auto runs = rig.must_open({});
  constexpr std::uint64_t count = 100'000;
  for (std::uint64_t i = 0; i < count; ++i)
    runs->insert({make_u128(i * 0x9e3779b97f4a7c15, i), 0}, i);
  runs->freeze();
  ASSERT_TRUE(runs->write_frozen().has_value());
  runs->freeze();  // nothing came: the room that the table in memory kept for more is given back
  ASSERT_TRUE(runs->write_frozen().has_value());
  EXPECT_LE(runs->memory_bytes(), count * 21 / 10);
}

TEST(SortedRuns, a_malformed_manifest_is_data_loss_that_names_the_index) {
  RunsRig rig(16);
  auto runs = rig.must_open({});
  runs->insert({1, 0}, 1);
  runs->freeze();
  Buffer manifest = *runs->write_frozen();
  Buffer longer = manifest;
  longer.push_back(0);
  Buffer shorter(manifest.begin(), manifest.end() - 1);
  Buffer other_key_size = manifest;
  other_key_size[0] = 24;
  for (const Buffer& wrong : {longer, shorter, other_key_size}) {
    auto opened = rig.open(wrong);
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, Code::data_loss);
    EXPECT_EQ(opened.error().message, "the manifest of index ids is malformed");
  }
  Buffer more_pairs = manifest;
  more_pairs[24] = 2;  // pairs of the first run
  auto opened = rig.open(more_pairs);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_NE(opened.error().message.find("it holds 1 keys, the state checkpoint says 2"),
            std::string::npos)
      << opened.error().message;
  EXPECT_TRUE(rig.open(manifest).has_value()) << "a refused manifest must not cost any file";
}

TEST(SortedRuns, a_missing_run_is_data_loss_that_names_it) {
  RunsRig rig(24);
  auto runs = rig.must_open({});
  runs->insert({1, 2}, 3);
  runs->freeze();
  Buffer manifest = *runs->write_frozen();
  runs.reset();
  ASSERT_TRUE(rig.disk->remove(run_path("ids", 1)).has_value());
  auto opened = rig.open(manifest);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
  EXPECT_NE(opened.error().message.find(run_path("ids", 1)), std::string::npos)
      << opened.error().message;
}

TEST(SortedRuns, a_flipped_bit_is_found_and_named_and_never_gives_a_wrong_answer) {
  RunsRig rig(16);
  auto runs = rig.must_open({});
  RunModel model;
  for (std::uint64_t i = 0; i < 2'500; ++i) {
    const RunKey key{make_u128(i * 0x9e3779b97f4a7c15, i), 0};
    runs->insert(key, i);
    model[key] = i;
  }
  runs->freeze();
  const Buffer manifest = *runs->write_frozen();
  runs.reset();
  const std::string path = run_path("ids", 1);
  const std::uint64_t size = *(*rig.disk->open(path, io::OpenMode::read))->size();
  sim::Random random(3);
  for (int round = 0; round < 150; ++round) {
    // The header, the end with the trailer, and anywhere between.
    const std::uint64_t offset = round < 30   ? random.below(128)
                                 : round < 60 ? size - 1 - random.below(200)
                                              : random.below(size);
    const auto bit = static_cast<unsigned>(random.below(8));
    ASSERT_TRUE(rig.disk->flip_bit(path, offset, bit).has_value());
    std::optional<Error> found_damage;
    if (auto opened = rig.open(manifest); !opened) {
      found_damage = opened.error();
    } else {
      std::size_t number = 0;
      for (const auto& [key, value] : model) {
        if (number++ % 101 != 0) continue;  // some of every frame
        auto found = (*opened)->find(key);
        if (!found) {
          found_damage = found.error();
        } else {
          ASSERT_EQ(*found, std::optional(value)) << "offset " << offset;
        }
      }
    }
    ASSERT_TRUE(found_damage.has_value()) << "offset " << offset << " bit " << bit;
    EXPECT_NE(found_damage->message.find(path), std::string::npos) << found_damage->message;
    EXPECT_TRUE(found_damage->code == Code::data_loss ||
                found_damage->code == Code::failed_precondition)
        << found_damage->message;
    ASSERT_TRUE(rig.disk->flip_bit(path, offset, bit).has_value());
  }
  expect_holds(*rig.must_open(manifest), model);
}

TEST(SortedRuns, the_files_of_live_runs_are_checked_and_those_merged_away_need_not_be_right) {
  RunsRig rig(16);
  auto runs = rig.must_open({});
  std::uint64_t next = 0;
  const auto write = [&] {
    for (int i = 0; i < 40; ++i, ++next) runs->insert({next, 0}, next);
    runs->freeze();
    EXPECT_TRUE(runs->write_frozen().has_value());
  };
  for (int i = 0; i < 3; ++i) write();
  const std::vector<std::uint64_t> before = runs->live_runs();
  ASSERT_EQ(before.size(), 3U);
  ASSERT_TRUE(rig.disk->flip_bit(run_path("ids", before[1]), 200).has_value());
  EXPECT_TRUE(runs->check_run(before[0], 0, 1 << 20)->is_whole);
  EXPECT_EQ(runs->check_run(before[1], 0, 1 << 20).error().code, Code::data_loss);
  EXPECT_TRUE(runs->check_run(99, 0, 1 << 20)->is_whole);
  ASSERT_TRUE(rig.disk->flip_bit(run_path("ids", before[1]), 200).has_value());
  write();
  while (runs->merge_some().value()) {
  }
  EXPECT_EQ(runs->live_runs().size(), 1U);
  ASSERT_TRUE(rig.disk->flip_bit(run_path("ids", before[1]), 200).has_value());
  EXPECT_TRUE(runs->check_run(before[1], 0, 1 << 20)->is_whole);
  EXPECT_TRUE(runs->check_run(runs->live_runs()[0], 0, 1 << 20)->is_whole);
}

TEST(SortedRuns, a_run_put_in_the_place_of_another_is_refused) {
  RunsRig rig(16);
  auto runs = rig.must_open({});
  runs->insert({1, 0}, 1);
  runs->freeze();
  ASSERT_TRUE(runs->write_frozen().has_value());
  runs->insert({2, 0}, 2);
  runs->freeze();
  const Buffer manifest = *runs->write_frozen();
  runs.reset();
  ASSERT_TRUE(rig.disk->rename(run_path("ids", 1), run_path("ids", 2)).has_value());
  auto opened = rig.open(manifest);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::data_loss);
}

TEST(SortedRuns, a_failed_write_leaves_the_index_whole_and_is_reported) {
  for (const sim::DiskOperation operation :
       {sim::DiskOperation::create, sim::DiskOperation::write, sim::DiskOperation::sync,
        sim::DiskOperation::sync_directory}) {
    RunsRig rig(16);
    auto runs = rig.must_open({});
    runs->insert({1, 0}, 11);
    runs->freeze();
    rig.disk->fail_next(operation, Code::resource_exhausted);
    auto written = runs->write_frozen();
    ASSERT_FALSE(written.has_value()) << static_cast<int>(operation);
    EXPECT_EQ(written.error().code, Code::resource_exhausted);
    EXPECT_EQ(*runs->find({1, 0}), std::optional<std::uint64_t>(11));
    // Once there is room the same keys can be written.
    auto again = runs->write_frozen();
    ASSERT_TRUE(again.has_value()) << again.error().message;
    RunModel model{{{1, 0}, 11}};
    expect_holds(*rig.must_open(*again), model);
  }
}

/// apply inserts and finds, checkpoint writes runs, a reader asks for ranges: all at once.
TEST(SortedRuns, three_threads_work_at_once) {
  for (const std::size_t key_size : {std::size_t{16}, std::size_t{24}}) {
    RunsRig rig(key_size);
    auto runs = rig.must_open({});
    auto apply = io::os_executor("apply");
    auto checkpoint = io::os_executor("checkpoint");
    auto reader = io::os_executor("reader");
    std::atomic<std::uint64_t> inserted{0};
    std::atomic<bool> stop{false};
    const auto key_of = [&](std::uint64_t i) {
      return key_size == 16 ? RunKey{make_u128(i, 3), 0} : RunKey{i % 7, i};
    };
    reader->post([&] {
      sim::Random random(5);
      while (!stop) {
        const std::uint64_t known = inserted;
        if (known == 0) continue;
        const std::uint64_t i = random.below(known);
        auto found = runs->find_range(key_of(i), key_of(i), 1, false);
        ASSERT_TRUE(found.has_value());
        ASSERT_EQ(found->size(), 1U) << i << " of " << known;
        ASSERT_EQ(found->front().value, i);
        if (key_size == 24 || random.below(20) == 0) {
          auto some = runs->find_range(key_of(i), {u128_max, ~std::uint64_t{0}}, 5, i % 2 == 0);
          ASSERT_TRUE(some.has_value());
          ASSERT_FALSE(some->empty());
        }
        ASSERT_GE(runs->size(), known);
        ASSERT_GT(runs->memory_bytes(), 0U);
      }
    });
    std::uint64_t next = 0;
    for (int round = 0; round < 12; ++round) {
      apply->post([&] {
        for (int i = 0; i < 300; ++i, ++next) {
          runs->insert(key_of(next), next);
          inserted = next + 1;
          ASSERT_EQ(*runs->find(key_of(next / 2)), std::optional(next / 2));
        }
        runs->freeze();
      });
      apply->drain();
      checkpoint->post([&] {
        ASSERT_TRUE(runs->write_frozen().has_value());
        ASSERT_TRUE(runs->retire().has_value());
      });
      apply->post([&] {
        for (int i = 0; i < 300; ++i, ++next) {
          runs->insert(key_of(next), next);
          inserted = next + 1;
          runs->prefetch(key_of(next / 3));
          ASSERT_EQ(*runs->find(key_of(next / 3)), std::optional(next / 3));
          ASSERT_EQ(*runs->find(key_of(next + 1'000'000)), std::nullopt);
        }
      });
      checkpoint->drain();
      apply->drain();
    }
    stop = true;
    reader->drain();
  }
}

TEST(SortedRuns, a_run_of_pairs_at_hand_holds_what_inserts_would) {
  for (const std::size_t key_size : {16, 24}) {
    RunsRig rig(key_size);
    sim::Random random(key_size);
    auto runs = rig.must_open({});
    RunModel model;
    std::uint64_t value = 0;
    for (int round = 0; round < 5; ++round) {
      std::vector<Pair> pairs;
      for (int i = 0; i < 3'000; ++i) {
        const RunKey key = rig.random_key(random);
        if (model.emplace(key, value).second) pairs.push_back({key, value++});
      }
      std::vector<Pair> repeated(pairs.begin(), pairs.begin() + 10);  // the first counts
      for (Pair& pair : repeated) pairs.push_back({pair.key, value});
      ASSERT_TRUE(runs->add_run(pairs).has_value());
      while (*runs->merge_some()) {
      }
      ASSERT_NO_FATAL_FAILURE(expect_holds(*runs, model));
    }
    ASSERT_TRUE(runs->add_run({}).has_value());
    runs = rig.must_open(*runs->write_frozen());
    ASSERT_NO_FATAL_FAILURE(expect_holds(*runs, model));
  }
}

}  // namespace
}  // namespace meridian::storage
