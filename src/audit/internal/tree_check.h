// The Merkle tree over the headers as read, against tiles, segment roots and signed heads.
//
// Works on its own executor; batches come in order. Where a header and the tile's leaf disagree, a
// second tree follows the tiles: the root that a signed head confirms tells which of both is
// damaged.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "audit/internal/findings.h"
#include "audit/internal/header_batch.h"
#include "proof/merkle.h"
#include "storage/record_store.h"
#include "storage/tile_store.h"

namespace meridian::audit::internal {

class TreeCheck {
 public:
  /// `covered`: records that every tile and segment must cover (a checkpoint said so).
  TreeCheck(storage::RecordStore& records, storage::TileStore& tiles, std::uint64_t covered,
            Findings& findings);

  /// A head that the tree must have had; a batch must end there.
  void expect(const proof::TreeHead& head, std::string what);
  void add(const HeaderBatch& batch);
  void finish();

  /// Of a header as it was read; records that no checkpoint covers only.
  std::optional<proof::Hash> leaf_of_header(std::uint64_t record) const;
  proof::TreeHead head() const { return frontier_.head(); }

 private:
  struct Expected {
    proof::Hash root;
    std::string what;
  };
  void read_stored_leaves(const HeaderBatch& batch);
  void check_completed(std::uint64_t first);
  void check_heads();
  void check_segment(std::uint64_t number, const proof::Hash& root);
  void settle(bool headers_right);

  storage::RecordStore& records_;
  storage::TileStore& tiles_;
  const std::uint64_t covered_;
  Findings& findings_;
  std::map<std::uint64_t, std::vector<Expected>> expected_;
  proof::Frontier frontier_;
  std::optional<proof::Frontier> by_tiles_;  ///< Since the first disagreement.
  std::vector<std::uint64_t> disputed_;      ///< Records whose header and leaf disagree.
  std::array<bool, storage::TileStore::levels> missing_told_{};
  bool broken_ = false;  ///< A record without header and without leaf: no root from here on.
  proof::TileHashes completed_;
  proof::Hashes stored_, leaves_;
  std::vector<std::optional<proof::Hash>> tail_;  ///< From record covered_ on.
};

}  // namespace meridian::audit::internal
