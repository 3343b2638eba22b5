// The past as the state machine asks for it: id -> record through sorted runs, headers from the
// segments or, while they are not stored yet, encoded from the entries at hand.
//
// Owned by the apply executor; only runs() is also used by the checkpoint executor, as
// sorted_runs.h allows.
#pragma once

#include <array>
#include <deque>
#include <memory>

#include "ledger/history.h"
#include "replica/applied_entry.h"
#include "storage/record_store.h"
#include "storage/sorted_runs.h"

namespace meridian::replica {

class IdHistory final : public ledger::History {
 public:
  using Runs = std::array<std::unique_ptr<storage::SortedRuns>, ledger::id_space_count>;

  /// `drops_ids`: Canary.
  IdHistory(Runs runs, storage::RecordStore& records, bool drops_ids = false)
      : runs_(std::move(runs)), records_(records), drops_ids_(drops_ids) {}

  Result<std::optional<ledger::RecordIndex>> find(ledger::IdSpace space, u128 id) override;
  void insert(ledger::IdSpace space, u128 id, ledger::RecordIndex at) override;
  void remove(ledger::IdSpace space, u128 id) override;
  void prefetch(ledger::IdSpace space, u128 id) override;
  Result<ledger::Header> read(ledger::RecordIndex index) override;

  /// The entry just applied; kept until its headers are stored.
  void push(AppliedRef entry);
  /// Around the application of one entry: its ids are inserted under one lock.
  void begin_entry();
  void end_entry();
  /// Sets what is in memory aside for the checkpoint being cut.
  void freeze();
  /// The indexes, for the checkpoint executor (write_frozen, retire).
  Runs& runs() { return runs_; }

 private:
  void drop_first_id(const AppliedEntry& entry);
  storage::SortedRuns& of(ledger::IdSpace space) { return *runs_[static_cast<std::size_t>(space)]; }

  Runs runs_;
  storage::RecordStore& records_;
  const bool drops_ids_;
  std::deque<AppliedRef> unstored_;
};

}  // namespace meridian::replica
