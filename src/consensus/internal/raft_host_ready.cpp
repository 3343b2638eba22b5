// What the core wants done: Ready after Ready (docs/design/raft_contract.md).
#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "consensus/internal/raft_host.h"

namespace meridian::consensus {

void RaftHost::pump() {
  if (pumping_ || stopped_) return;  // a handler called back
  pumping_ = true;
  do {
    while (core_.has_ready()) take_ready();
    staged_.clear();  // what no Ready had was dropped by the core
    hand_out();
    for (const std::uint64_t peer : outbox_.take_unreachable()) core_.report_unreachable(peer);
  } while (core_.has_ready());
  pumping_ = false;
  visible_.evict(handed_out_ + 1);
  notice_leadership();
}

void RaftHost::take_ready() {
  CoreReady ready = core_.ready();
  Persister::Job job{ready.number, std::nullopt, take_entries(ready.entries)};
  if (must_save(ready, job.entries)) save(job);
  const bool has_work = job.hard_state || !job.entries.empty();
  LogPosition last;
  if (!job.entries.empty()) last = {job.entries.back().index, job.entries.back().term};

  std::vector<OutgoingMessage> held;
  if (ready.messages_wait_for_sync && (has_work || !pending_.empty()) &&
      !config_.broken.send_before_sync)
    held = std::move(ready.messages);  // M1
  else
    send(std::move(ready.messages));
  take_reads(ready.reads);
  if (ready.committed_index != 0) committed_ = ready.committed_index;
  if (config_.broken.apply_unpersisted && last.index != 0) committed_ = last.index;

  core_.advance();
  if (has_work || !pending_.empty() || !held.empty()) {
    // Also one without work keeps its place: its messages promise what the ones before persist.
    const std::uint64_t commit = job.hard_state ? job.hard_state->commit : 0;
    pending_.push_back({ready.number, last, commit, std::move(held)});
    persister_.add(std::move(job));
  } else {
    core_.persisted(ready.number);
  }
}

/// Term and vote before anything that promises them (S5). The commit index alone is worth no sync,
/// but must be durable with or before a membership entry (S9): one was proposed only once the
/// change before was committed, so who has it must not fall back to a configuration from before
/// that one and elect with it. And before a change is used (S11): who left may be gone then.
bool RaftHost::must_save(const CoreReady& ready, const std::vector<LogEntry>& entries) {
  const HardState before = hard_state_;
  if (ready.hard_state) hard_state_ = *ready.hard_state;
  if (before.term != hard_state_.term || before.vote != hard_state_.vote) return true;
  if (config_.broken.forget_commit) return false;
  if (!known_changes_.empty() && *known_changes_.begin() <= hard_state_.commit) return true;
  return std::any_of(entries.begin(), entries.end(),
                     [](const LogEntry& entry) { return entry.kind == EntryKind::membership; });
}

void RaftHost::save(Persister::Job& job) {
  job.hard_state = hard_state_;
  known_changes_.erase(known_changes_.begin(), known_changes_.upper_bound(hard_state_.commit));
}

std::vector<LogEntry> RaftHost::take_entries(const std::vector<CoreEntry>& entries) {
  std::vector<LogEntry> taken;
  taken.reserve(entries.size());
  for (const CoreEntry& entry : entries) {
    LogEntry one{entry.index, entry.term, entry.kind, nullptr, nullptr, 0};
    known_changes_.erase(known_changes_.lower_bound(entry.index), known_changes_.end());
    if (entry.kind == EntryKind::membership) {
      one.change = std::make_shared<const Buffer>(to_buffer(entry.change));
      known_changes_.insert(entry.index);
    }
    if (entry.handle.id != 0) {
      const auto found = staged_.find(entry.handle.id);
      ASSERT(found != staged_.end());
      one.bytes = found->second.bytes;
      one.size = one.bytes->size();
    }
    visible_.append(one);
    taken.push_back(std::move(one));
  }
  return taken;
}

void RaftHost::send(std::vector<OutgoingMessage> messages) {
  if (messages.empty()) return;
  const std::uint64_t term = core_.status().term;
  for (OutgoingMessage& message : messages) {
    if (message.kind == MessageKind::snapshot) snapshots_[message.to] = {ticks_, false};
    outbox_.send(std::move(message), term);
  }
}

void RaftHost::durable(std::uint64_t ready) {
  while (!pending_.empty() && pending_.front().ready <= ready) {
    Pending done = std::move(pending_.front());
    pending_.pop_front();
    if (visible_.term(done.last.index) == done.last.term) visible_.durable(done.last.index);
    saved_commit_ = std::max(saved_commit_, done.commit);
    send(std::move(done.messages));
  }
  core_.persisted(ready);
  pump();
}

void RaftHost::hand_out() {
  std::vector<CommittedEntry> out;
  const io::MonotonicTime now = parts_.clock.monotonic();
  while (handed_out_ < committed_ && unapplied_bytes_ <= config_.limits.unapplied_bytes_max) {
    const std::uint64_t index = handed_out_ + 1;
    LogEntry entry = visible_.at(index);
    if (entry.size != 0 && !entry.bytes) {
      const auto found = loaded_.find(index);
      if (found == loaded_.end()) {
        load_unapplied(index);
        break;
      }
      entry.bytes = found->second;
    }
    if (entry.kind == EntryKind::membership) {
      if (saved_commit_ < index && !config_.broken.forget_commit) break;  // S11
      ASSERT(entry.change != nullptr);
      Result<Membership> next = core_.apply_change(*entry.change);
      // The leader's core proposes only what can be applied: a refusal here is another history.
      if (!next) return fatal(with_context(next.error(), fmt::format("entry {}", index)));
      membership_ = std::make_shared<const Membership>(std::move(*next));
      if (!membership_->votes(config_.id)) core_.step_down();  // L9
    }
    handed_out_ = index;
    loaded_.erase(loaded_.begin(), loaded_.upper_bound(index));  // some were in memory as well
    unapplied_.push_back({index, entry.size, now});
    unapplied_bytes_ += entry.size;
    out.push_back({std::move(entry), membership_});
  }
  if (!out.empty()) handler_.committed(std::move(out));
}

void RaftHost::load_unapplied(std::uint64_t first) {
  if (std::exchange(loading_, true)) return;
  parts_.log.post([this, first, last = committed_] {
    if (stopped_) return;
    post([this, first, read = parts_.store.read(first, last, read_back_bytes_max)]() mutable {
      loading_ = false;
      if (!read) return fatal(with_context(read.error(), "the log cannot be read back"));
      for (LogEntry& entry : *read) {
        ASSERT(visible_.term(entry.index) == entry.term);
        loaded_[entry.index] = std::move(entry.bytes);
      }
      pump();
    });
  });
}

void RaftHost::notice_leadership() {
  const CoreStatus status = core_.status();
  draw_election_timeout(status);
  const bool may_propose = status.role == Role::leader && status.transferee == 0 &&
                           membership_->votes(config_.id) && status.committed_in_term &&
                           applied_ >= first_index_of(status.term);
  const Leadership now{status.role, status.term, status.leader, may_propose};
  if (now == leadership_) return;
  if (now.role != leadership_.role || now.term != leadership_.term) {
    if (now.role == Role::candidate) ++elections_;
    outbox_.keep_only(now.role == Role::leader ? now.term : 0);
  }
  leadership_ = now;
  handler_.leadership(now);
}

/// Of a leader's own entries: the empty one that it began its term with.
std::uint64_t RaftHost::first_index_of(std::uint64_t term) {
  if (first_of_term_.term == term) return first_of_term_.index;
  std::uint64_t first = visible_.last_index();
  while (visible_.has(first - 1) && visible_.term(first - 1) == term) --first;
  first_of_term_ = {first, term};
  return first;
}

/// L2: the core drew from the thread's generator; ours makes a seed replay.
void RaftHost::draw_election_timeout(const CoreStatus& status) {
  const std::pair<std::uint64_t, Role> now{status.term, status.role};
  if (now != timeout_for_) {
    timeout_for_ = now;
    election_ticks_ = election_ticks_min_ + next_random(random_) % (election_ticks_min_ + 1);
  }
  if (status.election_ticks != election_ticks_) core_.set_election_ticks(election_ticks_);
}

}  // namespace meridian::consensus
