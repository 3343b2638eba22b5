#include "replica/internal/chunk_copy.h"

#include <fmt/format.h>

#include <utility>

#include "ledger/ledger.h"
#include "proof/merkle.h"

namespace meridian::replica {

namespace {

Error wrong(std::string what) { return fail(Code::invalid_argument, std::move(what)); }

}  // namespace

ChunkCopy::ChunkCopy(storage::StateStore& states, const StateOffer& offer)
    : states_(states), offer_(offer) {
  if (const auto pin = states.pin()) here_ = pin->chunks();
}

std::optional<PieceRequest> ChunkCopy::plan() {
  const std::uint64_t of = offer_.record_index;
  if (!list_planned_) {
    list_planned_ = true;
    return PieceRequest{PieceKind::chunk_list, of, 0, offer_.chunk_count, {}};
  }
  if (!listed_) return std::nullopt;
  while (planned_ < list_.size()) {
    const storage::StateChunkInfo& chunk = list_[planned_++];
    if (chunk.size == 0 || is_here(chunk)) continue;
    return PieceRequest{PieceKind::chunk, of, 0, chunk.size, chunk.id};
  }
  return std::nullopt;
}

Result<bool> ChunkCopy::take(PieceRequest& request, Bytes piece) {
  return request.kind == PieceKind::chunk_list ? take_list(request, piece)
                                               : take_chunk(request, piece);
}

Result<bool> ChunkCopy::take_list(PieceRequest& request, Bytes bytes) {
  const ChunkListPiece piece = TRY(ChunkListPiece::decode(bytes));
  if (piece.first != request.first || piece.chunks.empty() ||
      piece.chunks.size() > request.last - request.first)
    return wrong("it lists other chunks than were asked for");
  if (!list_.empty() && !(list_.back().id < piece.chunks.front().id))
    return wrong("chunks are out of order");
  list_.insert(list_.end(), piece.chunks.begin(), piece.chunks.end());
  request.first = list_.size();
  if (list_.size() < offer_.chunk_count) return false;
  if (!is_list_right()) {
    list_.clear();
    request.first = 0;
    return wrong(fmt::format("the chunks listed do not give the state digest {}",
                             to_hex(offer_.state_digest)));
  }
  listed_ = true;
  TRY(begin());
  return true;
}

bool ChunkCopy::is_list_right() const {
  std::uint64_t total = 0;
  proof::Hashes leaves;
  for (const storage::StateChunkInfo& chunk : list_) {
    total += chunk.size;
    leaves.push_back(proof::leaf_hash(chunk.digest));
  }
  return proof::root_of(leaves) == offer_.state_digest && total == offer_.chunk_bytes;
}

Status ChunkCopy::begin() {
  TRY(states_.begin(offer_.record_index));
  return pass_what_is_here();
}

bool ChunkCopy::is_here(const storage::StateChunkInfo& chunk) const {
  const auto found = std::ranges::lower_bound(here_, chunk.id, {}, &storage::StateChunkInfo::id);
  return found != here_.end() && *found == chunk;
}

/// Chunks that need not be asked for, up to one that must be.
Status ChunkCopy::pass_what_is_here() {
  for (; done_ < list_.size(); ++done_) {
    const storage::StateChunkInfo& chunk = list_[done_];
    if (is_here(chunk)) {
      TRY(states_.keep(chunk.id));
    } else if (chunk.size == 0) {
      TRY(states_.add(chunk.id, chunk.digest, {}));
    } else {
      return {};
    }
    done_bytes_ += chunk.size;
  }
  return {};
}

Result<bool> ChunkCopy::take_chunk(PieceRequest& request, Bytes bytes) {
  const ChunkPiece piece = TRY(ChunkPiece::decode(bytes));
  const storage::StateChunkInfo& chunk = list_[done_];
  if (piece.id != request.chunk || piece.first != request.first || piece.bytes.empty() ||
      piece.bytes.size() > request.last - request.first)
    return wrong("it is another piece than was asked for");
  chunk_.insert(chunk_.end(), piece.bytes.begin(), piece.bytes.end());
  request.first = chunk_.size();
  if (chunk_.size() < chunk.size) return false;
  const bool is_right =
      ledger::chunk_digest(chunk.id.kind, chunk.id.number, chunk_) == chunk.digest;
  const Buffer whole = std::exchange(chunk_, {});
  if (!is_right) {
    request.first = 0;
    return wrong("the chunk's digest is not the one in the list");
  }
  TRY(states_.add(chunk.id, chunk.digest, whole));
  done_bytes_ += chunk.size;
  ++done_;
  TRY(pass_what_is_here());
  return true;
}

}  // namespace meridian::replica
