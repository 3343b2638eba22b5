// What was stored, as a source for the queries of ledger/queries.h.
//
// Borrows the replica's stores. Thread-safe. Cost: read() opens a bundle of 256 headers (30 us, see
// record_store.h) unless it is cached, find_transfer() looks into each sorted run, scan() streams.
// Errors: data_loss for stored bytes that are no header.
#pragma once

#include "ledger/queries.h"
#include "storage/record_store.h"
#include "storage/sorted_runs.h"

namespace meridian::replica {

class StoredRecords final : public ledger::RecordSource {
 public:
  StoredRecords(storage::RecordStore& records, storage::SortedRuns& transfers)
      : records_(records), transfers_(transfers) {}

  std::uint64_t record_count() const override { return records_.count(); }
  Result<ledger::Header> read(ledger::RecordIndex index) override;
  Result<std::optional<ledger::RecordIndex>> find_transfer(u128 id) override;
  Status scan(ledger::RecordIndex first, ledger::RecordIndex end, bool reversed,
              const std::function<Result<bool>(const ledger::Header&)>& visit) override;

 private:
  storage::RecordStore& records_;
  storage::SortedRuns& transfers_;
};

}  // namespace meridian::replica
