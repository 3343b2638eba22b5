// The taking side of a copy: makes a data directory hold what another replica offered.
//
// Pull-based, so that any transport carries it: ask next() for requests, hand add() the answers in
// any order. Every piece is checked before it counts: records against the offered Merkle root
// (each piece by itself, so a wrong one is named with the peer that gave it), payloads against
// their commitments, chunks against the offered state digest. Indexes are folded from the headers.
//
//   begin: own records kept, whole segments of an interrupted copy checked and kept
//     -> records -> list of chunks -> chunks -> commit: StateStore::commit is the one moment
//
// A crash or an error before it leaves the old state as it was; the next begin() goes on from the
// segments that are there. The replica of the directory must not run. What it signed (the file
// `cosigned`) is read and never written: an offer that contradicts it is refused. One thread, and
// those of Options::beside.
// Cost: about 1 us a record. Memory: five times `window` pieces, and the ids of 2^21 records.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/executor.h"
#include "replica/state_copy.h"
#include "storage/sealed_file.h"

namespace meridian::replica {

class StateInstaller {
 public:
  struct Options {
    std::size_t window = 8;  ///< Requests under way, and pieces kept for their turn.
    std::uint64_t records_per_request = 8'192;
    bool skips_sync = false;   ///< Canary::step_before_data.
    bool with_indexes = true;  ///< False for a backup, which nobody looks ids up in.
    /// Where work is done while the next pieces are checked: others than calls come on, and than
    /// each other. Null: it is done in between.
    struct Beside {
      io::Executor* store = nullptr;  ///< Seals and writes records.
      io::Executor* fold = nullptr;   ///< Folds indexes and syncs segments.
    };
    Beside beside{};
  };
  /// `context` may be of an empty directory, or of one whose state was given up
  /// (storage::give_up_state): then only its records count, as far as they are right. Errors:
  /// failed_precondition if the directory already holds as much; invalid_argument for an offer of
  /// another cell; data_loss.
  static Result<std::unique_ptr<StateInstaller>> begin(const storage::SealedContext& context,
                                                       const StateOffer& offer,
                                                       const Options& options);
  virtual ~StateInstaller() = default;

  /// What to ask for now; none if answers must come first, or everything is here. The caller sets
  /// the pace.
  virtual std::optional<PieceRequest> next() = 0;
  /// No answer came: next() will give the request again.
  virtual void give_up(const PieceRequest& request) = 0;
  /// The answer to `request` from `peer` (a name for messages). Errors: invalid_argument names the
  /// piece that is wrong, perhaps an earlier one, and its peer; it will be asked for again.
  /// failed_precondition: what this directory holds is not a part of what is offered, or that peer
  /// proves it wrongly; another may be asked. Any other: stop, the directory is as before.
  virtual Status add(const PieceRequest& request, Bytes piece, std::string_view peer) = 0;
  virtual bool is_complete() const = 0;
  /// Makes the copy the state of the directory. Asserts is_complete(). Errors: failed_precondition
  /// if it contradicts what this replica signed; of the disk.
  virtual Status commit() = 0;

  struct Progress {
    std::uint64_t records_kept;  ///< That were here before the first piece came.
    std::uint64_t records, records_total;
    std::uint64_t chunk_bytes, chunk_bytes_total;  ///< Bytes of unchanged chunks count too.
    std::uint64_t received_bytes;                  ///< Of pieces.
  };
  virtual Progress progress() const = 0;
};

}  // namespace meridian::replica
