#include "storage/internal/run_file.h"

#include <gtest/gtest.h>

#include "storage/internal/runs_rig.h"

namespace meridian::storage {
namespace {

/// Writes a run of `count` pairs, key i at (i * 3 + 1).
std::shared_ptr<Run> make_run(RunsRig& rig, std::uint64_t count, std::size_t part_frame_bytes) {
  auto writer = RunWriter::create(rig.context(), rig.options, 1, count, part_frame_bytes);
  EXPECT_TRUE(writer.has_value()) << (writer ? "" : writer.error().message);
  for (std::uint64_t i = 0; i < count; ++i)
    EXPECT_TRUE(writer->add({{i * 3 + 1, 0}, i}).has_value());
  EXPECT_TRUE(writer->finish().has_value());
  auto run = Run::open(rig.context(), rig.options, 1, count);
  EXPECT_TRUE(run.has_value()) << (run ? "" : run.error().message);
  return run ? *run : nullptr;
}

/// Parts of 64 bytes stand for the 4 MiB ones that only 170 million keys fill.
TEST(RunFile, every_size_is_read_back_also_when_filter_and_directory_take_many_frames) {
  for (const std::size_t part : {std::size_t{64}, std::size_t{1} << 20}) {
    for (const std::uint64_t count : {0, 1, 2, 1'023, 1'024, 1'025, 2'048, 5'000}) {
      RunsRig rig(16);
      ASSERT_TRUE(rig.disk->make_directory("index/ids").has_value());
      auto run = make_run(rig, count, part);
      ASSERT_NE(run, nullptr);
      EXPECT_EQ(run->pairs(), count);
      EXPECT_EQ(run->frame_count(), (count + run_frame_pairs - 1) / run_frame_pairs);
      for (std::uint64_t i = 0; i < count; i += 1 + count / 500) {
        EXPECT_TRUE(run->filter().may_contain(stable_hash({i * 3 + 1, 0})));
        EXPECT_EQ(*run->find({i * 3 + 1, 0}), std::optional(i));
        EXPECT_EQ(*run->find({i * 3, 0}), std::nullopt);
        EXPECT_EQ(*run->find({i * 3 + 2, 0}), std::nullopt);
      }
      std::uint64_t next = 0;
      for (std::size_t frame = 0; frame < run->frame_count(); ++frame) {
        auto pairs = run->read_frame(frame);
        ASSERT_TRUE(pairs.has_value());
        for (const SortedRuns::Pair& pair : *pairs) EXPECT_EQ(pair.value, next++);
      }
      EXPECT_EQ(next, count);
    }
  }
}

TEST(RunFile, keys_compare_as_numbers_over_all_their_bytes) {
  RunsRig rig(24);
  ASSERT_TRUE(rig.disk->make_directory("index/ids").has_value());
  const std::vector<RunKey> keys = {{0, 1},
                                    {0, 256},
                                    {1, 0},
                                    {255, ~std::uint64_t{0}},
                                    {256, 0},
                                    {make_u128(1, 0), 5},
                                    {u128_max, ~std::uint64_t{0}}};
  auto writer = RunWriter::create(rig.context(), rig.options, 1, keys.size());
  ASSERT_TRUE(writer.has_value());
  for (std::size_t i = 0; i < keys.size(); ++i) ASSERT_TRUE(writer->add({keys[i], i}).has_value());
  ASSERT_TRUE(writer->finish().has_value());
  auto run = Run::open(rig.context(), rig.options, 1, keys.size());
  ASSERT_TRUE(run.has_value());
  for (std::size_t i = 0; i < keys.size(); ++i)
    EXPECT_EQ(*(*run)->find(keys[i]), std::optional<std::uint64_t>(i));
}

/// Of run 1 of a rig, `bytes` at a time.
Status check_whole_run(RunsRig& rig, std::uint64_t bytes, std::uint64_t* steps = nullptr) {
  std::uint64_t position = 0;
  while (true) {
    const auto next = TRY(check_run_frames(rig.context(), rig.options, 1, position, bytes));
    if (steps != nullptr) ++*steps;
    EXPECT_GT(next.position, position);
    if (next.is_whole) return {};
    position = next.position;
  }
}

TEST(RunFile, every_flipped_byte_and_every_cut_is_found_by_checking_the_frames) {
  RunsRig rig(16);
  ASSERT_TRUE(rig.disk->make_directory("index/ids").has_value());
  make_run(rig, 1'500, 64);
  auto file = rig.disk->open(run_path("ids", 1), io::OpenMode::read_write);
  const std::uint64_t size = *(*file)->size();
  std::uint64_t steps = 0;
  ASSERT_TRUE(check_whole_run(rig, 1, &steps).has_value());
  EXPECT_GT(steps, 10U);  // a frame at a time
  for (std::uint64_t at = 0; at < size; at += 1 + size / 700) {
    ASSERT_TRUE(rig.disk->flip_bit(run_path("ids", 1), at, at % 8).has_value());
    const Status found = check_whole_run(rig, 10'000);
    ASSERT_FALSE(found.has_value()) << "byte " << at << " of " << size;
    EXPECT_EQ(found.error().code, Code::data_loss);
    EXPECT_NE(found.error().message.find(run_path("ids", 1)), std::string::npos);
    ASSERT_TRUE(rig.disk->flip_bit(run_path("ids", 1), at, at % 8).has_value());
  }
  ASSERT_TRUE(check_whole_run(rig, 10'000).has_value());
  for (std::uint64_t keep = size; keep-- > 0; keep -= std::min(keep, size / 300)) {
    ASSERT_TRUE((*file)->truncate(keep).has_value());
    ASSERT_EQ(check_whole_run(rig, 10'000).error().code, Code::data_loss) << keep;
  }
  ASSERT_TRUE(rig.disk->remove(run_path("ids", 1)).has_value());
  EXPECT_EQ(check_whole_run(rig, 10'000).error().code, Code::data_loss);
}

TEST(RunFile, one_cut_short_is_damage_that_names_the_file) {
  RunsRig rig(16);
  ASSERT_TRUE(rig.disk->make_directory("index/ids").has_value());
  make_run(rig, 100, 1 << 20);
  auto file = rig.disk->open(run_path("ids", 1), io::OpenMode::read_write);
  const std::uint64_t size = *(*file)->size();
  for (const std::uint64_t keep : {size - 1, size / 2, std::uint64_t{129}, std::uint64_t{0}}) {
    ASSERT_TRUE((*file)->truncate(keep).has_value());
    auto run = Run::open(rig.context(), rig.options, 1, 100);
    ASSERT_FALSE(run.has_value());
    EXPECT_EQ(run.error().code, Code::data_loss);
    EXPECT_NE(run.error().message.find(run_path("ids", 1)), std::string::npos)
        << run.error().message;
  }
}

}  // namespace
}  // namespace meridian::storage
