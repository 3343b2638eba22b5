#include "proof/merkle.h"

#include <gtest/gtest.h>

#include <bit>
#include <random>

#include "proof/merkle_tree.h"

namespace meridian::proof {
namespace {

Hash leaf_of(std::uint64_t number) {
  Buffer bytes;
  ByteWriter(bytes).u64(number);
  return leaf_hash(bytes);
}

const Hashes& leaves() {
  static const Hashes made = [] {
    Hashes all(100'001);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = leaf_of(i);
    return all;
  }();
  return made;
}

MerkleTree tree_of(std::size_t size) {
  MerkleTree tree;
  for (std::size_t i = 0; i < size; ++i) tree.append(leaves()[i]);
  return tree;
}

Hash from_hex_text(std::string_view text) {
  Buffer bytes;
  EXPECT_TRUE(from_hex(text, bytes));
  Hash hash{};
  std::ranges::copy(bytes, hash.begin());
  return hash;
}

constexpr std::uint64_t edges[] = {1,      2,      3,      127,    128,    255,    256,
                                   257,    511,    512,    513,    65'279, 65'280, 65'281,
                                   65'535, 65'536, 65'537, 65'791, 65'792, 65'793, 100'000};

// The vectors that Certificate Transparency implementations share: eight leaves of 0..16 bytes.
TEST(Merkle, roots_equal_the_published_rfc_6962_vectors) {
  const char* inputs[] = {"",
                          "00",
                          "10",
                          "2021",
                          "3031",
                          "40414243",
                          "5051525354555657",
                          "606162636465666768696a6b6c6d6e6f"};
  const char* roots[] = {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                         "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                         "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                         "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  EXPECT_EQ(to_hex(empty_root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Frontier frontier;
  EXPECT_EQ(frontier.root(), empty_root());
  for (std::size_t i = 0; i < std::size(inputs); ++i) {
    Buffer bytes;
    ASSERT_TRUE(from_hex(inputs[i], bytes));
    frontier.append(leaf_hash(bytes));
    EXPECT_EQ(frontier.root(), from_hex_text(roots[i])) << i;
  }
}

TEST(Merkle, frontier_equals_the_recursive_model_at_every_size) {
  MerkleTree model;
  Frontier frontier;
  for (std::size_t size = 0; size < 1200; ++size) {
    ASSERT_EQ(frontier.head(), model.head()) << size;
    ASSERT_EQ(root_of(std::span(leaves()).first(size)), model.head().root) << size;
    frontier.append(leaves()[size]);
    model.append(leaves()[size]);
  }
}

TEST(Merkle, appending_in_batches_gives_the_same_edge_and_the_tile_hashes) {
  std::mt19937_64 random(7);
  MerkleTree model = tree_of(100'000);
  Frontier frontier;
  TileHashes completed;
  while (raw(frontier.size()) < 100'000) {
    std::uint64_t size = raw(frontier.size());
    std::uint64_t batch = random() % (random() % 3 == 0 ? 9000 : 300);
    batch = std::min(batch, 100'000 - size);
    frontier.append(std::span(leaves()).subspan(size, batch), completed);
    for (std::size_t level = 0; level < tile_level_count; ++level) {
      ASSERT_EQ(completed.levels[level].size(), (size + batch) >> (8 * level));
    }
    ASSERT_EQ(frontier.head(), *model.head_at(frontier.size()));
  }
  Frontier one_by_one;
  for (std::size_t i = 0; i < 100'000; ++i) one_by_one.append(leaves()[i]);
  EXPECT_TRUE(frontier == one_by_one);
  for (std::size_t level = 0; level < tile_level_count; ++level) {
    const Hashes& hashes = completed.levels[level];
    for (std::size_t first = 0; first < hashes.size(); first += 256) {
      std::size_t count = std::min<std::size_t>(256, hashes.size() - first);
      Hashes expected = *model.read(level, first, count);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(),
                             hashes.begin() + static_cast<std::ptrdiff_t>(first)));
    }
  }
}

TEST(Merkle, frontier_bytes_are_canonical) {
  Frontier frontier;
  for (std::size_t size = 0; size < 600; ++size) {
    Buffer bytes = frontier.encode();
    EXPECT_EQ(bytes.size(), 8 + 32 * static_cast<std::size_t>(std::popcount(size)));
    Result<Frontier> decoded = Frontier::decode(bytes);
    ASSERT_TRUE(decoded.has_value());
    ASSERT_TRUE(*decoded == frontier);
    ASSERT_EQ(decoded->root(), frontier.root());
    bytes.push_back(0);
    EXPECT_FALSE(Frontier::decode(bytes).has_value());
    bytes.resize(bytes.size() - 2);
    EXPECT_FALSE(Frontier::decode(bytes).has_value());
    frontier.append(leaves()[size]);
  }
  Buffer too_big;
  ByteWriter(too_big).u64(tree_size_max + 1);
  too_big.resize(8 + 64);
  EXPECT_FALSE(Frontier::decode(too_big).has_value());
  EXPECT_FALSE(Frontier::decode({}).has_value());
}

void expect_inclusion(MerkleTree& tree, std::uint64_t index, std::uint64_t size) {
  std::size_t reads_before = tree.reads();
  Result<ProofPath> path = prove_inclusion(LeafIndex{index}, TreeSize{size}, tree);
  ASSERT_TRUE(path.has_value()) << path.error().message;
  ASSERT_LE(tree.reads() - reads_before, 2 * tile_level_count);
  ASSERT_EQ(*path, *tree.prove_inclusion(LeafIndex{index}, TreeSize{size})) << index << "/" << size;
  TreeHead head = *tree.head_at(TreeSize{size});
  ASSERT_TRUE(verify_inclusion(head, LeafIndex{index}, leaves()[index], *path));
  ASSERT_FALSE(verify_inclusion(head, LeafIndex{index}, leaves()[index + 1], *path));
}

void expect_consistency(MerkleTree& tree, std::uint64_t old_size, std::uint64_t new_size) {
  std::size_t reads_before = tree.reads();
  Result<ProofPath> path = prove_consistency(TreeSize{old_size}, TreeSize{new_size}, tree);
  ASSERT_TRUE(path.has_value()) << path.error().message;
  ASSERT_LE(tree.reads() - reads_before, 2 * tile_level_count);
  ASSERT_EQ(*path, *tree.prove_consistency(TreeSize{old_size}, TreeSize{new_size}));
  TreeHead old_head = *tree.head_at(TreeSize{old_size});
  TreeHead new_head = *tree.head_at(TreeSize{new_size});
  ASSERT_TRUE(verify_consistency(old_head, new_head, *path)) << old_size << "/" << new_size;
  Frontier edge = *frontier_at(TreeSize{old_size}, tree);
  ASSERT_EQ(edge.head(), old_head);
}

TEST(Merkle, every_inclusion_proof_up_to_size_300_verifies_and_equals_the_model) {
  MerkleTree tree = tree_of(300);
  for (std::uint64_t size = 1; size <= 300; ++size) {
    for (std::uint64_t index = 0; index < size; ++index) {
      ASSERT_NO_FATAL_FAILURE(expect_inclusion(tree, index, size));
    }
  }
}

TEST(Merkle, every_consistency_proof_up_to_size_300_verifies_and_equals_the_model) {
  MerkleTree tree = tree_of(300);
  for (std::uint64_t new_size = 1; new_size <= 300; ++new_size) {
    for (std::uint64_t old_size = 1; old_size <= new_size; ++old_size) {
      ASSERT_NO_FATAL_FAILURE(expect_consistency(tree, old_size, new_size));
    }
  }
}

TEST(Merkle, proofs_verify_around_every_tile_edge) {
  MerkleTree tree = tree_of(100'000);
  for (std::uint64_t size : edges) {
    for (std::uint64_t index : edges) {
      for (std::uint64_t near : {index - 1, index}) {
        if (near < size) {
          ASSERT_NO_FATAL_FAILURE(expect_inclusion(tree, near, size));
        }
      }
      if (index <= size) {
        ASSERT_NO_FATAL_FAILURE(expect_consistency(tree, index, size));
      }
    }
  }
}

TEST(Merkle, proofs_verify_at_random_sizes) {
  std::mt19937_64 random(81);
  MerkleTree tree = tree_of(100'000);
  for (int round = 0; round < 3000; ++round) {
    std::uint64_t size = 1 + random() % 100'000;
    ASSERT_NO_FATAL_FAILURE(expect_inclusion(tree, random() % size, size));
    ASSERT_NO_FATAL_FAILURE(expect_consistency(tree, 1 + random() % size, size));
  }
}

TEST(Merkle, a_changed_proof_never_verifies) {
  std::mt19937_64 random(3);
  MerkleTree tree = tree_of(700);
  for (int round = 0; round < 4000; ++round) {
    std::uint64_t size = 1 + random() % 700;
    std::uint64_t index = random() % size;
    std::uint64_t old_size = 1 + random() % size;
    TreeHead head = *tree.head_at(TreeSize{size});
    TreeHead old_head = *tree.head_at(TreeSize{old_size});
    ProofPath inclusion = *tree.prove_inclusion(LeafIndex{index}, TreeSize{size});
    ProofPath consistency = *tree.prove_consistency(TreeSize{old_size}, TreeSize{size});
    std::uint64_t other = random() % 701;
    if (other != index) {
      EXPECT_FALSE(verify_inclusion(head, LeafIndex{other}, leaves()[index], inclusion));
    }
    for (ProofPath* path : {&inclusion, &consistency}) {
      ProofPath good = *path;
      std::size_t at = path->empty() ? 0 : random() % path->size();
      switch (random() % 3) {
        case 0:
          if (path->empty()) path->push_back(leaves()[0]);
          (*path)[at][random() % 32] ^= static_cast<Byte>(1U << (random() % 8));
          break;
        case 1: path->insert(path->begin() + static_cast<std::ptrdiff_t>(at), leaves()[5]); break;
        default:
          if (path->empty()) continue;
          path->erase(path->begin() + static_cast<std::ptrdiff_t>(at));
      }
      bool verified = path == &inclusion
                          ? verify_inclusion(head, LeafIndex{index}, leaves()[index], *path)
                          : verify_consistency(old_head, head, *path);
      EXPECT_FALSE(verified) << size << " " << index << " " << old_size;
    }
    TreeHead forged = head;
    forged.root[7] ^= 1;
    EXPECT_FALSE(verify_inclusion(forged, LeafIndex{index}, leaves()[index],
                                  *tree.prove_inclusion(LeafIndex{index}, TreeSize{size})));
  }
}

TEST(Merkle, a_right_root_under_a_wrong_size_or_old_root_is_refused) {
  MerkleTree tree = tree_of(40);
  // A leaf or complete subtree offered as the root of a larger tree.
  EXPECT_FALSE(verify_inclusion({TreeSize{2}, leaves()[0]}, LeafIndex{0}, leaves()[0], {}));
  for (std::uint64_t size = 1; size <= 40; ++size) {
    TreeHead head = *tree.head_at(TreeSize{size});
    ProofPath path = *tree.prove_inclusion(LeafIndex{0}, TreeSize{size});
    head.size = TreeSize{4 * size};
    EXPECT_FALSE(verify_inclusion(head, LeafIndex{0}, leaves()[0], path)) << size;
  }
  for (std::uint64_t old_size = 1; old_size < 40; ++old_size) {
    TreeHead old_head = *tree.head_at(TreeSize{old_size});
    ProofPath path = *tree.prove_consistency(TreeSize{old_size}, TreeSize{40});
    old_head.root[3] ^= 8;
    EXPECT_FALSE(verify_consistency(old_head, tree.head(), path)) << old_size;
  }
}

TEST(Merkle, positions_outside_of_the_tree_are_out_of_range) {
  MerkleTree tree = tree_of(10);
  EXPECT_EQ(prove_inclusion(LeafIndex{10}, TreeSize{10}, tree).error().code, Code::out_of_range);
  EXPECT_EQ(prove_inclusion(LeafIndex{0}, TreeSize{0}, tree).error().code, Code::out_of_range);
  EXPECT_EQ(prove_inclusion(LeafIndex{0}, TreeSize{11}, tree).error().code, Code::out_of_range);
  EXPECT_EQ(prove_inclusion(LeafIndex{0}, TreeSize{~0ULL}, tree).error().code, Code::out_of_range);
  EXPECT_EQ(prove_consistency(TreeSize{0}, TreeSize{5}, tree).error().code, Code::out_of_range);
  EXPECT_EQ(prove_consistency(TreeSize{6}, TreeSize{5}, tree).error().code, Code::out_of_range);
  EXPECT_EQ(frontier_at(TreeSize{tree_size_max + 1}, tree).error().code, Code::out_of_range);
  EXPECT_EQ(frontier_at(TreeSize{0}, tree)->root(), empty_root());
  TreeHead head = tree.head();
  EXPECT_FALSE(verify_inclusion({}, LeafIndex{0}, leaves()[0], {}));
  EXPECT_FALSE(verify_consistency({TreeSize{0}, empty_root()}, head, {}));
  EXPECT_TRUE(verify_consistency(head, head, {}));
}

TEST(Merkle, a_reader_that_gives_fewer_hashes_is_data_loss) {
  class Short : public TileReader {
   public:
    Result<Hashes> read(std::size_t, std::uint64_t, std::size_t count) override {
      return Hashes(count - 1);
    }
  } tiles;
  EXPECT_EQ(prove_inclusion(LeafIndex{3}, TreeSize{10}, tiles).error().code, Code::data_loss);
  EXPECT_EQ(frontier_at(TreeSize{10}, tiles).error().code, Code::data_loss);
}

// A tree of 2^40 equal leaves: every complete subtree of one height has the same hash.
TEST(Merkle, the_largest_tree_is_proven_with_at_most_twelve_reads) {
  class Uniform : public TileReader {
   public:
    Uniform() {
      Hash node = leaf_hash({});
      for (Hash& hash : by_height_) {
        hash = node;
        node = node_hash(node, node);
      }
    }
    Result<Hashes> read(std::size_t level, std::uint64_t, std::size_t count) override {
      ++reads;
      return Hashes(count, by_height_[level * tile_height]);
    }
    std::size_t reads = 0;

   private:
    std::array<Hash, tree_height_max + 1> by_height_;
  } tiles;
  for (std::uint64_t size : {tree_size_max, tree_size_max - 1}) {
    TreeHead head = frontier_at(TreeSize{size}, tiles)->head();
    tiles.reads = 0;
    ProofPath path = *prove_inclusion(LeafIndex{0x5555555555}, TreeSize{size}, tiles);
    EXPECT_LE(tiles.reads, 12U);
    EXPECT_LE(path.size(), proof_size_max);
    EXPECT_TRUE(verify_inclusion(head, LeafIndex{0x5555555555}, leaf_hash({}), path));
    tiles.reads = 0;
    ProofPath growth = *prove_consistency(TreeSize{0x5555555555}, TreeSize{size}, tiles);
    EXPECT_LE(tiles.reads, 12U);
    TreeHead old_head = frontier_at(TreeSize{0x5555555555}, tiles)->head();
    EXPECT_TRUE(verify_consistency(old_head, head, growth));
  }
}

}  // namespace
}  // namespace meridian::proof
