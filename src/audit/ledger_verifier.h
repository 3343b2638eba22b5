// Verifies a whole ledger offline, without changing a byte of it: what an auditor runs on a copy.
//
// Checks, record by record: that every header opens, is canonical and stands in its place; that the
// leaf hashes give the tiles, the segment roots and the root this replica signed; that balances and
// account history refolded from the headers equal what each record says and what the newest state
// checkpoint holds; that every payload is there, matches its commitment and, where its key exists,
// opens (a payload whose key is gone needs an erasure record); that the write-ahead log opens.
// Damage never stops it: each finding names its record and the rest goes on.
// Nobody may write the data meanwhile (hold its lock). Runs on the calling thread and `hashing`.
// Cost: about 0.5 us per record and thread, 3 us per payload; 150 bytes of memory per account.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "io/executor.h"
#include "storage/key_store.h"

namespace meridian::audit {

/// One thing that is wrong. `record` is set if it is about one record.
struct Finding {
  std::optional<std::uint64_t> record;
  std::string what;
};

struct Report {
  std::uint64_t records = 0;  ///< In the segments.
  std::uint64_t transfers = 0, accounts = 0, events = 0;
  std::uint64_t payloads_opened = 0;     ///< Opened and equal to their commitments.
  std::uint64_t payloads_forgotten = 0;  ///< Their keys were destroyed, an erasure record says so.
  std::uint64_t signed_records = 0;      ///< Covered by the head that this replica signed last.
  std::uint64_t checkpoint_records = 0;  ///< Covered by the state checkpoint; 0 if there is none.
  std::uint64_t log_entries = 0;         ///< Entries of the write-ahead log, all of which open.
  std::string root;                      ///< Of all records, in hexadecimal.
  std::uint64_t findings = 0;
};

struct VerifierIo {
  io::Disk& disk;
  io::Clock& clock;
  io::Entropy& entropy;
  const storage::KeyStore& keys;
  io::Executor& hashing;
};

using OnFinding = std::function<void(const Finding&)>;
using OnProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// Errors: only what makes verifying impossible (no such data, keys that do not open it).
Result<Report> verify_ledger(const VerifierIo& io, u128 cell, const OnFinding& on_finding,
                             const OnProgress& on_progress);

}  // namespace meridian::audit
