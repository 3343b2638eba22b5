#include "consensus/internal/persister.h"

#include <algorithm>
#include <iterator>
#include <utility>

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
  std::vector<Waiting> jobs;
  {
    const std::lock_guard lock(mutex_);
    posted_ = false;
    if (stopped_ || waiting_.empty()) return;
    writing_since_ = waiting_.front().since;
    jobs.swap(waiting_);
  }
  if (failed_) return;
  const std::uint64_t last = jobs.back().job.ready;
  const io::MonotonicTime began = clock_.monotonic();
  const Status written = write(jobs);
  if (!written && written.error().code == Code::resource_exhausted)
    return wait_for_room(std::move(jobs), written.error());
  bool has_room_again = false;
  {
    const std::lock_guard lock(mutex_);
    writing_since_.reset();
    durable_at_ = clock_.monotonic();
    longest_.add(durable_at_ - began, durable_at_);
    usual_.add(durable_at_ - began, durable_at_);
    has_room_again = std::exchange(lacks_room_, false);
  }
  if (!written) {
    failed_ = true;
    next_.failed(with_context(written.error(), "the write-ahead log failed"));
    return;
  }
  if (has_room_again) next_.room({});
  next_.durable(last);
}

/// The jobs go back to where they were, before what came meanwhile.
void Persister::wait_for_room(std::vector<Waiting> jobs, const Error& error) {
  bool is_new = false;
  {
    const std::lock_guard lock(mutex_);
    writing_since_.reset();
    if (stopped_) return;
    jobs.insert(jobs.end(), std::make_move_iterator(waiting_.begin()),
                std::make_move_iterator(waiting_.end()));
    waiting_ = std::move(jobs);
    is_new = !std::exchange(lacks_room_, true);
    posted_ = true;
  }
  if (is_new) next_.room(error);
  log_.post_after(room_period, [this] { write_waiting(); });
}

/// One append for all jobs, but for a suffix that a later job replaces: that is written apart, as
/// an append holds entries that follow one another.
Status Persister::write(const std::vector<Waiting>& jobs) {
  std::optional<HardState> hard_state;
  std::vector<LogEntry> entries;
  for (const auto& [job, since] : jobs) {
    if (job.hard_state) hard_state = job.hard_state;
    for (const LogEntry& entry : job.entries) {
      if (!entries.empty() && entry.index != entries.back().index + 1) {
        TRY(store_.append(hard_state ? &*hard_state : nullptr, entries));
        hard_state.reset();
        entries.clear();
      }
      entries.push_back(entry);
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

bool Persister::lacks_room() const {
  const std::lock_guard lock(mutex_);
  return lacks_room_;
}

io::Duration Persister::usual_write() const {
  const std::lock_guard lock(mutex_);
  return usual_.get(clock_.monotonic());
}

void Persister::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  waiting_.clear();
}

}  // namespace meridian::consensus
