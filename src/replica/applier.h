// The apply stage: committed entries, in order, into the state machine; answers to who waits.
//
// Owns the ledger and its history on the apply executor. Cuts a state checkpoint at fixed record
// indexes; once two have fallen due while an earlier one is still being written, entries wait (and
// with them, through the proposer's bounds, the clients). So they do while the records of many are
// not stored yet: who catches up applies faster than it stores. An assertion or unreadable history
// stops the process.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "io/clock.h"
#include "io/disk.h"
#include "io/executor.h"
#include "ledger/ledger.h"
#include "replica/applied_entry.h"
#include "replica/canary.h"
#include "replica/id_history.h"
#include "replica/lifetime.h"
#include "replica/proposer.h"
#include "replica/skip_list.h"
#include "replica/stage_metrics.h"

namespace meridian::replica {

class Checkpointer;

class Applier {
 public:
  struct Parts {
    io::Executor& executor;
    io::Clock& clock;
    ledger::Ledger& ledger;
    IdHistory& history;
    Proposer& proposer;
    u128 cell;
    ReplicaLimits limits;
    io::Disk& disk;
    StageMetrics& metrics;
    SkipList skips{};
    Canary canary{};
  };
  struct Next {
    std::function<void(AppliedRef)> applied;              ///< To the prove stage, in order.
    std::function<void(std::uint64_t index)> progressed;  ///< All up to it is in the state.
    std::function<void(Error)> fatal;
    std::function<void(const std::string&)> notice;
  };
  Applier(const Parts& parts, Next next);
  void set_checkpointer(Checkpointer& checkpointer) { checkpointer_ = &checkpointer; }

  /// From the log, any thread.
  void committed(std::vector<CommittedEntry> entries);
  /// A checkpoint is finished: go on if entries wait. On the executor.
  void resume();
  /// The records of one more entry that was handed to Next::applied are stored. Any thread.
  void entry_stored();
  /// Cuts a checkpoint now if there is none yet and none is being written. On the executor.
  void cut_first_checkpoint();
  /// Begins to look, every watch_period, for pending transfers that are due and at the free disk.
  void start_watching();
  /// No delayed task runs from now on.
  void stop() { lifetime_.end(); }

  static constexpr io::Duration watch_period = io::milliseconds(100);
  static constexpr std::size_t expiries_max = 4'096;

  LogPosition last_applied() const { return last_applied_; }  ///< On the executor.
  bool at_capacity() const { return at_capacity_ || disk_low_; }
  /// True if nothing waits to be applied, or nothing ever will.
  bool idle() const { return waiting_.empty() || failed_; }
  /// Before anything is applied: what the state checkpoint covers.
  void set_last_applied(LogPosition position) { last_applied_ = position; }
  /// Who votes after the last entry applied, as a checkpoint keeps it. On the executor.
  Buffer membership() const { return membership_ ? *membership_ : Buffer(); }
  void set_membership(Buffer membership) {
    membership_ = std::make_shared<const Buffer>(std::move(membership));
  }

 private:
  void process();
  void apply_waiting();
  bool apply(CommittedEntry entry);
  bool give_up(const Error& why);
  Result<ledger::EntryView> execute(const CommittedEntry& entry, ledger::Applied& applied);
  Status fail_if_poisoned(const ledger::EntryView& view) const;
  void answer_skipped(const EntryBytes& entry);
  void check_state_digests(const ledger::EntryView& view);
  void answer(const CommittedEntry& entry, const AppliedEntry& applied);
  void watch();
  void expire_due();
  void watch_limits();
  void watch_disk();
  void tell_proposer();

  Parts parts_;
  Next next_;
  Checkpointer* checkpointer_ = nullptr;
  std::shared_ptr<AppliedPool> pool_ = std::make_shared<AppliedPool>();
  std::size_t unstored_ = 0;  ///< Entries handed to Next::applied.
  std::deque<CommittedEntry> waiting_;
  LogPosition last_applied_;
  EntryBytes membership_;
  bool expiries_proposed_ = false;
  bool alarmed_ = false;
  bool at_capacity_ = false;
  bool disk_low_ = false;
  bool failed_ = false;
  Lifetime lifetime_;
};

}  // namespace meridian::replica
