#include "proof/tile.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "proof/merkle_tree.h"

namespace meridian::proof {
namespace {

TEST(Tile, paths_are_those_of_the_specification) {
  EXPECT_EQ(tile_path({TileKind::hashes, 0, 0, 256}), "tile/0/000");
  EXPECT_EQ(tile_path({TileKind::hashes, 3, 1'234'067, 256}), "tile/3/x001/x234/067");
  EXPECT_EQ(tile_path({TileKind::hashes, 63, 1000, 1}), "tile/63/x001/000.p/1");
  EXPECT_EQ(tile_path({TileKind::entries, 0, 999, 255}), "tile/entries/999.p/255");
  EXPECT_EQ(tile_path({TileKind::entries, 0, 1'000'000, 256}), "tile/entries/x001/x000/000");
}

TEST(Tile, every_path_is_read_back) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 20'000; ++round) {
    TileId tile;
    tile.kind = random() % 2 == 0 ? TileKind::hashes : TileKind::entries;
    if (tile.kind == TileKind::hashes) tile.level = static_cast<std::uint8_t>(random() % 64);
    tile.index = (random() >> 8) >> (random() % 56);
    tile.width = static_cast<std::uint16_t>(1 + random() % 256);
    Result<TileId> parsed = parse_tile_path(tile_path(tile));
    ASSERT_TRUE(parsed.has_value()) << tile_path(tile) << ": " << parsed.error().message;
    ASSERT_EQ(*parsed, tile) << tile_path(tile);
  }
}

TEST(Tile, any_other_text_is_refused) {
  for (const char* path : {"",
                           "tile",
                           "tile/",
                           "tile/0",
                           "tile/0/",
                           "tile/0/00",
                           "tile/0/0000",
                           "tile/00/000",
                           "tile/64/000",
                           "tile/-1/000",
                           "tile/0/x000/001",
                           "tile/0/x001",
                           "tile/0/x001/",
                           "tile/0/001/002",
                           "tile/0/x001/x002",
                           "tile/0/000.p/0",
                           "tile/0/000.p/256",
                           "tile/0/000.p/01",
                           "tile/0/000.p/",
                           "tile/0/000.p",
                           "tile/0/000.p/1/",
                           "tile/0/000/",
                           "/tile/0/000",
                           "tile/0/000.p/1.p/1",
                           "tile/entries/0a0",
                           "tile/Entries/000",
                           "tile//000",
                           "tile/0/X001/000",
                           "tile/0/000 ",
                           "tile/data/000",
                           "tile/0/x999/x999/x999/x999/x999/999",
                           "tile/0/x072/x057/x594/x037/x927/936",
                           "tile/8/0/000"}) {
    Result<TileId> parsed = parse_tile_path(path);
    ASSERT_FALSE(parsed.has_value()) << path;
    EXPECT_EQ(parsed.error().code, Code::invalid_argument);
  }
  EXPECT_TRUE(parse_tile_path("tile/0/x072/x057/x594/x037/x927/935").has_value());  // 2^56 - 1
}

TEST(Tile, a_tree_of_70000_has_the_tiles_of_the_specification) {
  std::size_t full[3] = {};
  std::vector<TileId> partial;
  std::size_t bundles = 0;
  for (const TileId& tile : tiles_of(TreeSize{70'000})) {
    if (tile.kind == TileKind::entries) {
      ++bundles;
    } else if (tile.width == 256) {
      ++full[tile.level];
    } else {
      partial.push_back(tile);
    }
  }
  EXPECT_EQ(full[0], 273U);
  EXPECT_EQ(full[1], 1U);
  EXPECT_EQ(full[2], 0U);
  EXPECT_EQ(bundles, 274U);
  std::vector<TileId> expected = {
      {TileKind::hashes, 0, 273, 112}, {TileKind::hashes, 1, 1, 17}, {TileKind::hashes, 2, 0, 1}};
  EXPECT_EQ(partial, expected);
}

TEST(Tile, widths_equal_the_hashes_that_the_tree_has) {
  MerkleTree tree;
  Hash leaf = leaf_hash({});
  for (std::uint64_t size = 0; size < 1100; ++size) {
    for (std::uint8_t level = 0; level < 3; ++level) {
      for (std::uint64_t index = 0; index < 6; ++index) {
        std::uint16_t width = tile_width_at(level, index, TreeSize{size});
        auto has = [&](std::size_t count) {
          return tree.read(level, index * tile_width, count).has_value();
        };
        ASSERT_TRUE(width == 0 || has(width)) << size << " " << index;
        ASSERT_TRUE(width == 256 || !has(width + 1U)) << size << " " << index;
      }
    }
    tree.append(leaf);
  }
  EXPECT_EQ(tile_width_at(0, ~std::uint64_t{0}, TreeSize{500}), 0);
  EXPECT_EQ(tile_width_at(63, 0, TreeSize{500}), 0);
  EXPECT_TRUE(tiles_of(TreeSize{0}).empty());
}

TEST(Tile, hash_tiles_and_bundles_are_read_back_and_other_sizes_are_refused) {
  std::mt19937_64 random(6);
  Hashes hashes(17);
  for (Hash& hash : hashes) hash.fill(static_cast<Byte>(random()));
  Buffer bytes = encode_hash_tile(hashes);
  EXPECT_EQ(*decode_hash_tile(bytes, 17), hashes);
  EXPECT_FALSE(decode_hash_tile(bytes, 16).has_value());
  EXPECT_FALSE(decode_hash_tile(bytes, 18).has_value());

  std::vector<Buffer> entries;
  Buffer bundle;
  for (std::size_t size : {0UL, 1UL, 296UL, 65'535UL}) {
    entries.emplace_back(size, static_cast<Byte>(size));
    append_entry(bundle, entries.back());
  }
  std::vector<Bytes> decoded = *decode_entry_bundle(bundle, 4);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(equal(decoded[i], entries[i]));
  EXPECT_EQ(bundle[3], 1);  // u16 big-endian, behind the empty entry
  EXPECT_FALSE(decode_entry_bundle(bundle, 3).has_value());
  EXPECT_FALSE(decode_entry_bundle(bundle, 5).has_value());
  for (std::size_t cut = 1; cut < 70'000; cut += 997) {
    if (cut > bundle.size()) break;
    EXPECT_FALSE(decode_entry_bundle(Bytes(bundle).first(bundle.size() - cut), 4).has_value());
  }
}

}  // namespace
}  // namespace meridian::proof
