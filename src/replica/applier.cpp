#include "replica/applier.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "base/assertion_note.h"
#include "replica/checkpointer.h"

namespace meridian::replica {

Applier::Applier(const Parts& parts, Next next) : parts_(parts), next_(std::move(next)) {}

void Applier::committed(std::vector<CommittedEntry> entries) {
  parts_.executor.post([this, entries = std::move(entries)]() mutable {
    for (CommittedEntry& entry : entries) waiting_.push_back(std::move(entry));
    process();
  });
}

void Applier::cut_first_checkpoint() {
  if (checkpointer_->is_busy() || checkpointer_->newest_record() != 0) return;
  if (parts_.ledger.records() == 0 || failed_) return;
  checkpointer_->cut(parts_.ledger, parts_.history, last_applied_);
}

void Applier::resume() { process(); }

void Applier::entry_stored() {
  parts_.executor.post([this] {
    ASSERT(unstored_ > 0);
    --unstored_;
    process();
  });
}

void Applier::process() {
  const std::uint64_t before = last_applied_.index;
  apply_waiting();
  if (last_applied_.index != before) next_.progressed(last_applied_.index);
}

void Applier::apply_waiting() {
  while (!waiting_.empty() && !failed_) {
    if (unstored_ >= parts_.limits.unproven_entries_max) return;
    if (checkpointer_->is_due(parts_.ledger)) {
      if (!checkpointer_->is_busy())
        checkpointer_->cut(parts_.ledger, parts_.history, last_applied_);
      else if (checkpointer_->may_pass())
        checkpointer_->pass(parts_.ledger);
      else
        return;
    }
    CommittedEntry entry = std::move(waiting_.front());
    waiting_.pop_front();
    if (!apply(std::move(entry))) return;
  }
}

bool Applier::apply(CommittedEntry entry) {
  ASSERT(entry.index == last_applied_.index + 1);
  if (entry.membership) membership_ = entry.membership;
  if (!entry.bytes) {  // consensus's own
    last_applied_ = {entry.index, entry.term};
    return true;
  }
  const EntryBytes original = entry.bytes;
  const bool is_skipped = parts_.skips.covers(entry.index, *entry.bytes);
  ledger::Applied applied = pool_->take();
  const ledger::EntryPosition position{parts_.cell, entry.term, entry.index,
                                       ledger::RecordIndex{parts_.ledger.records()}};
  if (is_skipped) {
    Result<EntryBytes> substitute = substitute_of(entry, parts_.ledger);
    if (!substitute) return give_up(substitute.error());
    entry.bytes = std::move(*substitute);
    next_.notice(fmt::format("entry {} is skipped, as an operator wanted: record {} says so",
                             entry.index, parts_.ledger.records()));
  }
  Result<ledger::EntryView> view = execute(entry, applied);
  if (!view) {
    Error error =
        with_context(view.error(), fmt::format("entry {} cannot be applied", entry.index));
    // What is of this node alone, or of its version, is no poison.
    if (!is_skipped && error.code != Code::unimplemented && error.code != Code::data_loss)
      error.message += ". " + skip_advice(entry.index, *entry.bytes, parts_.disk.display(""));
    return give_up(error);
  }
  ASSERT(applied.effects.size() == view->command_count());
  last_applied_ = {entry.index, entry.term};
  check_state_digests(*view);
  auto result = std::make_shared<const AppliedEntry>(std::move(entry), std::move(*view), position,
                                                     std::move(applied), pool_);
  parts_.proposer.set_feature_level(parts_.ledger.feature_level());
  if (is_skipped)
    answer_skipped(original);
  else
    answer(result->entry, *result);
  parts_.history.push(result);
  ++unstored_;
  next_.applied(std::move(result));
  watch_limits();
  return true;
}

/// Nothing is applied any more. False, for apply().
bool Applier::give_up(const Error& why) {
  failed_ = true;
  next_.fatal(why);
  return false;
}

Result<ledger::EntryView> Applier::execute(const CommittedEntry& entry, ledger::Applied& applied) {
  struct About {
    const CommittedEntry& entry;
    io::Disk& disk;
  } const about{entry, parts_.disk};
  const base::AssertionNote note(
      [](const void* what) {
        const About& told = *static_cast<const About*>(what);
        return fmt::format("entry {} was being applied. {}", told.entry.index,
                           skip_advice(told.entry.index, *told.entry.bytes, told.disk.display("")));
      },
      &about);
  ledger::EntryView view = TRY(ledger::EntryView::decode(*entry.bytes));
  TRY(fail_if_poisoned(view));
  const StageTimer timer(parts_.clock, parts_.metrics.apply_us);
  parts_.history.begin_entry();
  Status done = parts_.ledger.apply(view, applied);
  parts_.history.end_entry();
  TRY(done);
  return view;
}

/// Canary::poison_amount.
Status Applier::fail_if_poisoned(const ledger::EntryView& view) const {
  if (parts_.canary.poison_amount == 0) return {};
  bool is_poisoned = false;
  for_each_command(view, [&](std::uint32_t number, ledger::CommandKind kind, const auto&) {
    if (kind == ledger::CommandKind::create_transfer)
      is_poisoned |= ledger::load_command<ledger::Transfer>(view.command(number)).amount ==
                     parts_.canary.poison_amount;
  });
  ASSERT(!is_poisoned || !parts_.canary.poison_asserts);
  if (is_poisoned) return meridian::fail(Code::failed_precondition, "it is poison, as planted");
  return {};
}

/// Whoever waits for it is told that nothing of it happened.
void Applier::answer_skipped(const EntryBytes& entry) {
  std::vector<Proposer::Waiting> waiting = parts_.proposer.take(entry);
  std::uint64_t bytes = 0;
  for (const Proposer::Waiting& one : waiting) {
    bytes += one.bytes;
    one.answered(meridian::fail(Code::failed_precondition,
                                "the operator had the entry skipped that this was in: nothing was "
                                "done, and never will be"));
  }
  if (!waiting.empty()) parts_.proposer.answered(waiting.size(), bytes);
}

void Applier::check_state_digests(const ledger::EntryView& view) {
  std::uint32_t number = 0;
  for (std::uint32_t i = 0; i < view.run_count(); ++i) {
    const ledger::Run run = view.run(i);
    if (run.kind == ledger::CommandKind::state_digest)
      for (std::uint32_t j = 0; j < run.count; ++j)
        checkpointer_->check(ledger::load_command<ledger::StateDigest>(view.command(number + j)));
    number += run.count;
  }
}

void Applier::answer(const CommittedEntry& entry, const AppliedEntry& done) {
  std::vector<Proposer::Waiting> waiting = parts_.proposer.take(entry.bytes);
  std::uint64_t bytes = 0;
  for (const Proposer::Waiting& one : waiting) {
    Answer answer;
    answer.entry_index = entry.index;
    answer.term = entry.term;
    answer.first_record = ledger::RecordIndex{done.first_record() + one.first_command};
    answer.first_time = done.view.base_time() + one.first_command;
    answer.results.reserve(one.command_count);
    for (std::uint32_t i = 0; i < one.command_count; ++i) {
      const ledger::Effect& effect = done.applied.effects[one.first_command + i];
      answer.results.push_back({effect.outcome, effect.time, effect.revision});
    }
    bytes += one.bytes;
    one.answered(std::move(answer));
  }
  if (!waiting.empty()) parts_.proposer.answered(waiting.size(), bytes);
}

void Applier::start_watching() {
  parts_.executor.post([this] {
    watch_limits();  // what a checkpoint restored may be full already
    watch();
  });
}

void Applier::watch() {
  parts_.executor.post_after(watch_period, [this, alive = lifetime_.token()] {
    if (!*alive || failed_) return;
    expire_due();
    watch_disk();
    watch();
  });
}

void Applier::expire_due() {
  if (expiries_proposed_) return;
  const auto now = static_cast<std::uint64_t>(parts_.clock.now().time);
  const std::vector<u128> due = parts_.ledger.due_expiries(now, expiries_max);
  if (due.empty()) return;
  auto request = std::make_unique<ledger::Request>();
  request->attester = ledger::Attester::replica;
  for (const u128 id : due) {
    ledger::ExpirePending command{};
    command.transfer_id = id;
    request->add(ledger::CommandKind::expire_pending, command);
  }
  expiries_proposed_ = true;
  parts_.proposer.submit(std::move(request),
                         [this, alive = lifetime_.token()](const Result<Answer>&) {
                           if (*alive) parts_.executor.post([this] { expiries_proposed_ = false; });
                         });
}

void Applier::watch_limits() {
  const ledger::LedgerCounts counts = parts_.ledger.counts();
  parts_.metrics.records.set(static_cast<std::int64_t>(counts.records));
  parts_.metrics.accounts.set(static_cast<std::int64_t>(counts.accounts));
  const auto percent = [](std::uint64_t used, std::uint64_t limit) { return used * 100 / limit; };
  const std::uint64_t used = std::max(percent(counts.records, parts_.limits.records_max),
                                      percent(counts.accounts, parts_.limits.accounts_max));
  if (used >= 80 && !alarmed_) {
    alarmed_ = true;
    next_.notice(
        fmt::format("the cell has used {} % of its declared maximum ({} records, {} "
                    "accounts): plan a second cell",
                    used, counts.records, counts.accounts));
  }
  if (used >= 100 && !at_capacity_) {
    at_capacity_ = true;
    next_.notice("the cell is at its declared maximum: new writes are refused");
    tell_proposer();
  }
}

void Applier::watch_disk() {
  const Result<std::uint64_t> free = parts_.disk.free_bytes();
  if (free) parts_.metrics.disk_free_bytes.set(static_cast<std::int64_t>(*free));
  const bool low = free && *free < parts_.limits.bytes_reserve;
  if (low == disk_low_) return;
  disk_low_ = low;
  next_.notice(low ? fmt::format("only {} bytes of disk are free: new writes are refused, reads go "
                                 "on; free space and writes resume by themselves",
                                 *free)
                   : std::string("the disk has room again: writes go on"));
  tell_proposer();
}

void Applier::tell_proposer() {
  std::string why;
  if (at_capacity_)
    why =
        "the cell is at its declared maximum of records or accounts: nothing was done; new "
        "business needs another cell";
  else if (disk_low_)
    why = "the disk is nearly full: nothing was done; free space and try again";
  parts_.proposer.refuse_clients(std::move(why));
}

}  // namespace meridian::replica
