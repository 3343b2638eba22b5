// Merkle hashing and proofs (RFC 9162 section 2.1, the same tree as RFC 6962): what makes the
// ledger tamper-evident.
//
// Lets anyone who kept an old TreeHead check that a record is in the log, and that the log has
// since only grown. Pure: no I/O, no clock, so equal appends give equal heads on every replica.
// `Frontier` is the writer's side: the right edge of the tree, enough to append and to give the
// root, 32 bytes per level; the hashes that tiles keep are handed to the caller to store.
// Proofs are computed from tiles by anything that can read them back (TileReader).
// Cost: append one node hash per leaf, amortised (0.1 us); a proof at most two tile reads per tile
// level (12 at 2^40 leaves) and 255 node hashes per tile read.
// Threading: one writer owns a Frontier; functions may run anywhere.
// Bytes: docs/formats/proof.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/sha256.h"

namespace meridian::proof {

using Hash = crypto::Digest;
using Hashes = std::vector<Hash>;

enum class LeafIndex : std::uint64_t {};  ///< Position of a leaf: 0-based, dense, never reused.
enum class TreeSize : std::uint64_t {};   ///< Count of leaves under a root.
constexpr std::uint64_t raw(LeafIndex index) { return static_cast<std::uint64_t>(index); }
constexpr std::uint64_t raw(TreeSize size) { return static_cast<std::uint64_t>(size); }

/// Bounds a tree to 2^40 leaves, a proof to 41 hashes and tiles to levels 0..5.
inline constexpr std::uint64_t tree_size_max = std::uint64_t{1} << 40;
inline constexpr std::size_t tree_height_max = 40;
inline constexpr std::size_t tile_height = 8;  ///< Tree levels per tile level (C2SP tlog-tiles).
inline constexpr std::size_t tile_width = 256;
inline constexpr std::size_t tile_level_count = tree_height_max / tile_height + 1;
inline constexpr std::size_t proof_size_max = tree_height_max + 1;

/// Commitment to the first `size` leaves. Checkpoints sign exactly these two fields.
struct TreeHead {
  TreeSize size{};
  Hash root{};
  bool operator==(const TreeHead&) const = default;
};
using ProofPath = Hashes;  ///< Sibling hashes, from the leaf up to the root.

Hash leaf_hash(Bytes leaf);                           ///< SHA-256(0x00 || leaf)
Hash node_hash(const Hash& left, const Hash& right);  ///< SHA-256(0x01 || left || right)
Hash empty_root();  ///< SHA-256 of nothing: the root of no leaves.
/// The root over `leaf_hashes`, e.g. of the chunks of a state checkpoint.
Hash root_of(std::span<const Hash> leaf_hashes);

/// Hashes that an append completed, per tile level: levels[0] the leaf hashes themselves, levels[1]
/// the roots of 256 leaves, and so on. Storage appends levels[k] to the tile file of level k; the
/// first one of level k has index (size before the append) >> (8 * k).
struct TileHashes {
  std::array<Hashes, tile_level_count> levels;
  void clear();  ///< Keeps the memory, for the next batch.
};

/// The right edge of a tree: the roots of its complete subtrees, one per set bit of the size.
class Frontier {
 public:
  TreeSize size() const { return size_; }
  /// The root of all leaves so far. Cost: at most 40 node hashes.
  Hash root() const;
  TreeHead head() const { return {size_, root()}; }

  /// Asserts that the tree stays within tree_size_max.
  void append(const Hash& leaf);
  /// Appends all and adds the completed hashes of every tile level to `completed` (not cleared).
  void append(std::span<const Hash> leaves, TileHashes& completed);

  /// Canonical bytes: size(8, little-endian), then one hash per set bit of size, highest first.
  Buffer encode() const;
  /// Errors: invalid_argument if `bytes` are not exactly what encode() gives for some frontier.
  static Result<Frontier> decode(Bytes bytes);
  /// From the complete subtrees of `size`, highest first; their count is popcount(size) (asserted).
  static Frontier from_subtrees(TreeSize size, std::span<const Hash> subtrees);

  bool operator==(const Frontier& other) const;

 private:
  TreeSize size_{};
  std::array<Hash, tree_height_max + 1> edge_{};  // [h] is used exactly if bit h of size_ is set
};

/// Reads tiles back. The log that is read must have at least the size that is asked about.
class TileReader {
 public:
  virtual ~TileReader() = default;
  /// The hashes [first, first + count) of tile level `level`. They lie within one tile: first is a
  /// multiple of 256 and 1 <= count <= 256. Gives exactly `count` hashes or an error.
  virtual Result<Hashes> read(std::size_t level, std::uint64_t first, std::size_t count) = 0;
};

// Computed from tiles: what is read is not checked against a root here; verify_* does that.
// Errors: out_of_range as named; what the reader fails with; data_loss if it gives another count.

/// The right edge as it was after `size` leaves: to go on appending, or for an old root.
Result<Frontier> frontier_at(TreeSize size, TileReader& tiles);
/// Shows that leaf `index` is under the head of `size`. Errors: out_of_range unless index < size
/// <= tree_size_max.
Result<ProofPath> prove_inclusion(LeafIndex index, TreeSize size, TileReader& tiles);
/// Shows that the first `old_size` leaves are unchanged under the head of `new_size`.
/// Errors: out_of_range unless 0 < old_size <= new_size <= tree_size_max.
Result<ProofPath> prove_consistency(TreeSize old_size, TreeSize new_size, TileReader& tiles);

// Clients, auditors and the CLI verify without a log. A bad proof gives false, never an assertion.
bool verify_inclusion(const TreeHead& head, LeafIndex index, const Hash& leaf,
                      const ProofPath& path);
bool verify_consistency(const TreeHead& old_head, const TreeHead& new_head, const ProofPath& path);

}  // namespace meridian::proof
