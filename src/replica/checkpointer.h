// State checkpoints: cut at fixed record indexes, written beside the running apply stage
// (docs/design/state_checkpoint.md).
//
//   apply: cut() freezes ledger and id indexes ──> chunks, a bounded piece at a time ──┐
//   prove: cut() freezes the stream index, frontier ───────────────────────────────────┤
//   checkpoint executor: digest, seal, write; sync segments; commit the manifest <──────┘
//   then: release the log, retire old runs, propose the state's digest as a record
//
// Members say which executor owns them.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "io/executor.h"
#include "ledger/ledger.h"
#include "replica/id_history.h"
#include "replica/ordered_log.h"
#include "replica/proposer.h"
#include "replica/prover.h"
#include "replica/state_comparison.h"
#include "storage/state_store.h"

namespace meridian::replica {

class Checkpointer {
 public:
  static constexpr std::size_t piece_bytes = 4 << 20;

  /// Opaque parts of a state manifest, in this order.
  enum class Part : std::size_t {
    frontier,
    transfers,
    resolutions,
    events,
    imported_timestamps,
    streams,
    categories,
    membership,  ///< Who votes, in consensus's own encoding; empty for one node.
  };
  static constexpr std::size_t part_count = 8;
  /// Checkpoints from before there was a membership have seven.
  static constexpr bool is_part_count(std::size_t count) {
    return count == part_count || count == part_count - 1;
  }

  struct Parts {
    io::Executor& apply;
    io::Executor& executor;
    storage::StateStore& states;
    storage::RecordStore& records;
    storage::TileStore& tiles;
    IdHistory::Runs& ids;
    StreamIndex& index;
    Prover& prover;
    Proposer& proposer;
    OrderedLog& log;
    io::Clock& clock;
    StageMetrics& metrics;
    std::uint64_t interval;  ///< ReplicaConfig::checkpoint_interval
    /// Who votes as of the last entry applied, asked on the apply executor when a checkpoint is
    /// cut; null: nobody but this replica.
    std::function<Buffer()> membership{};
    bool is_wrong = false;  ///< Canary::wrong_state_on
  };
  struct Next {
    std::function<void()> finished;  ///< On the apply executor: go on if entries wait.
    std::function<void(Error)> fatal;
    /// The log holds another digest than `own`, of this replica. Apply or checkpoint executor.
    std::function<void(const CutDigest& own, const crypto::Digest& recorded)> differs{};
  };
  Checkpointer(const Parts& parts, Next next);

  // On the apply executor.
  /// Begins to count from `ledger` as it was restored, before anything else is applied.
  void start(const ledger::Ledger& ledger) { due_at_ = next_due(ledger); }
  bool is_due(const ledger::Ledger& ledger) const { return ledger.records() >= due_at_; }
  bool is_busy() const { return busy_; }
  /// Runs of the indexes are being merged, in pieces between those of a checkpoint. Thread-safe.
  bool is_merging() const { return merging_; }
  /// A checkpoint that falls due while the one before is still being written is put off by a
  /// sixteenth of an interval, and again, so that nobody waits; but by no more than an interval,
  /// which bounds the log and the ids in memory.
  bool may_pass() const { return put_off_until_ == 0 || due_at_ < put_off_until_; }
  void pass(const ledger::Ledger& ledger);
  void cut(ledger::Ledger& ledger, IdHistory& history, LogPosition last_applied);
  /// Compares a digest that the log holds with this replica's own, once there is one.
  void check(const ledger::StateDigest& recorded);

  /// Nothing more of a checkpoint that is being written is done. Thread-safe.
  void stop() { stopped_ = true; }
  /// Record index of the newest durable checkpoint. Thread-safe.
  std::uint64_t newest_record() const;
  /// Of one of the last digests_max. Thread-safe.
  std::optional<crypto::Digest> digest_of(std::uint64_t record) const;
  static constexpr std::size_t digests_max = 8;

 private:
  std::uint64_t next_due(const ledger::Ledger& ledger) const;
  void take_piece();
  void write_piece(const std::vector<ledger::StateChunk>& chunks, bool last);
  void finish_if_complete();
  Status finish();
  void keep(const CutDigest& own);
  void compare(std::uint64_t record);
  Status write_indexes(std::vector<Buffer>& parts);
  void begin_merging();
  void merge_piece();
  void fail(const Error& error);

  Parts parts_;
  Next next_;
  std::atomic<bool> stopped_{false};
  std::atomic<bool> merging_{false};

  // apply executor
  ledger::Ledger* ledger_ = nullptr;
  bool busy_ = false;
  std::uint64_t due_at_ = 0;
  std::uint64_t put_off_until_ = 0;  ///< At the latest; 0 if the one due was not put off.
  std::uint64_t put_off_step_ = 0;

  // set by cut() before the checkpoint executor hears of it
  std::uint64_t record_index_ = 0;
  std::uint64_t entry_index_ = 0;
  std::uint64_t term_ = 0;
  Buffer membership_;
  io::MonotonicTime cut_at_{};

  // checkpoint executor
  bool begun_ = false;
  bool chunks_complete_ = false;
  bool failed_ = false;
  std::optional<Buffer> frontier_;

  mutable std::mutex mutex_;
  std::deque<CutDigest> own_;          ///< Oldest first.
  std::optional<CutDigest> recorded_;  ///< What the log said last.
};

}  // namespace meridian::replica
