#include "proof/merkle_tree.h"

#include <fmt/format.h>

#include <bit>

#include "base/assert.h"

namespace meridian::proof {

void MerkleTree::append(const Hash& leaf) {
  levels_[0].push_back(leaf);
  for (std::size_t level = 0; levels_[level].size() % 2 == 0; ++level) {
    if (level + 1 == levels_.size()) levels_.emplace_back();
    const Hashes& below = levels_[level];
    levels_[level + 1].push_back(node_hash(below[below.size() - 2], below.back()));
  }
}

TreeHead MerkleTree::head() const {
  std::uint64_t size = levels_[0].size();
  return {TreeSize{size}, size == 0 ? empty_root() : range_root(0, size)};
}

Result<TreeHead> MerkleTree::head_at(TreeSize size) const {
  if (raw(size) > levels_[0].size()) {
    return fail(Code::out_of_range,
                fmt::format("no head at {}: the tree has {}", raw(size), levels_[0].size()));
  }
  return TreeHead{size, raw(size) == 0 ? empty_root() : range_root(0, raw(size))};
}

Result<ProofPath> MerkleTree::prove_inclusion(LeafIndex index, TreeSize size) const {
  if (raw(size) > levels_[0].size() || raw(index) >= raw(size)) {
    return fail(Code::out_of_range, "no such leaf or tree size");
  }
  ProofPath path;
  prove_leaf(raw(index), 0, raw(size), path);
  return path;
}

Result<ProofPath> MerkleTree::prove_consistency(TreeSize old_size, TreeSize new_size) const {
  if (raw(old_size) == 0 || raw(old_size) > raw(new_size) || raw(new_size) > levels_[0].size()) {
    return fail(Code::out_of_range, "no such pair of tree sizes");
  }
  ProofPath path;
  prove_prefix(raw(old_size), 0, raw(new_size), true, path);
  return path;
}

Result<Hashes> MerkleTree::read(std::size_t level, std::uint64_t first, std::size_t count) {
  ++reads_;
  std::size_t height = level * tile_height;
  std::uint64_t there = height < levels_.size() ? levels_[height].size() : 0;
  if (first % tile_width != 0 || count == 0 || count > tile_width || first > there ||
      count > there - first) {
    return fail(Code::out_of_range, fmt::format("no hashes [{}, {} + {}) at tile level {}", first,
                                                first, count, level));
  }
  auto begin = levels_[height].begin() + static_cast<std::ptrdiff_t>(first);
  return Hashes(begin, begin + static_cast<std::ptrdiff_t>(count));
}

// MTH of RFC 9162 section 2.1.1, with complete subtrees looked up.
Hash MerkleTree::range_root(std::uint64_t begin, std::uint64_t end) const {
  std::uint64_t size = end - begin;
  ASSERT(size > 0);
  auto height = static_cast<std::size_t>(std::bit_width(size) - 1);
  if (std::has_single_bit(size) && begin % size == 0) {
    return levels_[height][static_cast<std::size_t>(begin >> height)];
  }
  std::uint64_t middle = begin + std::bit_floor(size - 1);
  return node_hash(range_root(begin, middle), range_root(middle, end));
}

// PATH of RFC 9162 section 2.1.3.1.
void MerkleTree::prove_leaf(std::uint64_t index, std::uint64_t begin, std::uint64_t end,
                            ProofPath& path) const {
  if (end - begin == 1) return;
  std::uint64_t middle = begin + std::bit_floor(end - begin - 1);
  if (index < middle) {
    prove_leaf(index, begin, middle, path);
    path.push_back(range_root(middle, end));
  } else {
    prove_leaf(index, middle, end, path);
    path.push_back(range_root(begin, middle));
  }
}

// SUBPROOF of RFC 9162 section 2.1.4.1.
void MerkleTree::prove_prefix(std::uint64_t size, std::uint64_t begin, std::uint64_t end,
                              bool whole, ProofPath& path) const {
  if (size == end) {
    if (!whole) path.push_back(range_root(begin, end));
    return;
  }
  std::uint64_t middle = begin + std::bit_floor(end - begin - 1);
  if (size <= middle) {
    prove_prefix(size, begin, middle, whole, path);
    path.push_back(range_root(middle, end));
  } else {
    prove_prefix(size, middle, end, false, path);
    path.push_back(range_root(begin, middle));
  }
}

}  // namespace meridian::proof
