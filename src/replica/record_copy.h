// Copies records into a directory that holds a beginning of them, each piece checked by itself.
//
// A piece counts only if the tree with it is a part of the one aimed at (a consistency proof from
// its end), if every header is canonical and stands in its place, and if the payload of every event
// is there and matches its commitment. What a crash left of an earlier copy is found again: whole
// segments, whose headers and payloads are read and hashed once more before they count. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "ledger/header.h"
#include "proof/merkle.h"
#include "replica/state_copy.h"
#include "storage/record_store.h"
#include "storage/sealed_file.h"
#include "storage/tile_store.h"

namespace meridian::replica {

class RecordCopy {
 public:
  using Visit = std::function<Status(const ledger::Header&)>;

  /// `covered` is what the directory holds for sure; segments past it that are whole are kept if
  /// prove() finds them right. `target` is of more records than that (asserted).
  static Result<std::unique_ptr<RecordCopy>> open(const storage::SealedContext& context,
                                                  const proof::Frontier& covered,
                                                  const proof::TreeHead& target);

  /// The record wanted next; what lies below it is here.
  std::uint64_t next() const { return raw(frontier_.size()); }
  bool is_complete() const { return next() == raw(target_.size); }
  /// False until what is here is known to be a part of the target.
  bool is_proven() const { return proven_; }
  /// `proof` is a piece without records, asked for next(). True if all that is here stays; false
  /// if what an earlier copy left is not a part of the target: it is dropped, ask again for the
  /// new next(). Errors: failed_precondition if what is covered is none either, or the proof wrong.
  Result<bool> prove(const RecordsPiece& proof);
  /// Calls `visit` with the headers that are here and not covered, in order.
  Status visit_kept(const Visit& visit);

  /// Calls `visit` with each header, in order, before it is known whether the piece is right; then
  /// stores the records. Errors: invalid_argument saying what is wrong with the piece: nothing of
  /// it was stored; others: stop.
  Status add(const RecordsPiece& piece, const Visit& visit);
  /// add() in two halves, for two threads: check() counts the piece, and gives what its records
  /// completed of the tree; store() takes both, piece after piece in the same order. Errors: of
  /// check as of add; once store fails nothing counts.
  Result<proof::TileHashes> check(const RecordsPiece& piece, const Visit& visit);
  Status store(const RecordsPiece& piece, const proof::TileHashes& completed);
  /// Such a piece completed a segment: once it is durable, a copy that ends here goes on behind.
  static bool has_ended_segment(const proof::TileHashes& completed) {
    return !completed.levels[segment_level].empty();
  }
  /// Makes everything durable. May run beside add in another thread.
  Status sync();

  const proof::Frontier& frontier() const { return frontier_; }
  storage::RecordStore& records() { return *records_; }
  storage::TileStore& tiles() { return *tiles_; }

 private:
  static constexpr std::size_t segment_level = 2;  ///< One tile hash of it covers a segment.

  Error another_history() const;
  RecordCopy(const storage::SealedContext& context, const proof::Frontier& covered,
             const proof::TreeHead& target);
  Status find_whole_segments();
  Result<bool> read_segment(storage::RecordStore& found, std::uint64_t end);
  Status open_stores();
  bool leads_to_target(const proof::TreeHead& head, const proof::ProofPath& path) const;
  Status append_tiles(const proof::TileHashes& completed);

  storage::SealedContext context_;
  const proof::Frontier covered_;
  const proof::TreeHead target_;
  proof::Frontier frontier_;
  bool proven_ = false;
  std::unique_ptr<storage::RecordStore> records_;
  std::unique_ptr<storage::TileStore> tiles_;
};

/// Checks the headers and payloads of a piece, calling `visit` with each header. Gives their leaf
/// hashes; whether they lead to a root is for the caller to see. Errors: invalid_argument naming
/// the first record that is not right; what `visit` gives.
Result<proof::Hashes> check_piece(const RecordsPiece& piece, u128 cell,
                                  const RecordCopy::Visit& visit);

/// Reads the records [first, last) of a store, at best a segment at a time, and checks them as
/// those of a piece are checked, calling `visit` for each. Gives their leaf hashes. Errors:
/// data_loss naming the first record that is damaged or not right; what `visit` gives.
Result<proof::Hashes> check_stored_records(storage::RecordStore& store, u128 cell,
                                           std::uint64_t first, std::uint64_t last,
                                           const RecordCopy::Visit& visit);

}  // namespace meridian::replica
