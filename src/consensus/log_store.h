// Where a replica keeps consensus's log and hard state: what a power failure leaves (S2).
//
// replica/ implements it with the write-ahead log; tests with memory that loses what was not
// synced. Called on the log executor only, one call at a time. After any error the node stops, as a
// sync is never tried again; but for resource_exhausted from append(): there is no room now.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "consensus/log_entry.h"

namespace meridian::consensus {

class LogStore {
 public:
  virtual ~LogStore() = default;
  /// Durable when it returns: first `hard_state` (if not null: its term or vote are new), then
  /// `entries` (S5). They follow one another; from the first one's index on they replace what is
  /// there (S4). resource_exhausted: not all is durable, and the same call may be made again later.
  virtual Status append(const HardState* hard_state, std::span<const LogEntry> entries) = 0;
  /// Entries from `first` on, complete, at least one and up to `bytes_max`, none past `last`.
  virtual Result<std::vector<LogEntry>> read(std::uint64_t first, std::uint64_t last,
                                             std::uint64_t bytes_max) = 0;
  /// Entries below `index` are not asked for again.
  virtual Status release_before(std::uint64_t index) = 0;
};

}  // namespace meridian::consensus
