// Write-ahead log: consensus's durable entries, group-committed (docs/formats/wal.md).
//
// Each append is one write and one sync for all entries given, up to 4 MiB (beyond that one of each
// per 4 MiB). Not history: files wholly below a state checkpoint are recycled. A resource owned by
// one thread. After an error of append or truncate_from the log refuses every further one (the
// process stops; a sync is never tried twice), but for a full disk met before anything was written.
// Cost: 0.3 ms for a small group, about 1 ms per MiB (sealing included). Memory: 40 bytes for each
// group that holds an entry in the log, so at most 1 % of its files.
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
inline constexpr std::size_t wal_entry_head_size_max = 4 << 10;
/// A batch of commands. The other kinds are consensus's; the log keeps them without a look.
inline constexpr std::uint8_t wal_kind_commands = 0;

struct WalEntry {
  std::uint64_t index;
  std::uint64_t term;
  Bytes bytes;  ///< As the ledger sees it; may be empty.
  std::uint8_t kind = wal_kind_commands;
  Bytes head = {};  ///< What only consensus reads.
};

struct WalOptions {
  std::uint64_t file_size = 64 << 20;  ///< A multiple of 4096, at least 16 KiB (asserted).
  /// Of one of several replicas, whose peers have what is lost here: from the first damage on, all
  /// is the ambiguous tail. Also a log that begins after `from_index` is one.
  bool damage_is_tail = false;
};

class Wal {
 public:
  /// The end of the log after a crash, if its last group did not open (or WalOptions::
  /// damage_is_tail).
  struct AmbiguousTail {
    std::uint64_t after_index;  ///< The last index that is sound.
    std::uint64_t bytes;  ///< How many bytes did not open (up to the end of the group or file).
    std::string why;      ///< For people.
  };
  using Visit = std::function<Status(const WalEntry&)>;
  /// Every entry handed out so far whose index is >= `index` is not in the log any more.
  using Truncated = std::function<Status(std::uint64_t index)>;
  using Progress = std::function<void(std::uint64_t bytes_done, std::uint64_t bytes_total)>;

  /// Opens `wal/` (empty if missing) and hands every sound entry with index >= `from_index` (at
  /// least 1) to `visit`, in the order of the log and without a gap: before an index at or below
  /// the one before comes a call of `truncated`. What was handed out is durable when this returns,
  /// also if the process that wrote it died before its sync.
  /// Errors, without damage_is_tail: data_loss if there is damage before the tail (the message
  /// names the entries, file and position), or if the log begins after `from_index`. Always:
  /// failed_precondition if entries were
  /// truncated or replaced and there is no `truncated` (the log of a node that is alone has none);
  /// the first error of `visit` or `truncated`.
  static Result<std::unique_ptr<Wal>> open(const SealedContext&, const WalOptions&,
                                           std::uint64_t from_index, const Visit& visit,
                                           const Progress& progress,
                                           const Truncated& truncated = {});
  /// For verifying: changes no byte, so what a crash left in doubt stays so. Hands out only the
  /// entries that are in the log at its end, for which it reads the log twice. Returns the
  /// ambiguous tail, if there is one.
  static Result<std::optional<AmbiguousTail>> read_only(const SealedContext&,
                                                        std::uint64_t from_index,
                                                        const Visit& visit,
                                                        const Progress& progress);
  virtual ~Wal() = default;

  /// Set until drop_tail() is called; append and truncate_from assert that it is not set. What the
  /// tail held is unknown: it may have replaced entries at or below after_index too.
  virtual const std::optional<AmbiguousTail>& ambiguous_tail() const = 0;
  /// Overwrites the tail for good; durable when it returns.
  virtual Status drop_tail() = 0;

  /// Durable when it returns. Indexes follow one another; the first is at most last_index() + 1,
  /// and if lower, the entries replace those from there on, in one step with the first 4 MiB. It is
  /// never below first_index(). Each has at most wal_entry_size_max bytes and a head of at most
  /// wal_entry_head_size_max (all asserted). Errors: resource_exhausted before anything of a
  /// group was written (those before it stay: last_index() tells): the log may be used again, also
  /// with the same entries, once there is room; any other (failed_precondition after one): stop.
  virtual Status append(std::span<const WalEntry> entries) = 0;
  /// Drops the entries with index >= `index` for good: last_index() is `index` - 1 then. Durable
  /// when it returns; nothing is written if there are none. Asserts that `index` is not below
  /// first_index() nor, without entries, below last_index() + 1. Errors: as append. Cost: that of a
  /// small append.
  virtual Status truncate_from(std::uint64_t index) = 0;
  /// Entries below `index` will not be asked for again: recycles files wholly below it.
  virtual Status release_before(std::uint64_t index) = 0;

  /// Hands the entries from `first` on to `visit`, in order: at least one, then more as long as
  /// their bytes and heads together stay within `bytes_max`. Returns the index after the last one
  /// (`first` if that is last_index() + 1). What was truncated or replaced is never among them.
  /// Errors: out_of_range if `first` is not in the log (released, or past its end); data_loss if a
  /// group does not open any more (the message names entries, file and byte); the first of `visit`.
  /// Cost: each group (what one append wrote) is read and opened whole: about 1 ms per MiB.
  virtual Result<std::uint64_t> read(std::uint64_t first, std::uint64_t bytes_max,
                                     const Visit& visit) = 0;

  virtual std::uint64_t first_index() const = 0;  ///< 0 if empty.
  /// Of the last entry, also a released one (or one below it if that was truncated): the next is
  /// one higher. 0 in a new log. A log whose
  /// entries all lie below `from_index` at open counts as empty with from_index - 1 released.
  virtual std::uint64_t last_index() const = 0;
  virtual std::uint64_t file_count() const = 0;
};

}  // namespace meridian::storage
