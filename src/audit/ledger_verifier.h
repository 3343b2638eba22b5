// Verifies a whole ledger offline, without changing a byte of it: what an auditor runs on a copy.
//
// Checks, record by record: that every header opens, is canonical and stands in its place; that the
// leaf hashes give the tiles, the segment roots and the root this replica signed; that balances and
// account history refolded from the headers equal what each record says and what the newest state
// checkpoint holds; that every payload is there, matches its commitment and, where its key exists,
// opens (a payload whose key is gone needs an erasure record); that what a record says a client
// signed is there, is signed, and asks for that record; that the entries of the write-ahead
// log, executed from the checkpoint's state on, give the headers that are stored. Records that
// stand in the log only are checked like all others. Damage never stops it: each finding names its
// record and the rest goes on. What a crash leaves is no damage: a log that ends in bytes that do
// not open is reported, and what was signed of it is missed by the signed head. Nobody may write
// the data meanwhile (hold its lock). Memory: 115 bytes per account, 300 more while the log is
// executed; of the log's records 70 bytes each, and whole entries of those that stand in no
// segment.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "crypto/sha256.h"
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
  bool is_loss = false;  ///< Records are gone that were signed or stored: nothing else is wrong.
};

/// Records that a later generation says were signed by the one before and lost.
struct RecordedLoss {
  std::uint64_t generation = 0;  ///< The later one.
  std::uint64_t record = 0;      ///< That opens it.
  std::uint64_t first = 0, last = 0;
};

struct Report {
  std::uint64_t records = 0;  ///< In the segments, and in the log behind them.
  std::uint64_t transfers = 0, accounts = 0, events = 0;
  std::uint64_t payloads_opened = 0;     ///< Opened and equal to their commitments.
  std::uint64_t payloads_forgotten = 0;  ///< Their keys were destroyed, an erasure record says so.
  /// Of one of several replicas: their keys were not here yet when it stopped. They match their
  /// commitments in the header.
  std::uint64_t payloads_locked = 0;
  std::uint64_t client_signatures = 0;       ///< Requests that clients signed.
  std::uint64_t client_signed_records = 0;   ///< Their commands' records.
  std::uint64_t client_signed_contents = 0;  ///< Of those: events whose content was compared too.
  std::uint64_t client_signed_unread = 0;    ///< Of those: not compared with what was signed.
  std::uint64_t signed_records = 0;          ///< Covered by the head that this replica signed last.
  crypto::Digest signed_root{};
  std::uint64_t checkpoint_records = 0;  ///< Covered by the state checkpoint; 0 if there is none.
  std::uint64_t log_entries = 0;         ///< Entries of the write-ahead log behind the checkpoint.
  bool log_executed = false;             ///< All of them, against the checkpoint's state.
  std::uint64_t log_records_compared = 0;  ///< Stored headers that the log gave again.
  std::uint64_t log_only_records = 0;      ///< In no segment yet: as a crash leaves them.
  std::uint64_t stored_records = 0;        ///< In the segments.
  std::uint64_t log_end = 0;               ///< One past the last record that the log gives.
  std::uint64_t log_tail_bytes = 0;        ///< Behind the last entry, of what does not open.
  std::uint64_t generation = 0;            ///< As the records say; 0 if there are none.
  std::vector<RecordedLoss> losses;
  std::string root;  ///< Of all records, in hexadecimal.
  std::uint64_t findings = 0;
};

struct VerifierIo {
  io::Disk& disk;
  io::Clock& clock;
  io::Entropy& entropy;
  const storage::KeyStore& keys;
  /// Three threads beside the caller's; nothing else may run there.
  io::Executor &hashing, &folding, &replaying;
};

using OnFinding = std::function<void(const Finding&)>;
using OnProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// Errors: only what makes verifying impossible (no such data, keys that do not open it).
Result<Report> verify_ledger(const VerifierIo& io, u128 cell, const OnFinding& on_finding,
                             const OnProgress& on_progress);

}  // namespace meridian::audit
