// The giving side of a copy: answers requests for pieces of this replica's newest checkpoint.
//
// Thread-safe; never waits for apply, prove or a checkpoint under way: what it reads is immutable.
// It blocks on disk reads, so call it from a thread of its own. An offer stays readable until it is
// released, or two newer ones were made (offers_max): whoever copies then asks for the newest and
// keeps the records it has. Cost: about 1 ms per piece of 2 MiB.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "replica/state_copy.h"
#include "storage/record_store.h"
#include "storage/state_store.h"
#include "storage/tile_store.h"

namespace meridian::replica {

class StateSource {
 public:
  static constexpr std::size_t offers_max = 2;

  /// All of one replica; they outlive this.
  struct Parts {
    storage::RecordStore& records;
    storage::TileStore& tiles;
    storage::StateStore& states;
    u128 cell;
    std::uint64_t generation;
  };
  explicit StateSource(const Parts& parts) : parts_(parts) {}

  /// Offers the newest state checkpoint and keeps its files. Errors: not_found if there is none.
  Result<StateOffer> describe();
  /// An encoded piece of at most piece_size_max bytes. Errors: invalid_argument for a request that
  /// names nothing there can be; failed_precondition if the offer is not kept any more (describe()
  /// again); out_of_range past the records there are; data_loss if what is asked for is damaged.
  Result<Buffer> read(const PieceRequest& request);
  /// Nobody copies the offer of `record_index` any more.
  void release(std::uint64_t record_index);

 private:
  using Pin = std::shared_ptr<storage::PinnedState>;

  Result<Buffer> read_records(const PieceRequest& request);
  Result<Buffer> read_chunk_list(const PieceRequest& request);
  Result<Buffer> read_chunk(const PieceRequest& request);
  Result<Pin> offered(std::uint64_t record_index);

  Parts parts_;
  std::mutex mutex_;       // guards the rest
  std::vector<Pin> pins_;  // the oldest first
};

}  // namespace meridian::replica
