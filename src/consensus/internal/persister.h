// Makes Readies durable in the order of their numbers (S3), many with one sync (group commit).
//
// add() on the raft executor; the store is used, and what comes of it told, on the log executor.
// What waits while a sync is under way goes out together in the next.
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

namespace meridian::consensus {

class Persister {
 public:
  struct Job {
    std::uint64_t ready;
    std::optional<HardState> hard_state;  ///< Term or vote are new.
    std::vector<LogEntry> entries;
  };
  struct Next {
    std::function<void(std::uint64_t ready)> durable;  ///< All up to it. On the log executor.
    std::function<void(Error)> failed;                 ///< Once. On the log executor.
  };
  Persister(io::Executor& log, io::Clock& clock, LogStore& store, Next next);

  void add(Job job);
  /// Since when work waits and none became durable; none if nothing waits. A queue that only is
  /// long does not count: it moves. Any thread.
  std::optional<io::MonotonicTime> waiting_since() const;
  /// The longest write and sync of late. Any thread.
  io::Duration longest_write() const;
  /// No job begins from now on.
  void stop();

 private:
  void write_waiting();
  Status write(std::vector<Job>& jobs);

  io::Executor& log_;
  io::Clock& clock_;
  LogStore& store_;
  Next next_;
  bool failed_ = false;  // log executor

  mutable std::mutex mutex_;
  struct Waiting {
    Job job;
    io::MonotonicTime since;
  };
  std::vector<Waiting> waiting_;
  std::optional<io::MonotonicTime> writing_since_;
  io::MonotonicTime durable_at_{};  ///< The newest write.
  io::RecentMax longest_{io::seconds(30)};
  bool posted_ = false;
  bool stopped_ = false;
};

}  // namespace meridian::consensus
