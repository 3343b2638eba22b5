#include "consensus/internal/persister.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"

namespace meridian::consensus {

Persister::Persister(io::Executor& log, io::Clock& clock, LogStore& store, const Durable& start,
                     Next next)
    : log_(log), clock_(clock), store_(store), next_(std::move(next)), durable_(start) {}

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
/// an append holds entries that follow one another. So is what comes before a membership entry, if
/// it is committed: the commit index must be durable first (S9), and cannot before that is.
Status Persister::write(const std::vector<Waiting>& jobs) {
  std::optional<HardState> state;
  std::vector<LogEntry> entries;
  for (const auto& [job, since] : jobs) {
    if (job.hard_state) state = job.hard_state;
    for (const LogEntry& entry : job.entries) {
      const bool replaces = !entries.empty() && entry.index != entries.back().index + 1;
      const bool commits = entry.kind == EntryKind::membership && !entries.empty() && state &&
                           state->commit > durable_before(entries);
      if (replaces || commits) TRY(write(state, entries));
      entries.push_back(entry);
    }
  }
  return write(state, entries);
}

/// The last entry that stays as it is when `entries` are written.
std::uint64_t Persister::durable_before(const std::vector<LogEntry>& entries) const {
  return entries.empty() ? durable_.last_index
                         : std::min(durable_.last_index, entries.front().index - 1);
}

/// No commit index is saved before the entries that it covers.
/// `state` first, with as much of its commit index as is durable then, and the rest of that when
/// the entries are. Takes the entries.
Status Persister::write(const std::optional<HardState>& state, std::vector<LogEntry>& entries) {
  const auto with_commit = [&](std::uint64_t durable) {
    HardState clamped = *state;
    clamped.commit = std::max(std::min(state->commit, durable), durable_.hard_state.commit);
    return clamped;
  };
  const HardState first = state ? with_commit(durable_before(entries)) : durable_.hard_state;
  const bool is_new = first != durable_.hard_state;
  if (is_new || !entries.empty()) TRY(store_.append(is_new ? &first : nullptr, entries));
  durable_.hard_state = first;
  if (!entries.empty()) durable_.last_index = entries.back().index;
  entries.clear();
  const HardState last = state ? with_commit(durable_.last_index) : first;
  if (last != first) TRY(store_.append(&last, {}));
  durable_.hard_state = last;
  return {};
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
