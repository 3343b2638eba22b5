#include "storage/tile_store.h"

#include <gtest/gtest.h>

#include <array>

#include "proof/merkle.h"
#include "sim/disk.h"
#include "sim/random.h"

namespace meridian::storage {
namespace {

static_assert(TileStore::levels == proof::tile_level_count);

crypto::Digest hash_of(std::uint8_t level, std::uint64_t index, std::uint64_t salt) {
  sim::Random random(index * 8 + level + (salt << 40));
  crypto::Digest digest;
  for (Byte& byte : digest) byte = static_cast<Byte>(random.next());
  return digest;
}

std::uint64_t count_at(std::uint8_t level, std::uint64_t records) { return records >> (8 * level); }

/// The salt with which each record's hashes were made; level L hash i has that of its last record.
struct Model {
  std::vector<std::uint8_t> salts;
  crypto::Digest hash(std::uint8_t level, std::uint64_t index) const {
    return hash_of(level, index, salts[((index + 1) << (8 * level)) - 1]);
  }
};

Status append(TileStore& store, Model& model, std::uint64_t records, std::uint8_t salt) {
  std::uint64_t before = model.salts.size();
  model.salts.insert(model.salts.end(), records, salt);
  for (std::uint8_t level = 0; level < 3; ++level) {
    std::vector<crypto::Digest> hashes;
    for (std::uint64_t i = count_at(level, before); i < count_at(level, before + records); ++i) {
      hashes.push_back(model.hash(level, i));
    }
    TRY(store.append(level, hashes));
  }
  return {};
}

void expect_all(TileStore& store, const Model& model) {
  for (std::uint8_t level = 0; level < 3; ++level) {
    std::uint64_t count = count_at(level, model.salts.size());
    ASSERT_EQ(store.count(level), count);
    auto hashes = store.read(level, 0, count);
    ASSERT_TRUE(hashes.has_value()) << hashes.error().message;
    for (std::uint64_t i = 0; i < count; ++i) ASSERT_EQ((*hashes)[i], model.hash(level, i)) << i;
  }
}

TEST(TileStore, missing_hashes_are_named_and_reads_past_the_end_refused) {
  sim::Disk disk;
  Model model;
  auto store = TileStore::open(disk, 0);
  ASSERT_TRUE(store.has_value());
  ASSERT_TRUE(append(**store, model, 600, 1).has_value());
  EXPECT_EQ((*store)->read(0, 599, 2).error().code, Code::out_of_range);
  EXPECT_EQ((*store)->read(1, 3, 1).error().code, Code::out_of_range);
  EXPECT_TRUE((*store)->read(1, 2, 0).has_value());
  auto more = TileStore::open(disk, 601);
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.error().code, Code::data_loss);
  EXPECT_NE(more.error().message.find("hash 600 of tile level 0"), std::string::npos);
  ASSERT_TRUE(disk.remove("tiles/1/00000000").has_value());
  auto gone = TileStore::open(disk, 600);
  ASSERT_FALSE(gone.has_value());
  EXPECT_NE(gone.error().message.find("hash 0 of tile level 1"), std::string::npos);
}

TEST(TileStore, reads_equal_the_model_across_files_and_restarts) {
  sim::Disk disk;
  Model model;
  auto store = TileStore::open(disk, 0);
  sim::Random random(1);
  while (model.salts.size() < 140'000) {
    ASSERT_TRUE(
        append(**store, model, 1 + random.below(9000), static_cast<std::uint8_t>(random.below(200)))
            .has_value());
    if (random.chance(0.3)) {
      model.salts.resize(model.salts.size() - random.below(model.salts.size() / 3 + 1));
      store = TileStore::open(disk, model.salts.size());
      ASSERT_TRUE(store.has_value()) << store.error().message;
      ASSERT_NO_FATAL_FAILURE(expect_all(**store, model));
    }
  }
  auto read_only = TileStore::open_read_only(disk);
  ASSERT_TRUE(read_only.has_value());
  expect_all(**read_only, model);
}

TEST(TileStore, after_an_error_nothing_is_appended) {
  sim::Disk disk;
  Model model;
  auto store = TileStore::open(disk, 0);
  ASSERT_TRUE(append(**store, model, 10, 1).has_value());
  disk.fail_next(sim::DiskOperation::write, Code::resource_exhausted);
  Model lost = model;
  EXPECT_EQ(append(**store, lost, 10, 1).error().code, Code::resource_exhausted);
  EXPECT_EQ(append(**store, lost, 10, 1).error().code, Code::failed_precondition);
  EXPECT_EQ((*store)->sync().error().code, Code::failed_precondition);
}

TEST(TileStore, damaged_hashes_are_written_again) {
  sim::Disk disk;
  Model model;
  auto store = TileStore::open(disk, 0);
  ASSERT_TRUE(append(**store, model, 70'000, 1).has_value());
  ASSERT_TRUE((*store)->sync().has_value());
  for (const std::uint64_t at : {65'535U, 65'536U})
    ASSERT_TRUE(disk.flip_bit("tiles/0/0000000" + std::to_string(at / 65'536), at % 65'536 * 32)
                    .has_value());
  EXPECT_NE((*store)->read(0, 65'535, 1)->front(), model.hash(0, 65'535));
  const std::vector<crypto::Digest> right{model.hash(0, 65'535), model.hash(0, 65'536)};
  EXPECT_EQ((*store)->rewrite(0, 69'999, right).error().code, Code::out_of_range);
  ASSERT_TRUE((*store)->rewrite(0, 65'535, right).has_value());
  ASSERT_NO_FATAL_FAILURE(expect_all(**store, model));
  ASSERT_TRUE(append(**store, model, 1'000, 2).has_value());
  ASSERT_NO_FATAL_FAILURE(expect_all(**store, model));
  store = TileStore::open(disk, model.salts.size());
  ASSERT_NO_FATAL_FAILURE(expect_all(**store, model));
}

TEST(TileStore, a_file_that_is_gone_is_made_again) {
  sim::Disk disk;
  Model model;
  {
    auto store = TileStore::open(disk, 0);
    ASSERT_TRUE(append(**store, model, 1'000, 1).has_value());
    ASSERT_TRUE((*store)->sync().has_value());
  }
  auto store = TileStore::open(disk, 1'000);
  ASSERT_TRUE(disk.remove("tiles/0/00000000").has_value());
  std::vector<crypto::Digest> right;
  for (std::uint64_t i = 0; i < 1'000; ++i) right.push_back(model.hash(0, i));
  ASSERT_TRUE((*store)->rewrite(0, 0, right).has_value());
  auto crashed = disk.crash(1);
  store = TileStore::open(*crashed, 1'000);
  ASSERT_TRUE(store.has_value()) << store.error().message;
  ASSERT_NO_FATAL_FAILURE(expect_all(**store, model));
}

// Each hash is right or as it was, whatever became of the call.
TEST(TileStore, a_crash_while_hashes_are_written_again_damages_no_other) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    auto disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
    Model model;
    auto store = TileStore::open(*disk, 0);
    ASSERT_TRUE(append(**store, model, 3'000, 1).has_value());
    ASSERT_TRUE((*store)->sync().has_value());
    ASSERT_TRUE(disk->flip_bit("tiles/0/00000000", 32 * 1'000 + 5).has_value());
    std::vector<crypto::Digest> right;
    for (std::uint64_t i = 900; i < 1'100; ++i) right.push_back(model.hash(0, i));
    disk->crash_at_mutation(disk->mutation_count() + 1 + seed % 3);
    const bool done = (*store)->rewrite(0, 900, right).has_value();
    disk = disk->crash(seed);
    auto reopened = TileStore::open(*disk, 3'000);
    ASSERT_TRUE(reopened.has_value()) << reopened.error().message;
    const auto hashes = (*reopened)->read(0, 0, 3'000);
    for (std::uint64_t i = 0; i < 3'000; ++i) {
      if (i == 1'000 && !done) continue;
      ASSERT_EQ((*hashes)[i], model.hash(0, i)) << i;
    }
  }
}

TEST(TileStore, what_was_synced_survives_every_crash) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    sim::Random random(seed);
    auto disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed});
    Model synced;
    for (std::uint8_t life = 0; life < 4; ++life) {
      disk->crash_at_mutation(disk->mutation_count() + 1 + random.below(60));
      auto store = TileStore::open(*disk, synced.salts.size());
      ASSERT_TRUE(store.has_value() || disk->has_crashed()) << store.error().message;
      Model model = synced;
      while (store && append(**store, model, 1 + random.below(1200), life).has_value()) {
        if (!random.chance(0.3)) continue;
        if (!(*store)->sync()) break;
        synced = model;
        synced.salts.resize(model.salts.size() - random.below(2));
      }
      disk = disk->crash(random.next());
      auto reopened = TileStore::open(*disk, synced.salts.size());
      ASSERT_TRUE(reopened.has_value()) << reopened.error().message;
      ASSERT_NO_FATAL_FAILURE(expect_all(**reopened, synced));
    }
  }
}

}  // namespace
}  // namespace meridian::storage
