// An index of fixed-size keys to record indexes, for ever: recent keys in memory, older ones in
// sorted sealed runs on disk with a filter of at most 2 bytes a key (docs/formats/segment.md).
//
// Why not an embedded database: docs/decisions/0003-sorted-runs.md. Runs are cut only at state
// checkpoints, whose manifest names them, so index and state are always of the same moment.
// insert/find/remove/freeze belong to one thread (apply); write_frozen, merge_some and retire to
// another; find_range
// may run in any thread and sees what is in runs and, through a lock, what is in memory.
// Cost: insert or absent find about 60 ns after prefetch; a hit in a run about 20 us.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "storage/sealed_file.h"

namespace meridian::storage {

/// A key of 16 bytes (`low` unused) or 24; compared as (high, low).
struct RunKey {
  u128 high = 0;
  std::uint64_t low = 0;
  bool operator==(const RunKey&) const = default;
  bool operator<(const RunKey& other) const {
    return high != other.high ? high < other.high : low < other.low;
  }
};

class SortedRuns {
 public:
  struct Options {
    std::string name;                     ///< Folder below index/.
    std::size_t key_size;                 ///< 16 or 24
    std::uint64_t merge_pairs = 1 << 15;  ///< That merge_some() merges at once.
  };
  /// `manifest` is what manifest() gave for the checkpoint being opened; empty for a new index.
  /// Removes run files that it does not name. Errors: data_loss naming the run.
  static Result<std::unique_ptr<SortedRuns>> open(const SealedContext&, const Options&,
                                                  Bytes manifest);
  virtual ~SortedRuns() = default;

  struct Pair {
    RunKey key;
    std::uint64_t value;
  };
  virtual void insert(const RunKey& key,
                      std::uint64_t value) = 0;  ///< Not there before (slow-asserted).
  virtual void remove(const RunKey& key) = 0;    ///< Inserted since the last freeze.
  virtual Result<std::optional<std::uint64_t>> find(const RunKey& key) = 0;
  virtual void prefetch(const RunKey& key) = 0;
  /// Between these two, inserts and removals of one batch are made under one lock instead of one
  /// each; find_range in other threads waits. Never across a freeze.
  virtual void begin_batch() = 0;
  virtual void end_batch() = 0;

  /// Sets what is in memory aside for writing; new inserts go to a fresh table. Asserts that the
  /// frozen one before was written.
  virtual void freeze() = 0;
  /// Writes and syncs the frozen keys as a run, and returns the manifest to keep in the state
  /// checkpoint. Old files stay until retire().
  virtual Result<Buffer> write_frozen() = 0;
  /// Writes and syncs `pairs` as a run of their own; of pairs of one key that of the least value.
  /// They come in any order and are sorted where they are. Quicker than insert, freeze and
  /// write_frozen where many keys are at hand: nothing may be in memory (asserted). On the thread
  /// of write_frozen.
  virtual Status add_run(std::span<Pair> pairs) = 0;
  /// Does a piece of the merging that is due, about 10 ms of it; true if more is. On the thread of
  /// write_frozen, between checkpoints or beside them. What was merged stays on disk until a
  /// checkpoint with a manifest that names the result is durable (retire).
  virtual Result<bool> merge_some() = 0;
  /// The checkpoint that holds the newest manifest is durable: deletes files it does not name.
  virtual Status retire() = 0;

  /// Up to `count` pairs with first <= key <= last, ascending, or descending if `reversed`. With
  /// 16-byte keys a range of more than one key sorts all that is in memory: ask for single keys.
  /// With 24-byte keys the same holds for a range over more than one `high`.
  virtual Result<std::vector<Pair>> find_range(const RunKey& first, const RunKey& last,
                                               std::size_t count, bool reversed) = 0;
  /// The runs that look-ups use now, oldest first. Any thread.
  virtual std::vector<std::uint64_t> live_runs() const = 0;
  struct Checked {
    std::uint64_t position;  ///< In the file: what lies before it was looked at.
    bool is_whole;           ///< Nothing is left, or the run is not live any more.
  };
  /// Opens the frames of a live run's file from byte `position` on (0: the first), about `bytes` of
  /// them. Any thread; look-ups do not wait. Errors: data_loss naming the file.
  virtual Result<Checked> check_run(std::uint64_t number, std::uint64_t position,
                                    std::uint64_t bytes) const = 0;
  virtual std::uint64_t size() const = 0;
  virtual std::uint64_t memory_bytes() const = 0;
  /// Bytes of runs that a merge still owes (0 = no compaction debt).
  virtual std::uint64_t debt_bytes() const = 0;
};

}  // namespace meridian::storage
