// Makes Readies durable in the order of their numbers (S3), many with one sync (group commit).
//
// The commit index that is saved never covers an entry that is not durable yet (S12): in the file
// it would speak of whatever the log holds there. add() on the raft executor; the store is used,
// and what comes of it told, on the log executor. What waits while a sync is under way goes out
// together in the next. A full disk is no end: nothing more becomes durable, so nothing is
// acknowledged, until there is room.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "consensus/log_entry.h"
#include "consensus/log_store.h"
#include "io/clock.h"
#include "io/executor.h"
#include "io/recent_max.h"
#include "io/recent_usual.h"

namespace meridian::consensus {

class Persister {
 public:
  struct Job {
    std::uint64_t ready;
    std::optional<HardState> hard_state;  ///< Term or vote are new, or commit is wanted (S9, S11).
    std::vector<LogEntry> entries;
  };
  struct Next {
    std::function<void(std::uint64_t ready)> durable;  ///< All up to it. On the log executor.
    std::function<void(Error)> failed;                 ///< Once. On the log executor.
    /// There is no room, or there is again. On the log executor.
    std::function<void(const Status&)> room;
  };
  static constexpr io::Duration room_period = io::milliseconds(250);  ///< Between two tries.

  /// What the disk holds at the start.
  struct Durable {
    HardState hard_state;
    std::uint64_t last_index;
  };

  Persister(io::Executor& log, io::Clock& clock, LogStore& store, const Durable& start, Next next);

  void add(Job job);
  /// Since when work waits and none became durable; none if nothing waits. A queue that only is
  /// long does not count: it moves. Any thread.
  std::optional<io::MonotonicTime> waiting_since() const;
  /// The longest write and sync of late. Any thread.
  io::Duration longest_write() const;
  io::Duration usual_write() const;  ///< io::RecentUsual; any thread.
  bool lacks_room() const;           ///< Any thread.
  /// No job begins from now on.
  void stop();

 private:
  struct Waiting {
    Job job;
    io::MonotonicTime since;
  };
  void write_waiting();
  void wait_for_room(std::vector<Waiting> jobs, const Error& error);
  Status write(const std::vector<Waiting>& jobs);
  Status write(const std::optional<HardState>& state, std::vector<LogEntry>& entries);
  std::uint64_t durable_before(const std::vector<LogEntry>& entries) const;

  io::Executor& log_;
  io::Clock& clock_;
  LogStore& store_;
  Next next_;
  bool failed_ = false;  // log executor, and the next
  Durable durable_;

  mutable std::mutex mutex_;
  std::vector<Waiting> waiting_;
  std::optional<io::MonotonicTime> writing_since_;
  io::MonotonicTime durable_at_{};  ///< The newest write.
  io::RecentMax longest_{io::seconds(30)};
  io::RecentUsual usual_;
  bool posted_ = false;
  bool lacks_room_ = false;
  bool stopped_ = false;
};

}  // namespace meridian::consensus
