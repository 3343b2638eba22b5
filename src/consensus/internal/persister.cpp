#include "consensus/internal/persister.h"

#include <algorithm>

#include "base/assert.h"

namespace meridian::consensus {

Persister::Persister(io::Executor& log, io::Clock& clock, LogStore& store, Next next)
    : log_(log), clock_(clock), store_(store), next_(std::move(next)) {}

void Persister::add(Job job) {
  const io::MonotonicTime now = clock_.monotonic();
  const std::lock_guard lock(mutex_);
  ASSERT(waiting_.empty() || waiting_.back().job.ready < job.ready);
  waiting_.push_back({std::move(job), now});
  if (posted_ || stopped_) return;
  posted_ = true;
  log_.post([this] { write_waiting(); });
}

void Persister::write_waiting() {
  std::vector<Job> jobs;
  {
    const std::lock_guard lock(mutex_);
    posted_ = false;
    if (stopped_ || waiting_.empty()) return;
    writing_since_ = waiting_.front().since;
    jobs.reserve(waiting_.size());
    for (Waiting& one : waiting_) jobs.push_back(std::move(one.job));
    waiting_.clear();
  }
  if (failed_) return;
  const std::uint64_t last = jobs.back().ready;
  const io::MonotonicTime began = clock_.monotonic();
  const Status written = write(jobs);
  {
    const std::lock_guard lock(mutex_);
    writing_since_.reset();
    durable_at_ = clock_.monotonic();
    longest_.add(durable_at_ - began, durable_at_);
  }
  if (!written) {
    failed_ = true;
    next_.failed(with_context(written.error(), "the write-ahead log failed"));
    return;
  }
  next_.durable(last);
}

/// One append for all jobs, but for a suffix that a later job replaces: that is written apart, as
/// an append holds entries that follow one another.
Status Persister::write(std::vector<Job>& jobs) {
  std::optional<HardState> hard_state;
  std::vector<LogEntry> entries;
  for (Job& job : jobs) {
    if (job.hard_state) hard_state = job.hard_state;
    for (LogEntry& entry : job.entries) {
      if (!entries.empty() && entry.index != entries.back().index + 1) {
        TRY(store_.append(hard_state ? &*hard_state : nullptr, entries));
        hard_state.reset();
        entries.clear();
      }
      entries.push_back(std::move(entry));
    }
  }
  if (!hard_state && entries.empty()) return {};
  return store_.append(hard_state ? &*hard_state : nullptr, entries);
}

std::optional<io::MonotonicTime> Persister::waiting_since() const {
  const std::lock_guard lock(mutex_);
  if (writing_since_) return std::max(*writing_since_, durable_at_);
  if (!waiting_.empty()) return std::max(waiting_.front().since, durable_at_);
  return std::nullopt;
}

io::Duration Persister::longest_write() const {
  const std::lock_guard lock(mutex_);
  return longest_.get(clock_.monotonic());
}

void Persister::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  waiting_.clear();
}

}  // namespace meridian::consensus
