// State checkpoints on disk: chunks of canonical state plus what else must be of the same moment
// (docs/design/state_checkpoint.md, docs/formats/segment.md).
//
// The manifest is the commit point: replaced atomically, it names every chunk (file, position,
// digest) and carries opaque parts of other modules. Unchanged chunks are named again, not
// rewritten; files that hold mostly dead chunks are rewritten. Used by one thread at a time, but
// for pin(), which any thread may call to read a checkpoint while newer ones are committed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "crypto/sha256.h"
#include "storage/sealed_file.h"

namespace meridian::storage {

inline constexpr std::size_t state_chunk_size_max = 4 << 20;

struct ChunkId {
  std::uint16_t kind;
  std::uint32_t number;
  auto operator<=>(const ChunkId&) const = default;
};

struct StateManifest {
  std::uint64_t record_index;  ///< State after all records below this.
  std::uint64_t entry_index;   ///< Last entry applied.
  std::uint64_t term;
  crypto::Digest digest;      ///< RFC 6962 root over chunk digests.
  std::vector<Buffer> parts;  ///< Opaque: Merkle frontier, index manifests …, in an agreed order.
};

struct StateChunkInfo {
  ChunkId id;
  std::uint32_t size;
  crypto::Digest digest;  ///< ledger::chunk_digest
  bool operator==(const StateChunkInfo&) const = default;
};

/// One checkpoint, whose files stay while this lives, whatever is committed meanwhile. Thread-safe;
/// must not outlive the disk and the keys of its store.
class PinnedState {
 public:
  virtual ~PinnedState() = default;
  virtual const StateManifest& manifest() const = 0;
  /// In order of id.
  virtual const std::vector<StateChunkInfo>& chunks() const = 0;
  /// Errors: not_found if the checkpoint has no such chunk; data_loss naming it.
  virtual Result<Buffer> read(ChunkId id) = 0;
};

class StateStore {
 public:
  /// Opens `state/` and removes files that no checkpoint names.
  /// Errors: data_loss if the manifest is damaged, or a file that it names is missing.
  static Result<std::unique_ptr<StateStore>> open(const SealedContext&);
  virtual ~StateStore() = default;

  /// The newest complete checkpoint, or none.
  virtual const StateManifest* newest() const = 0;
  /// The newest complete checkpoint, kept readable; null if there is none. Thread-safe. Files that
  /// only a pin kept are removed at the first commit or start after it is gone.
  virtual std::shared_ptr<PinnedState> pin() = 0;
  using Visit = std::function<Status(ChunkId, Bytes)>;
  /// Hands out all chunks of the newest checkpoint in order, each checked against its digest.
  /// Errors: data_loss naming the chunk and what it holds.
  virtual Status load(const Visit& visit) = 0;

  /// Starts a checkpoint; drops one that was begun and not committed.
  virtual Status begin(std::uint64_t record_index) = 0;
  /// Chunks in ascending order of id (asserted), of at most state_chunk_size_max bytes (asserted).
  /// Errors: data_loss if `digest` is not that of `bytes` (the memory is bad); of the disk.
  virtual Status add(ChunkId id, const crypto::Digest& digest, Bytes bytes) = 0;
  /// The chunk is as it was in the newest checkpoint. Errors: not_found if it was not there.
  virtual Status keep(ChunkId id) = 0;
  /// Digest of the chunks added and kept so far (all of them, before commit).
  virtual crypto::Digest digest() const = 0;
  /// Makes it durable and the newest; deletes files no longer needed. After any error until here
  /// the newest checkpoint is still the one before, and begin() may start again if it was a full
  /// disk; after another error of the disk the process must stop.
  virtual Status commit(std::uint64_t entry_index, std::uint64_t term,
                        std::vector<Buffer> parts) = 0;
};

/// Puts the newest checkpoint away, as something that it needs is damaged: StateStore::open finds
/// none from now on. Only of a replica that copies the state of another instead; nothing else is
/// removed. Durable when it returns.
Status give_up_state(io::Disk& disk);
/// Whether that was done, and no checkpoint was committed since.
Result<bool> is_state_given_up(io::Disk& disk);

}  // namespace meridian::storage
