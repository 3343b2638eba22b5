// The data of a backup: segments, tiles and a state checkpoint like those of a node, sealed under
// the backup's key, and what else must be of the same moment (docs/operations/backup.md).
//
// The state manifest is the commit point here too: its ninth part is the BackupInfo, so an
// interrupted backup leaves the one before. No index is kept: restoring folds them anew.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "proof/merkle.h"
#include "storage/record_store.h"
#include "storage/sealed_file.h"
#include "storage/state_store.h"
#include "storage/tile_store.h"
#include "storage/wal.h"

namespace meridian::app {

struct BackupInfo {
  std::uint64_t created_ns = 0;
  std::uint64_t generation = 1;
  proof::TreeHead head;         ///< Of all records of the backup.
  proof::TreeHead signed_head;  ///< Signed last when it was made; of no records: nothing was.
  std::string note;             ///< Checkpoint of signed_head, signed and cosigned; may be empty.
  std::string log_vkey, cosigner_vkey;
  /// Of the file of log entries behind the state checkpoint.
  std::uint64_t log_number = 0, log_entries = 0, log_bytes = 0;
  std::uint64_t log_end = 0;       ///< Records that state and log give.
  std::vector<Buffer> kept_heads;  ///< generations/1/cosigned and so on.

  Buffer encode() const;
  /// Errors: data_loss.
  static Result<BackupInfo> decode(Bytes bytes);
  bool operator==(const BackupInfo&) const = default;
};

/// Part of the state manifest, behind those of a node (replica::Checkpointer::Part).
inline constexpr std::size_t backup_info_part = 8;

/// A finished backup, read only. Members in the order in which they depend on each other.
struct Backup {
  std::unique_ptr<storage::StateStore> states;
  std::unique_ptr<storage::RecordStore> records;
  std::unique_ptr<storage::TileStore> tiles;
  BackupInfo info;
  const storage::StateManifest& state() const { return *states->newest(); }
};
/// Errors: not_found if no backup was finished there; data_loss.
Result<Backup> open_backup(const storage::SealedContext& context);
/// The info of the newest finished backup in `states`, if any.
Result<std::optional<BackupInfo>> info_of(storage::StateStore& states);

std::string backup_log_path(std::uint64_t number);
/// Writes entries to a new log file; durable after finish().
class BackupLogWriter {
 public:
  static Result<BackupLogWriter> create(const storage::SealedContext& context,
                                        std::uint64_t number);
  Status add(const storage::WalEntry& entry);
  Status finish();
  std::uint64_t bytes() const { return writer_.position(); }

 private:
  explicit BackupLogWriter(storage::SealedWriter writer) : writer_(std::move(writer)) {}
  Status flush();
  storage::SealedWriter writer_;
  Buffer frame_;
};
/// Hands out all entries in order. Errors: data_loss; the first error of `visit`.
Status read_backup_log(const storage::SealedContext& context, const BackupInfo& info,
                       const std::function<Status(const storage::WalEntry&)>& visit);

}  // namespace meridian::app
