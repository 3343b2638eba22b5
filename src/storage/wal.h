// Write-ahead log: consensus's durable entries, group-committed (docs/formats/wal.md).
//
// Each append is one write and one sync for all entries given, up to 4 MiB (beyond that one of each
// per 4 MiB). Not history: files wholly below a state checkpoint are recycled. A resource owned by
// one thread. After an error of append the log refuses every further one (the process stops; a sync
// is never tried twice), but for a full disk met before anything was written.
// Cost: 0.3 ms for a small group, about 1 ms per MiB (sealing included).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "storage/sealed_file.h"

namespace meridian::storage {

inline constexpr std::size_t wal_entry_size_max = 2 << 20;

struct WalEntry {
  std::uint64_t index;
  std::uint64_t term;
  Bytes bytes;
};

struct WalOptions {
  std::uint64_t file_size = 64 << 20;  ///< A multiple of 4096, at least 16 KiB (asserted).
};

class Wal {
 public:
  /// The end of the log after a crash, if its last group did not open.
  struct AmbiguousTail {
    std::uint64_t after_index;  ///< The last index that is sound.
    std::uint64_t bytes;  ///< How many bytes did not open (up to the end of the group or file).
    std::string why;      ///< For people.
  };
  using Visit = std::function<Status(const WalEntry&)>;
  using Progress = std::function<void(std::uint64_t bytes_done, std::uint64_t bytes_total)>;

  /// Opens `wal/` (empty if missing) and hands every sound entry with index >= `from_index` (at
  /// least 1) to `visit`, in the order of the log: an entry whose index is not above the one before
  /// replaces that and all later ones (only consensus writes such). What was handed out is durable
  /// when this returns, also if the process that wrote it died before its sync.
  /// Errors: data_loss if there is damage before the tail (the message names the entries, file and
  /// position), or if the log begins after `from_index`; the first error of `visit`.
  static Result<std::unique_ptr<Wal>> open(const SealedContext&, const WalOptions&,
                                           std::uint64_t from_index, const Visit& visit,
                                           const Progress& progress);
  /// The same without changing a byte, for verifying: what a crash left in doubt stays so. Returns
  /// the ambiguous tail, if there is one.
  static Result<std::optional<AmbiguousTail>> read(const SealedContext&, std::uint64_t from_index,
                                                   const Visit& visit, const Progress& progress);
  virtual ~Wal() = default;

  /// Set until drop_tail() is called; append asserts that it is not set.
  virtual const std::optional<AmbiguousTail>& ambiguous_tail() const = 0;
  /// Overwrites the tail for good; durable when it returns.
  virtual Status drop_tail() = 0;

  /// Durable when it returns. Indexes follow one another; the first is at most last_index() + 1,
  /// and if lower, the entries replace those from there on. Each has at most wal_entry_size_max
  /// bytes (both asserted). Errors: resource_exhausted before anything was written: the log may be
  /// used again once there is room; any other (and failed_precondition after one): stop.
  virtual Status append(std::span<const WalEntry> entries) = 0;
  /// Entries below `index` will not be asked for again: recycles files wholly below it.
  virtual Status release_before(std::uint64_t index) = 0;

  virtual std::uint64_t first_index() const = 0;  ///< 0 if empty.
  /// Of the last entry, also a released one: the next is one higher. 0 in a new log. A log whose
  /// entries all lie below `from_index` at open counts as empty with from_index - 1 released.
  virtual std::uint64_t last_index() const = 0;
  virtual std::uint64_t file_count() const = 0;
};

}  // namespace meridian::storage
