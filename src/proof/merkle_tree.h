// A whole Merkle tree in memory: the simple model that tests compare with, and the tiles of small
// logs made by tools. Products keep a Frontier and tile files instead.
//
// Hashes by the recursive definition of RFC 9162 section 2.1, apart from Frontier's code, so that
// one checks the other. Cost: 64 bytes per leaf; a proof O(log^2 size). Not thread-safe.
#pragma once

#include <span>
#include <vector>

#include "proof/merkle.h"

namespace meridian::proof {

class MerkleTree : public TileReader {
 public:
  void append(const Hash& leaf);

  TreeHead head() const;
  /// Errors: out_of_range if size > head().size.
  Result<TreeHead> head_at(TreeSize size) const;
  Result<ProofPath> prove_inclusion(LeafIndex index, TreeSize size) const;
  Result<ProofPath> prove_consistency(TreeSize old_size, TreeSize new_size) const;

  /// Tiles, for prove_* of merkle.h and for exports. Errors: out_of_range past the end.
  Result<Hashes> read(std::size_t level, std::uint64_t first, std::size_t count) override;
  /// Calls of read() so far: proofs promise a bound.
  std::size_t reads() const { return reads_; }

 private:
  Hash range_root(std::uint64_t begin, std::uint64_t end) const;
  void prove_leaf(std::uint64_t index, std::uint64_t begin, std::uint64_t end,
                  ProofPath& path) const;
  void prove_prefix(std::uint64_t size, std::uint64_t begin, std::uint64_t end, bool whole,
                    ProofPath& path) const;

  /// levels_[k][i] is the root of leaves [i << k, (i + 1) << k); only complete subtrees are kept.
  std::vector<Hashes> levels_{1};
  std::size_t reads_ = 0;
};

}  // namespace meridian::proof
