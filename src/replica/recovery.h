// Opening a cell's data: the newest state checkpoint, then everything the log holds after it.
//
// Called once, before any executor of the replica runs; the log itself is replayed by CellReplica.
// open_stores() reads indexes only; restore_state() reads the whole state and holds it twice while
// it does. Stores drop what they hold past the checkpoint, since the replay writes it again.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/ledger.h"
#include "proof/merkle.h"
#include "replica/checkpointer.h"
#include "replica/cosigned_head.h"
#include "replica/id_history.h"
#include "replica/prover.h"
#include "replica/replica.h"
#include "storage/record_store.h"
#include "storage/sealed_file.h"
#include "storage/state_store.h"
#include "storage/tile_store.h"

namespace meridian::replica {

/// What a state checkpoint restores: everything below its record index, nothing after.
struct Recovered {
  std::unique_ptr<storage::StateStore> states;
  std::unique_ptr<storage::RecordStore> records;
  std::unique_ptr<storage::TileStore> tiles;
  IdHistory::Runs ids;
  StreamIndex index;
  proof::Frontier frontier;
  LogPosition applied;
  Buffer membership;  ///< As of `applied`; empty if none was kept.
};

/// Opens all stores at the newest checkpoint. Errors: data_loss naming what is damaged.
Result<Recovered> open_stores(const storage::SealedContext& context);
/// The id indexes as of `manifest`; null: empty ones.
Result<IdHistory::Runs> open_id_runs(const storage::SealedContext& context,
                                     const storage::StateManifest* manifest);
/// The indexes of streams and categories as of `manifest`; null: empty ones.
Result<StreamIndex> open_stream_index(const storage::SealedContext& context,
                                      const storage::StateManifest* manifest);
/// The files of an index that `manifest` names, or why it cannot be known. For all indexes.
struct NamedRuns {
  std::string_view index;
  Result<std::vector<std::string>> paths;
};
std::vector<NamedRuns> named_runs(const storage::StateManifest* manifest);
/// What this replica signed last. Errors: data_loss if it cannot be known although the replica has
/// run before (`wal/` is there), so that it might sign what contradicts.
Result<CosignedHead> open_cosigned(io::Disk& disk);
/// Fills the empty `ledger` from the checkpoint's chunks; does nothing if there is no checkpoint.
/// Errors: data_loss if a chunk is damaged or the state is not the one the checkpoint names.
Status restore_state(Recovered& recovered, ledger::Ledger& ledger,
                     const Replica::Progress& progress);

/// What of the newest checkpoint, its indexes and the ends of the segments is damaged, if anything
/// is. Reads all but the records. Errors: of the disk, or whatever else is no damage.
Result<std::optional<Error>> find_damage(const storage::SealedContext& context);

}  // namespace meridian::replica
