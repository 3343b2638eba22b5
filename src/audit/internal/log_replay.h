// Executes the write-ahead log once more, from the state checkpoint on, and keeps what it gives:
// the leaf hash of every record, and the headers of those that stand in no segment.
//
// The state machine itself runs here, unlike in BalanceFold: what it made of these entries when
// they were first applied must come out again, bit for bit. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "audit/internal/findings.h"
#include "audit/internal/header_batch.h"
#include "ledger/ledger.h"
#include "ledger/memory_history.h"
#include "proof/merkle.h"
#include "replica/applied_entry.h"
#include "replica/id_history.h"
#include "replica/skip_list.h"
#include "storage/record_store.h"
#include "storage/state_store.h"
#include "storage/wal.h"

namespace meridian::audit::internal {

class LogReplay {
 public:
  /// `stored`: how many records the segments hold.
  LogReplay(const storage::SealedContext& context, storage::RecordStore& records,
            std::uint64_t stored, Findings& findings);

  /// Begins behind `manifest` (null: an empty ledger) and opens the id indexes as of then. Errors:
  /// data_loss; then the state can be restored, but nothing executed.
  Status open(const storage::StateManifest* manifest);
  /// The state that the log goes on from, to be restored before run().
  ledger::Ledger& state() { return *ledger_; }

  /// Executes every entry. If that cannot be (`can_execute`), entries are only counted.
  void run(bool can_execute);

  struct Results {
    std::uint64_t first = 0;       ///< The record that the log's first entry begins with.
    std::uint64_t end = 0;         ///< One past the last record.
    std::uint64_t entries = 0;     ///< Entries that open.
    bool executed = false;         ///< All of them.
    proof::Hashes leaves;          ///< Of records from `first` on, as far as they were executed.
    std::uint64_t tail_bytes = 0;  ///< Behind the last entry, of what does not open.
    std::string tail_why;
  };
  const Results& results() const { return results_; }

  /// Calls `visit(header, payload)` for each record that stands in the log only, in order; the
  /// payload is empty unless it is an event's.
  void visit_unstored(const std::function<void(Bytes header, Bytes payload)>& visit) const;

 private:
  Status entry(const storage::WalEntry& entry, bool execute);
  Status execute(const storage::WalEntry& entry, ledger::EntryView view,
                 std::shared_ptr<const Buffer> bytes);
  void encode(const replica::AppliedEntry& entry,
              const std::function<void(std::uint64_t record, Bytes header,
                                       const ledger::AppendEvent* event)>& each) const;

  const storage::SealedContext& context_;
  storage::RecordStore& records_;
  const std::uint64_t stored_;
  Findings& findings_;
  std::uint64_t from_entry_ = 1;
  bool is_of_group_ = false;  ///< The log is one of several replicas'.
  replica::SkipList skips_;

  ledger::MemoryHistory none_;  ///< Until the indexes are open.
  std::unique_ptr<replica::IdHistory> history_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::shared_ptr<replica::AppliedPool> pool_ = std::make_shared<replica::AppliedPool>();
  std::vector<replica::AppliedRef> unstored_;  ///< Entries with records that no segment holds.
  Results results_;
};

}  // namespace meridian::audit::internal
