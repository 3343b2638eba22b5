// Gathers requests into entries, stamps them with hybrid time, and proposes them.
//
// While the log syncs, requests wait here and leave together: batches grow with load and no timer
// is needed. submit() is thread-safe; entries are built on the log executor. Bounds: ReplicaLimits;
// what does not fit is refused at once, nothing done.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/clock.h"
#include "io/entropy.h"
#include "io/executor.h"
#include "io/pace.h"
#include "replica/clock_guard.h"
#include "replica/lifetime.h"
#include "replica/ordered_log.h"
#include "replica/replica.h"
#include "replica/stage_metrics.h"

namespace meridian::replica {

class Proposer {
 public:
  /// Entries whose outcome is still open: the log's own pipeline.
  static constexpr std::size_t entries_in_log_max = 8;
  /// A gap between records longer than this needs a time_advance record first.
  static constexpr std::uint64_t time_gap_max_ns = 55'000'000'000;

  Proposer(io::Clock& clock, io::Entropy& entropy, io::Executor& executor, OrderedLog& log,
           const ReplicaLimits& limits, StageMetrics& metrics);

  using Requests = std::vector<std::unique_ptr<ledger::Request>>;
  /// Begins to propose in `term`, after all that others ordered was applied: `first` before what
  /// waits. `last_time` is that of the last record applied. Until the first call of lead() or
  /// follow(), requests wait.
  void lead(std::uint64_t term, std::uint64_t last_time, Requests first);
  /// Others order now: requests are refused with `who` (nothing was done), and the outcome of what
  /// was proposed is unknown.
  void follow(std::uint64_t term, const std::string& who);
  /// The log did not take these, and never will, because of `why`.
  void dropped(const std::vector<EntryBytes>& entries, const Error& why);
  void submit(std::unique_ptr<ledger::Request> request, Replica::Answered answered);
  /// A request of our own whose entry changes who takes part (OrderedLog::propose_change). Errors
  /// as submit(); failed_precondition if the members are not those that it was checked against.
  void submit_change(std::unique_ptr<ledger::Request> request, consensus::CheckedChange change,
                     Replica::Answered answered);
  /// New client requests are refused with `why` until it is empty again. Requests that finish
  /// pending transfers and the replica's own still go on.
  void refuse_clients(std::string why);
  /// As refuse_clients, but all of them: whether this replica's records are right is in doubt.
  void doubt(std::string why);
  /// Asked before each stamp: while it may not, client requests are refused and our own wait.
  ClockGuard& clock_guard() { return guard_; }
  /// It was judged: what waited for that goes on.
  void clock_judged();
  /// Proposes at most so many bytes a second from now on; 0: as many as come. What is over waits.
  void set_pace(std::uint64_t bytes_per_second);
  /// Bytes proposed so far, in all terms.
  std::uint64_t proposed_bytes();
  /// Of the cell, as of what is applied: commands that have no effect below a newer one are refused
  /// from all. Any thread.
  void set_feature_level(std::uint32_t level) { feature_level_ = level; }
  std::uint32_t feature_level() const { return feature_level_; }

  struct Waiting {
    Replica::Answered answered;
    std::uint32_t first_command;
    std::uint32_t command_count;
    std::uint64_t bytes;
  };
  /// Who waits for the outcome of `entry`; empty if it was not proposed here. Called once each.
  std::vector<Waiting> take(const EntryBytes& entry);
  /// The requests were answered: their room is free again.
  void answered(std::uint64_t requests, std::uint64_t bytes);
  /// An entry that take() was called for has its headers stored.
  void entry_stored();
  /// Answers everything that waits with `error`; its outcome is unknown. Refuses all from then on.
  void fail(const Error& error);
  /// True if nothing waits to be proposed and what was proposed is answered and stored; always
  /// while it does not lead and after fail().
  bool idle();

 private:
  struct Queued {
    std::unique_ptr<ledger::Request> request;
    Replica::Answered answered;
    std::uint64_t bytes;
  };
  struct Batch {
    std::vector<Queued> requests;
    std::uint64_t command_count = 0;
    std::size_t size = 0;
  };
  void schedule_flush();  // mutex_ held
  void show_waiting();    // mutex_ held
  void flush();
  void refuse_queued_clients(const Error& why);
  bool may_propose() const;  // mutex_ held
  Batch next_batch();        // mutex_ held
  void count(std::uint64_t bytes);
  struct Stamped {
    EntryBytes bytes;
    std::uint64_t last_time;
  };
  Stamped encode(const Batch& batch, std::uint64_t now);
  /// What must go before an entry stamped `now`, if so much time has passed.
  std::optional<EntryBytes> time_advance(std::uint64_t now);
  Stamped encode_time_advance(std::uint64_t time);
  EntryBytes encode_stamped(std::uint64_t base_time,
                            std::span<const ledger::Request* const> requests);
  /// `last_time`: of the last record that `entry` makes.
  void remember(const EntryBytes& entry, Batch batch, std::uint64_t last_time);
  /// What the next stamp must be later than: entries that were dropped do not count, as nothing in
  /// the log follows them.
  std::uint64_t last_time();
  void begin(std::uint64_t term, std::uint64_t last_time, Requests first);
  void forget(const Buffer* entry, std::vector<Replica::Answered>& answers);  // mutex_ held
  bool of_another_term(const ledger::Request& request) const;                 // mutex_ held
  /// Out of the queue, with their room: who waits for them.
  std::vector<Replica::Answered> take_out(
      const std::function<bool(const ledger::Request&)>& is_meant);  // mutex_ held

  io::Clock& clock_;
  ClockGuard guard_{clock_};
  io::Entropy& entropy_;
  io::Executor& executor_;
  OrderedLog& log_;
  const ReplicaLimits limits_;
  StageMetrics& metrics_;
  std::atomic<std::uint32_t> feature_level_{ledger::feature_level_newest};
  std::uint64_t term_ = 0;  ///< Changes on executor_, under mutex_.

  std::mutex mutex_;
  bool leading_ = false;
  std::uint64_t newest_term_ = 0;
  std::optional<std::string> following_;  ///< Why requests are refused.
  bool flush_posted_ = false;
  std::optional<Error> failed_;
  std::string refusing_clients_;
  std::string doubting_;
  std::deque<Queued> queue_;
  std::unordered_map<const Buffer*, std::vector<Waiting>> waiting_;
  std::uint64_t applied_time_ = 0;  ///< Of the last record applied, as far as is known here.
  /// Of entries that are in the log, or may be: the time of the last record each makes.
  std::unordered_map<const Buffer*, std::uint64_t> stamped_;
  std::uint64_t queued_bytes_ = 0;
  std::uint64_t queued_requests_ = 0;
  std::size_t entries_in_log_ = 0;
  std::size_t entries_unstored_ = 0;
  std::uint64_t proposed_bytes_ = 0;
  io::Pace pace_{io::milliseconds(20)};  ///< That much a late timer is made up for.
  Lifetime lifetime_;
};

}  // namespace meridian::replica
