#include "replica/proposer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "replica/internal/level_check.h"

namespace meridian::replica {

namespace {

constexpr std::size_t group_bytes_max = 4 << 20;

bool is_clients(const ledger::Request& request) {
  return request.attester != ledger::Attester::replica;
}

/// Requests that only post or void pending transfers are let in even when the cell is full.
bool finishes_pendings(const ledger::Request& request) {
  for (const ledger::Run& run : request.runs)
    if (run.kind != ledger::CommandKind::create_transfer) return false;
  constexpr std::uint16_t finishing =
      ledger::transfer_flags::post_pending_transfer | ledger::transfer_flags::void_pending_transfer;
  for (std::size_t at = 0; at < request.commands.size(); at += ledger::command_size) {
    const auto transfer = ledger::load_command<ledger::Transfer>(request.commands.data() + at);
    if ((transfer.flags & finishing) == 0) return false;
  }
  return true;
}

Error leadership_moved() {
  return {Code::unavailable, "leadership moved meanwhile: nothing was done, send it again"};
}

}  // namespace

Proposer::Proposer(io::Clock& clock, io::Entropy& entropy, io::Executor& executor, OrderedLog& log,
                   const ReplicaLimits& limits, StageMetrics& metrics)
    : clock_(clock),
      entropy_(entropy),
      executor_(executor),
      log_(log),
      limits_(limits),
      metrics_(metrics) {}

void Proposer::show_waiting() {
  metrics_.queued_requests.set(static_cast<std::int64_t>(queued_requests_));
  metrics_.queued_bytes.set(static_cast<std::int64_t>(queued_bytes_));
}

void Proposer::lead(std::uint64_t term, std::uint64_t last_time, Requests first) {
  executor_.post([this, term, last_time, first = std::move(first)]() mutable {
    begin(term, last_time, std::move(first));
  });
}

void Proposer::begin(std::uint64_t term, std::uint64_t last_time, Requests first) {
  std::vector<Replica::Answered> undone;
  {
    const std::lock_guard lock(mutex_);
    if (term < newest_term_) return;
    newest_term_ = term;
    // Again in one term, after a hand-over that came to nothing: what was proposed before it is
    // still in the log, unless it was dropped, and later than the state's last record.
    if (term != term_) stamped_.clear();
    applied_time_ = last_time;
    term_ = term;
    leading_ = true;
    following_.reset();
    undone = take_out([this](const ledger::Request& one) { return of_another_term(one); });
    for (auto request = first.rbegin(); request != first.rend(); ++request) {
      const std::uint64_t bytes = (*request)->encoded_size();
      queued_bytes_ += bytes;
      ++queued_requests_;
      metrics_.requests_accepted.increment();
      queue_.push_front({std::move(*request), [](const Result<Answer>&) {}, bytes});
    }
    schedule_flush();
  }
  for (Replica::Answered& answered : undone) answered(leadership_moved());
}

bool Proposer::of_another_term(const ledger::Request& request) const {
  return request.only_in_term != 0 && !(leading_ && request.only_in_term == term_);
}

std::vector<Replica::Answered> Proposer::take_out(
    const std::function<bool(const ledger::Request&)>& is_meant) {
  std::vector<Replica::Answered> undone;
  std::deque<Queued> kept;
  for (Queued& queued : queue_) {
    if (!is_meant(*queued.request)) {
      kept.push_back(std::move(queued));
      continue;
    }
    undone.push_back(std::move(queued.answered));
    queued_bytes_ -= queued.bytes;
    --queued_requests_;
  }
  queue_ = std::move(kept);
  return undone;
}

void Proposer::follow(std::uint64_t term, const std::string& who) {
  std::vector<Replica::Answered> undone, unknown;
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return;
    newest_term_ = std::max(newest_term_, term);
    leading_ = false;
    following_ = who;
    for (Queued& queued : queue_) {
      undone.push_back(std::move(queued.answered));
      queued_bytes_ -= queued.bytes;
      --queued_requests_;
    }
    queue_.clear();
    while (!waiting_.empty()) forget(waiting_.begin()->first, unknown);
    show_waiting();
  }
  const Error not_done{Code::unavailable, who + ": nothing was done"};
  for (Replica::Answered& answered : undone) answered(not_done);
  const Error open{Code::deadline_exceeded,
                   "leadership moved while this was under way: the outcome is unknown, ask for it "
                   "by id, or send it again with the same ids"};
  for (Replica::Answered& answered : unknown) answered(open);
}

void Proposer::dropped(const std::vector<EntryBytes>& entries, const Error& why) {
  std::vector<Replica::Answered> undone;
  {
    const std::lock_guard lock(mutex_);
    for (const EntryBytes& entry : entries) {
      stamped_.erase(entry.get());
      forget(entry.get(), undone);
    }
    show_waiting();
  }
  const Error not_done{why.code, why.message + ": nothing was done"};
  for (Replica::Answered& answered : undone) answered(not_done);
}

/// Whoever waits for `entry` gets no answer from the state machine.
void Proposer::forget(const Buffer* entry, std::vector<Replica::Answered>& answers) {
  const auto found = waiting_.find(entry);
  if (found == waiting_.end()) return;
  for (Waiting& one : found->second) {
    answers.push_back(std::move(one.answered));
    queued_bytes_ -= one.bytes;
    --queued_requests_;
  }
  waiting_.erase(found);
  if (entries_in_log_ > 0) --entries_in_log_;
  if (entries_unstored_ > 0) --entries_unstored_;
}

void Proposer::refuse_clients(std::string why) {
  const std::lock_guard lock(mutex_);
  refusing_clients_ = std::move(why);
}

void Proposer::doubt(std::string why) {
  const std::lock_guard lock(mutex_);
  doubting_ = std::move(why);
}

void Proposer::submit(std::unique_ptr<ledger::Request> request, Replica::Answered answered) {
  const std::uint64_t bytes = request->encoded_size();
  std::optional<Error> refused;
  if (request->command_count() == 0) {
    refused = meridian::fail(Code::invalid_argument, "the request holds no command");
  } else if (request->command_count() > ledger::entry_commands_max ||
             bytes + ledger::entry_header_size > ledger::entry_size_max) {
    refused = meridian::fail(
        Code::invalid_argument,
        fmt::format("the request holds {} commands and {} bytes; at most {} commands and "
                    "{} bytes fit: split it",
                    request->command_count(), bytes, ledger::entry_commands_max,
                    ledger::entry_size_max - ledger::entry_header_size));
  } else if (Status sound = ledger::check_request(*request); !sound) {
    // A bad one in the log, where it is too late, would stop every replica.
    refused = sound.error();
  } else if (Status known = check_level(*request, feature_level_); !known) {
    refused = known.error();
  } else {
    const std::lock_guard lock(mutex_);
    if (failed_) {
      refused = Error{Code::failed_precondition,
                      "this replica stopped writing and nothing was done: " + failed_->message};
    } else if (following_) {
      refused = meridian::fail(Code::unavailable, *following_ + ": nothing was done");
    } else if (of_another_term(*request)) {
      refused = leadership_moved();
    } else if (const Status may = guard_.check(); is_clients(*request) && !may) {
      refused = may.error();
    } else if (is_clients(*request) && !doubting_.empty()) {
      refused = meridian::fail(Code::unavailable, doubting_ + "; nothing was done");
    } else if (is_clients(*request) && !refusing_clients_.empty() && !finishes_pendings(*request)) {
      refused = meridian::fail(Code::resource_exhausted, refusing_clients_);
    } else if (is_clients(*request) && (queued_bytes_ + bytes > limits_.queued_bytes_max ||
                                        queued_requests_ >= limits_.queued_requests_max)) {
      refused = meridian::fail(
          Code::resource_exhausted,
          fmt::format("{} requests of {} bytes wait already; nothing was done, try again "
                      "with fewer outstanding requests",
                      queued_requests_, queued_bytes_));
    } else {
      queued_bytes_ += bytes;
      ++queued_requests_;
      metrics_.requests_accepted.increment();
      show_waiting();
      queue_.push_back({std::move(request), std::move(answered), bytes});
      schedule_flush();
      return;
    }
  }
  metrics_.requests_refused.increment();
  answered(std::move(*refused));
}

bool Proposer::may_propose() const {
  return leading_ && !failed_ && !queue_.empty() && entries_in_log_ < entries_in_log_max &&
         entries_unstored_ < limits_.unproven_entries_max;
}

void Proposer::schedule_flush() {
  if (flush_posted_ || !may_propose()) return;
  flush_posted_ = true;
  const io::Duration wait = pace_.wait(clock_.monotonic());
  if (wait == io::Duration{}) return executor_.post([this] { flush(); });
  executor_.post_after(wait, [this, alive = lifetime_.token()] {
    if (*alive) flush();
  });
}

void Proposer::set_pace(std::uint64_t bytes_per_second) {
  const std::lock_guard lock(mutex_);
  pace_.set(bytes_per_second);
}

std::uint64_t Proposer::proposed_bytes() {
  const std::lock_guard lock(mutex_);
  return proposed_bytes_;
}

void Proposer::count(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  proposed_bytes_ += bytes;
  pace_.count(bytes, clock_.monotonic());
}

Proposer::Batch Proposer::next_batch() {
  Batch batch;
  batch.size = ledger::entry_header_size;
  while (!queue_.empty()) {
    const Queued& next = queue_.front();
    const std::uint32_t commands = next.request->command_count();
    if (batch.command_count + commands > ledger::entry_commands_max) break;
    if (batch.size + next.bytes > ledger::entry_size_max) break;
    batch.command_count += commands;
    batch.size += next.bytes;
    batch.requests.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return batch;
}

void Proposer::clock_judged() {
  const std::lock_guard lock(mutex_);
  schedule_flush();
}

void Proposer::refuse_queued_clients(const Error& why) {
  std::vector<Replica::Answered> undone;
  {
    const std::lock_guard lock(mutex_);
    undone = take_out(is_clients);
    show_waiting();
  }
  for (Replica::Answered& answered : undone) answered(why);
}

void Proposer::flush() {
  std::vector<EntryBytes> entries;
  std::size_t group_bytes = 0;
  {
    const std::lock_guard lock(mutex_);
    flush_posted_ = false;
  }
  if (const Status may = guard_.check(); !may) return refuse_queued_clients(may.error());
  while (group_bytes < group_bytes_max) {
    Batch batch;
    {
      const std::lock_guard lock(mutex_);
      if (!may_propose() || pace_.wait(clock_.monotonic()) > io::Duration{}) break;
      batch = next_batch();
      ++entries_in_log_;
      ++entries_unstored_;
    }
    metrics_.entry_commands.observe(batch.command_count);
    // Asked once: an entry must not be stamped later than what was compared with the gap.
    const auto now = static_cast<std::uint64_t>(clock_.now().time);
    if (std::optional<EntryBytes> advance = time_advance(now)) entries.push_back(*advance);
    Stamped entry = encode(batch, now);
    group_bytes += entry.bytes->size();
    count(entry.bytes->size());
    remember(entry.bytes, std::move(batch), entry.last_time);
    entries.push_back(std::move(entry.bytes));
  }
  if (!entries.empty()) log_.propose(term_, std::move(entries));
  const std::lock_guard lock(mutex_);
  schedule_flush();
}

void Proposer::submit_change(std::unique_ptr<ledger::Request> request,
                             consensus::CheckedChange change, Replica::Answered answered) {
  executor_.post([this, change = std::move(change),
                  queued = Queued{std::move(request), std::move(answered), 0}]() mutable {
    queued.bytes = queued.request->encoded_size();
    if (const Status may = guard_.check(); !may) return queued.answered(may.error());
    bool may_propose = false;
    {
      const std::lock_guard lock(mutex_);
      may_propose = leading_ && !failed_;
      if (may_propose) {
        queued_bytes_ += queued.bytes;
        ++queued_requests_;
        ++entries_in_log_;
        ++entries_unstored_;
      }
    }
    if (!may_propose)
      return queued.answered(meridian::fail(
          Code::unavailable, "this replica does not lead the cell any more: nothing was done"));
    const auto now = static_cast<std::uint64_t>(clock_.now().time);
    if (std::optional<EntryBytes> advance = time_advance(now)) log_.propose(term_, {*advance});
    Batch batch;
    batch.command_count = queued.request->command_count();
    batch.requests.push_back(std::move(queued));
    Stamped entry = encode(batch, now);
    remember(entry.bytes, std::move(batch), entry.last_time);
    log_.propose_change(term_, std::move(change), std::move(entry.bytes));
  });
}

std::optional<EntryBytes> Proposer::time_advance(std::uint64_t now) {
  const std::uint64_t last = last_time();
  if (last == 0 || now <= last + time_gap_max_ns) return std::nullopt;
  {
    const std::lock_guard lock(mutex_);
    ++entries_in_log_;
    ++entries_unstored_;
  }
  Stamped advance = encode_time_advance(now);
  remember(advance.bytes, {}, advance.last_time);
  return std::move(advance.bytes);
}

EntryBytes Proposer::encode_stamped(std::uint64_t base_time,
                                    std::span<const ledger::Request* const> requests) {
  ledger::EntryStamp stamp{};
  stamp.base_time = base_time;
  stamp.clock_uncertainty_us = clock_.now().uncertainty_us;
  entropy_.fill(stamp.secret);
  auto bytes = std::make_shared<Buffer>();
  ledger::encode_entry(stamp, requests, *bytes);
  return bytes;
}

std::uint64_t Proposer::last_time() {
  const std::lock_guard lock(mutex_);
  std::uint64_t last = applied_time_;
  for (const auto& [entry, time] : stamped_) last = std::max(last, time);
  return last;
}

Proposer::Stamped Proposer::encode(const Batch& batch, std::uint64_t now) {
  std::vector<const ledger::Request*> requests;
  requests.reserve(batch.requests.size());
  for (const Queued& queued : batch.requests) requests.push_back(queued.request.get());
  // Hybrid time: the wall clock, but never before what was stamped already.
  const std::uint64_t base = std::max(now, last_time() + 1);
  return {encode_stamped(base, requests), base + batch.command_count - 1};
}

Proposer::Stamped Proposer::encode_time_advance(std::uint64_t time) {
  ledger::TimeAdvance advance{};
  advance.time = time;
  ledger::Request request;
  request.attester = ledger::Attester::replica;
  request.add(ledger::CommandKind::time_advance, advance);
  const ledger::Request* requests[] = {&request};
  const std::uint64_t time_of_record = last_time() + 1;
  return {encode_stamped(time_of_record, requests), time_of_record};
}

void Proposer::remember(const EntryBytes& entry, Batch batch, std::uint64_t last_time) {
  std::vector<Waiting> waiting;
  waiting.reserve(batch.requests.size());
  std::uint32_t first = 0;
  for (Queued& queued : batch.requests) {
    const std::uint32_t count = queued.request->command_count();
    waiting.push_back({std::move(queued.answered), first, count, queued.bytes});
    first += count;
  }
  const std::lock_guard lock(mutex_);
  waiting_.emplace(entry.get(), std::move(waiting));
  stamped_[entry.get()] = last_time;
}

std::vector<Proposer::Waiting> Proposer::take(const EntryBytes& entry) {
  const std::lock_guard lock(mutex_);
  if (const auto stamp = stamped_.extract(entry.get()))
    applied_time_ = std::max(applied_time_, stamp.mapped());
  const auto found = waiting_.find(entry.get());
  if (found == waiting_.end()) return {};
  std::vector<Waiting> waiting = std::move(found->second);
  waiting_.erase(found);
  if (entries_in_log_ > 0) --entries_in_log_;
  schedule_flush();
  return waiting;
}

void Proposer::answered(std::uint64_t requests, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (failed_) return;  // all room was given back at once
  ASSERT(queued_requests_ >= requests);
  ASSERT(queued_bytes_ >= bytes);
  queued_requests_ -= requests;
  queued_bytes_ -= bytes;
  show_waiting();
}

void Proposer::entry_stored() {
  const std::lock_guard lock(mutex_);
  if (entries_unstored_ > 0) --entries_unstored_;
  metrics_.unproven_entries.set(static_cast<std::int64_t>(entries_unstored_));
  schedule_flush();
}

void Proposer::fail(const Error& error) {
  std::vector<Replica::Answered> unknown;
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return;
    failed_ = error;
    lifetime_.end();
    for (Queued& queued : queue_) unknown.push_back(std::move(queued.answered));
    for (auto& [entry, waiting] : waiting_)
      for (Waiting& one : waiting) unknown.push_back(std::move(one.answered));
    queue_.clear();
    waiting_.clear();
    queued_bytes_ = queued_requests_ = 0;
    show_waiting();
  }
  const Error answer{Code::unavailable,
                     "the outcome is unknown, ask for it by id after a restart: " + error.message};
  for (Replica::Answered& answered : unknown) answered(answer);
}

bool Proposer::idle() {
  const std::lock_guard lock(mutex_);
  if (!leading_ || failed_) return true;
  return queue_.empty() && waiting_.empty() && entries_unstored_ == 0;
}

}  // namespace meridian::replica
