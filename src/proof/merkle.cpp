// Tree shape: a tree of n leaves is a row of complete subtrees, one per set bit of n, largest
// first; its root folds them from the right. A complete subtree is a node (height, index) over the
// leaves [index << height, (index + 1) << height). Tile level k keeps the nodes of height 8 * k.
#include "proof/merkle.h"

#include <fmt/format.h>

#include <bit>

#include "base/assert.h"

namespace meridian::proof {

static_assert(tile_width == std::size_t{1} << tile_height);
static_assert(tree_size_max == std::uint64_t{1} << tree_height_max);

namespace {

bool bit(std::uint64_t value, std::size_t place) { return ((value >> place) & 1) != 0; }

/// Nodes of complete subtrees, read from tiles; each tile is read once.
class Nodes {
 public:
  Nodes(TileReader& tiles, std::uint64_t size) : tiles_(tiles), size_(size) {}

  Result<Hash> node(std::size_t height, std::uint64_t index) {
    std::size_t level = height / tile_height;
    std::size_t above = height % tile_height;
    std::uint64_t first = index << above;
    const Hashes* tile = TRY(read(level, first / tile_width));
    std::size_t at = static_cast<std::size_t>(first % tile_width);
    std::size_t count = std::size_t{1} << above;
    ASSERT(at + count <= tile->size());
    return root_of(std::span(*tile).subspan(at, count));
  }

 private:
  struct Tile {
    std::size_t level;
    std::uint64_t index;
    Hashes hashes;
  };

  Result<const Hashes*> read(std::size_t level, std::uint64_t index) {
    for (const Tile& tile : read_) {
      if (tile.level == level && tile.index == index) return &tile.hashes;
    }
    std::uint64_t first = index * tile_width;
    std::uint64_t there = (size_ >> (tile_height * level)) - first;
    std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(there, tile_width));
    Hashes hashes = TRY(tiles_.read(level, first, count));
    if (hashes.size() != count) {
      return fail(Code::data_loss,
                  fmt::format("tile level {} gave {} hashes from {} on instead of {}: the stored "
                              "tiles are shorter than the log; run `meridian verify`",
                              level, hashes.size(), first, count));
    }
    read_.push_back({level, index, std::move(hashes)});
    return &read_.back().hashes;
  }

  TileReader& tiles_;
  std::uint64_t size_;
  std::vector<Tile> read_;
};

/// The root of leaves [begin, end), where begin is a multiple of the smallest power of two that is
/// at least end - begin (so the range is a subtree of the RFC's tree).
Result<Hash> range_root(std::uint64_t begin, std::uint64_t end, Nodes& nodes) {
  ASSERT(begin < end);
  // Complete subtrees of the range from its small end; each is folded in on the left.
  std::uint64_t rest = end - begin;
  Hash root{};
  bool started = false;
  while (rest != 0) {
    auto height = static_cast<std::size_t>(std::countr_zero(rest));
    rest &= rest - 1;
    Hash left = TRY(nodes.node(height, (begin + rest) >> height));
    root = started ? node_hash(left, root) : left;
    started = true;
  }
  return root;
}

}  // namespace

Hash leaf_hash(Bytes leaf) { return crypto::Sha256().update(Byte{0x00}).update(leaf).finish(); }

Hash node_hash(const Hash& left, const Hash& right) {
  std::array<Byte, 65> bytes;
  bytes[0] = 0x01;
  std::memcpy(bytes.data() + 1, left.data(), 32);
  std::memcpy(bytes.data() + 33, right.data(), 32);
  return crypto::sha256(bytes);
}

Hash empty_root() { return crypto::sha256({}); }

Hash root_of(std::span<const Hash> leaf_hashes) {
  if (leaf_hashes.size() == 1) return leaf_hashes.front();
  Frontier frontier;
  for (const Hash& leaf : leaf_hashes) frontier.append(leaf);
  return frontier.root();
}

void TileHashes::clear() {
  for (Hashes& level : levels) level.clear();
}

Hash Frontier::root() const {
  std::uint64_t rest = raw(size_);
  if (rest == 0) return empty_root();
  Hash root = edge_[static_cast<std::size_t>(std::countr_zero(rest))];
  for (rest &= rest - 1; rest != 0; rest &= rest - 1) {
    root = node_hash(edge_[static_cast<std::size_t>(std::countr_zero(rest))], root);
  }
  return root;
}

void Frontier::append(const Hash& leaf) {
  std::uint64_t size = raw(size_);
  ASSERT(size < tree_size_max);
  Hash node = leaf;
  std::size_t height = 0;
  for (; bit(size, height); ++height) node = node_hash(edge_[height], node);
  edge_[height] = node;
  size_ = TreeSize{size + 1};
}

void Frontier::append(std::span<const Hash> leaves, TileHashes& completed) {
  if (leaves.empty()) return;
  std::uint64_t old_size = raw(size_);
  ASSERT(leaves.size() <= tree_size_max - old_size);
  // Height by height: `row` holds the nodes of this height that the batch completed.
  Hashes row(leaves.begin(), leaves.end());
  for (std::size_t height = 0; !row.empty(); ++height) {
    if (height % tile_height == 0) {
      Hashes& level = completed.levels[height / tile_height];
      level.insert(level.end(), row.begin(), row.end());
    }
    bool odd_before = bit(old_size, height);
    std::size_t next = 0;  // row[0, next) is the row above, written over the one that is read
    std::size_t from = 0;
    if (odd_before) {
      Hash first = row[0];
      row[next++] = node_hash(edge_[height], first);
      from = 1;
    }
    Hash odd_after{};
    bool has_odd_after = (row.size() - from) % 2 != 0;
    if (has_odd_after) odd_after = row.back();
    for (; from + 1 < row.size(); from += 2) row[next++] = node_hash(row[from], row[from + 1]);
    if (has_odd_after) edge_[height] = odd_after;
    row.resize(next);
  }
  size_ = TreeSize{old_size + leaves.size()};
}

Buffer Frontier::encode() const {
  Buffer bytes;
  ByteWriter writer(bytes);
  writer.u64(raw(size_));
  for (std::size_t height = tree_height_max + 1; height-- > 0;) {
    if (bit(raw(size_), height)) writer.bytes(edge_[height]);
  }
  return bytes;
}

Result<Frontier> Frontier::decode(Bytes bytes) {
  ByteReader reader(bytes);
  std::uint64_t size = reader.u64();
  if (!reader.ok() || size > tree_size_max) {
    return fail(Code::invalid_argument,
                fmt::format("Merkle frontier: size missing or above {}", tree_size_max));
  }
  std::size_t count = static_cast<std::size_t>(std::popcount(size));
  if (reader.remaining() != count * sizeof(Hash)) {
    return fail(Code::invalid_argument,
                fmt::format("Merkle frontier of {} leaves: {} bytes of hashes instead of {}", size,
                            reader.remaining(), count * sizeof(Hash)));
  }
  Hashes subtrees(count);
  for (Hash& subtree : subtrees) subtree = reader.array<sizeof(Hash)>();
  return from_subtrees(TreeSize{size}, subtrees);
}

Frontier Frontier::from_subtrees(TreeSize size, std::span<const Hash> subtrees) {
  ASSERT(raw(size) <= tree_size_max);
  ASSERT(subtrees.size() == static_cast<std::size_t>(std::popcount(raw(size))));
  Frontier frontier;
  frontier.size_ = size;
  std::size_t taken = 0;
  for (std::size_t height = tree_height_max + 1; height-- > 0;) {
    if (bit(raw(size), height)) frontier.edge_[height] = subtrees[taken++];
  }
  return frontier;
}

bool Frontier::operator==(const Frontier& other) const {
  if (size_ != other.size_) return false;
  for (std::size_t height = 0; height <= tree_height_max; ++height) {
    if (bit(raw(size_), height) && edge_[height] != other.edge_[height]) return false;
  }
  return true;
}

Result<Frontier> frontier_at(TreeSize size, TileReader& tiles) {
  if (raw(size) > tree_size_max) {
    return fail(Code::out_of_range, fmt::format("a tree has at most {} leaves", tree_size_max));
  }
  Nodes nodes(tiles, raw(size));
  Hashes subtrees;
  std::uint64_t begin = 0;
  for (std::size_t height = tree_height_max + 1; height-- > 0;) {
    if (!bit(raw(size), height)) continue;
    subtrees.push_back(TRY(nodes.node(height, begin >> height)));
    begin += std::uint64_t{1} << height;
  }
  return Frontier::from_subtrees(size, subtrees);
}

// RFC 9162 section 2.1.3.1: from the top down, the sibling of every node on the way to the leaf.
Result<ProofPath> prove_inclusion(LeafIndex index, TreeSize size, TileReader& tiles) {
  if (raw(size) > tree_size_max || raw(index) >= raw(size)) {
    return fail(Code::out_of_range,
                fmt::format("record {} is not in a tree of {}", raw(index), raw(size)));
  }
  Nodes nodes(tiles, raw(size));
  ProofPath path;
  std::uint64_t begin = 0;
  std::uint64_t end = raw(size);
  while (end - begin > 1) {
    std::uint64_t middle = begin + std::bit_floor(end - begin - 1);
    if (raw(index) < middle) {
      path.push_back(TRY(range_root(middle, end, nodes)));
      end = middle;
    } else {
      path.push_back(TRY(range_root(begin, middle, nodes)));
      begin = middle;
    }
  }
  std::ranges::reverse(path);
  return path;
}

// RFC 9162 section 2.1.4.1. `whole` is the RFC's b: the old tree is the range looked at itself, so
// the verifier knows its root already.
Result<ProofPath> prove_consistency(TreeSize old_size, TreeSize new_size, TileReader& tiles) {
  std::uint64_t old = raw(old_size);
  if (old == 0 || old > raw(new_size) || raw(new_size) > tree_size_max) {
    return fail(Code::out_of_range,
                fmt::format("no consistency proof from {} to {} records", old, raw(new_size)));
  }
  Nodes nodes(tiles, raw(new_size));
  ProofPath path;
  std::uint64_t begin = 0;
  std::uint64_t end = raw(new_size);
  bool whole = true;
  while (old != end) {
    std::uint64_t middle = begin + std::bit_floor(end - begin - 1);
    if (old <= middle) {
      path.push_back(TRY(range_root(middle, end, nodes)));
      end = middle;
    } else {
      path.push_back(TRY(range_root(begin, middle, nodes)));
      begin = middle;
      whole = false;
    }
  }
  if (!whole) path.push_back(TRY(range_root(begin, end, nodes)));
  std::ranges::reverse(path);
  return path;
}

// RFC 9162 section 2.1.3.2.
bool verify_inclusion(const TreeHead& head, LeafIndex index, const Hash& leaf,
                      const ProofPath& path) {
  if (raw(index) >= raw(head.size)) return false;
  std::uint64_t place = raw(index);
  std::uint64_t last = raw(head.size) - 1;
  Hash node = leaf;
  for (const Hash& sibling : path) {
    if (last == 0) return false;
    if (bit(place, 0) || place == last) {
      node = node_hash(sibling, node);
      while (!bit(place, 0) && place != 0) {
        place >>= 1;
        last >>= 1;
      }
    } else {
      node = node_hash(node, sibling);
    }
    place >>= 1;
    last >>= 1;
  }
  return last == 0 && node == head.root;
}

// RFC 9162 section 2.1.4.2.
bool verify_consistency(const TreeHead& old_head, const TreeHead& new_head, const ProofPath& path) {
  std::uint64_t old = raw(old_head.size);
  if (old == 0 || old > raw(new_head.size)) return false;
  if (old == raw(new_head.size)) return path.empty() && old_head.root == new_head.root;
  std::size_t taken = 0;
  Hash seed = old_head.root;  // a complete old tree is itself the first node
  if (!std::has_single_bit(old)) {
    if (path.empty()) return false;
    seed = path[taken++];
  }
  std::uint64_t place = old - 1;
  std::uint64_t last = raw(new_head.size) - 1;
  for (; bit(place, 0); place >>= 1) last >>= 1;
  Hash old_root = seed;
  Hash new_root = seed;
  for (; taken < path.size(); ++taken) {
    if (last == 0) return false;
    const Hash& node = path[taken];
    if (bit(place, 0) || place == last) {
      old_root = node_hash(node, old_root);
      new_root = node_hash(node, new_root);
      while (!bit(place, 0) && place != 0) {
        place >>= 1;
        last >>= 1;
      }
    } else {
      new_root = node_hash(new_root, node);
    }
    place >>= 1;
    last >>= 1;
  }
  return last == 0 && old_root == old_head.root && new_root == new_head.root;
}

}  // namespace meridian::proof
