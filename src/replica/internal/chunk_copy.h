// The chunks of an offered state: first their list, checked against the state digest, then those
// that this store does not have already, each checked against the list, into a checkpoint that is
// left to be committed. One thread.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "replica/state_copy.h"
#include "storage/state_store.h"

namespace meridian::replica {

class ChunkCopy {
 public:
  ChunkCopy(storage::StateStore& states, const StateOffer& offer);

  /// The next request to make, for the whole list or a whole chunk; none if an answer must come
  /// first, or all were made.
  std::optional<PieceRequest> plan();
  /// The answer to a request that plan() gave, in order. True if it is complete; else `request` is
  /// what to ask for next in its place. Errors: invalid_argument if it is wrong: likewise.
  Result<bool> take(PieceRequest& request, Bytes piece);
  bool is_complete() const { return listed_ && done_ == list_.size(); }
  std::uint64_t done_bytes() const { return done_bytes_; }

 private:
  Result<bool> take_list(PieceRequest& request, Bytes piece);
  Result<bool> take_chunk(PieceRequest& request, Bytes piece);
  bool is_list_right() const;
  Status begin();
  bool is_here(const storage::StateChunkInfo& chunk) const;
  Status pass_what_is_here();

  storage::StateStore& states_;
  const StateOffer& offer_;
  std::vector<storage::StateChunkInfo> here_;  ///< Of the store's newest checkpoint.
  std::vector<storage::StateChunkInfo> list_;
  bool list_planned_ = false;
  bool listed_ = false;                 ///< The list is whole and right.
  std::size_t planned_ = 0, done_ = 0;  ///< Chunks.
  std::uint64_t done_bytes_ = 0;
  Buffer chunk_;  ///< What has come of chunk `done_`.
};

}  // namespace meridian::replica
