// What a replica needs from consensus: entries go in, committed entries come out in one order.
//
// LocalLog is one node's write-ahead log; RaftLog a member of a group. Calls may come from any
// thread; handlers are called on the log's own executor, in order of index, only with entries that
// are durable as the cell's durability demands.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "consensus/log_entry.h"
#include "consensus/membership.h"

namespace meridian::replica {

/// An encoded entry (docs/formats/entry.md). Shared, never copied: proposed, logged, sent and
/// applied from the same bytes.
using consensus::EntryBytes;

struct CommittedEntry {
  std::uint64_t index;  ///< 1-based, dense.
  std::uint64_t term;
  EntryBytes bytes;  ///< Null: consensus's own entry, without a record.
  /// Who votes after this entry, as a state checkpoint keeps it; null if that is nobody's business.
  EntryBytes membership = nullptr;
};

using consensus::LogPosition;

/// Who orders entries now.
struct Leadership {
  std::uint64_t term = 0;
  /// This replica does, and has applied all that others ordered before: it may propose.
  bool is_ours = false;
  std::uint64_t leader = 0;  ///< Its id; 0: not known.
  bool operator==(const Leadership&) const = default;
};

class OrderedLog {
 public:
  virtual ~OrderedLog() = default;

  struct Handler {
    /// In order, each entry once.
    std::function<void(std::vector<CommittedEntry>)> committed;
    /// Nothing proposed from now on can commit; what was proposed and not committed is unknown.
    std::function<void(Error)> failed;
    /// What was proposed in a term that is over may or may not commit yet: unknown.
    std::function<void(const Leadership&)> leadership;
    /// What was proposed was not taken, and why: nothing was done and never will be.
    std::function<void(std::vector<EntryBytes>, const Error& why)> dropped;
  };
  /// Starts calling the handler with entries after those handed out at recovery.
  virtual void start(Handler handler) = 0;
  /// No handler is called from now on.
  virtual void stop() = 0;
  /// All of `entries` or none are appended, in this order, if `term` is still ours. What becomes of
  /// them the handler tells.
  virtual void propose(std::uint64_t term, std::vector<EntryBytes> entries) = 0;
  /// As propose, with one entry that changes who takes part at its own index. A log of one replica
  /// drops it.
  virtual void propose_change(std::uint64_t term, consensus::CheckedChange change,
                              EntryBytes entry) = 0;
  /// Entries up to `index` are part of the state.
  virtual void applied(std::uint64_t index) = 0;
  /// Entries below `index` are covered by a state checkpoint.
  virtual void release_before(std::uint64_t index) = 0;
  /// Files of the write-ahead log.
  virtual std::uint64_t file_count() const = 0;
};

}  // namespace meridian::replica
