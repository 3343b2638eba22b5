// What a replica needs from consensus: entries go in, committed entries come out in one order.
//
// LocalLog is one node's write-ahead log; the Raft core will stand behind the same calls. propose()
// may be called from any thread; the handler is called from the log's own executor, in order of
// index, only with entries that are durable as the cell's durability demands.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace meridian::replica {

/// An encoded entry (docs/formats/entry.md). Shared, never copied: proposed, logged, sent and
/// applied from the same bytes.
using EntryBytes = std::shared_ptr<const Buffer>;

struct CommittedEntry {
  std::uint64_t index;  ///< 1-based, dense.
  std::uint64_t term;
  EntryBytes bytes;
};

struct LogPosition {
  std::uint64_t index = 0;  ///< 0: nothing yet.
  std::uint64_t term = 0;
};

class OrderedLog {
 public:
  virtual ~OrderedLog() = default;

  struct Handler {
    /// In order, each entry once.
    std::function<void(std::vector<CommittedEntry>)> committed;
    /// Nothing proposed from now on can commit; what was proposed and not committed is unknown.
    std::function<void(Error)> failed;
  };
  /// Starts calling the handler with entries after those handed out at recovery.
  virtual void start(Handler handler) = 0;
  /// All of `entries` or none are appended, in this order. What becomes of them the handler tells.
  virtual void propose(std::vector<EntryBytes> entries) = 0;
  /// Entries below `index` are covered by a state checkpoint.
  virtual void release_before(std::uint64_t index) = 0;
};

}  // namespace meridian::replica
