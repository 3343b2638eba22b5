#include "audit/internal/log_replay.h"

#include <algorithm>

#include "ledger/header.h"
#include "replica/raft_log.h"
#include "replica/recovery.h"
#include "storage/replica_identity.h"

namespace meridian::audit::internal {

LogReplay::LogReplay(const storage::SealedContext& context, storage::RecordStore& records,
                     std::uint64_t stored, Findings& findings)
    : context_(context), records_(records), stored_(stored), findings_(findings) {
  ledger_ = std::make_unique<ledger::Ledger>(context.cell, none_);
}

Status LogReplay::open(const storage::StateManifest* manifest) {
  if (manifest != nullptr) {
    from_entry_ = manifest->entry_index + 1;
    results_.first = results_.end = manifest->record_index;
  }
  skips_ = TRY(replica::SkipList::read(context_.disk));
  is_of_group_ = TRY(context_.disk.exists(storage::ReplicaIdentity::path));
  // What the founders of a group begin after is in nobody's log.
  if (is_of_group_) from_entry_ = std::max(from_entry_, replica::RaftLog::founding.index + 1);
  history_ = std::make_unique<replica::IdHistory>(TRY(replica::open_id_runs(context_, manifest)),
                                                  records_);
  ledger_ = std::make_unique<ledger::Ledger>(context_.cell, *history_);
  return {};
}

void LogReplay::run(bool can_execute) {
  results_.executed = can_execute;
  const auto read = storage::Wal::read_only(
      context_, from_entry_,
      [&](const storage::WalEntry& one) { return entry(one, results_.executed); }, {});
  if (!read) {
    results_.executed = false;
    findings_.add("the write-ahead log: " + read.error().message);
  } else if (*read) {
    results_.tail_bytes = (*read)->bytes;
    results_.tail_why = (*read)->why;
  }
}

Status LogReplay::entry(const storage::WalEntry& entry, bool execute) {
  if (entry.bytes.empty()) return {};  // consensus's own: makes no record
  // What a group's log holds past the stored records may not be committed yet, or never be.
  if (is_of_group_ && results_.end >= stored_) return {};
  // The view points into bytes that stay: what stands only in the log is read again at the end.
  auto bytes = std::make_shared<const Buffer>(to_buffer(entry.bytes));
  if (skips_.covers(entry.index, *bytes))
    bytes = TRY(replica::substitute_of({entry.index, entry.term, bytes}, *ledger_));
  Result<ledger::EntryView> view = ledger::EntryView::decode(*bytes);
  if (!view) {
    results_.executed = false;
    findings_.add(
        fmt::format("entry {} of the write-ahead log: {}", entry.index, view.error().message));
    return {};
  }
  ++results_.entries;
  const std::uint32_t count = view->command_count();
  if (execute) {
    const Status done = this->execute(entry, std::move(*view), std::move(bytes));
    if (!done) {
      results_.executed = false;
      findings_.add(results_.end,
                    fmt::format("entry {} of the write-ahead log cannot be executed: {}",
                                entry.index, done.error().message));
    }
  }
  results_.end += count;
  return {};
}

Status LogReplay::execute(const storage::WalEntry& entry, ledger::EntryView view,
                          std::shared_ptr<const Buffer> bytes) {
  const ledger::EntryPosition position{context_.cell, entry.term, entry.index,
                                       ledger::RecordIndex{ledger_->records()}};
  ledger::Applied applied = pool_->take();
  history_->begin_entry();
  Status done = ledger_->apply(view, applied);
  history_->end_entry();
  TRY(done);
  const auto kept = std::make_shared<const replica::AppliedEntry>(
      replica::CommittedEntry{entry.index, entry.term, std::move(bytes)}, std::move(view), position,
      std::move(applied), pool_);
  history_->push(kept);
  encode(*kept, [&](std::uint64_t, Bytes header, const ledger::AppendEvent*) {
    results_.leaves.push_back(proof::leaf_hash(header));
  });
  if (kept->end_record() > stored_) unstored_.push_back(kept);
  return {};
}

void LogReplay::encode(
    const replica::AppliedEntry& entry,
    const std::function<void(std::uint64_t, Bytes, const ledger::AppendEvent*)>& each) const {
  ledger::HeaderEncoder encoder(entry.position, entry.view);
  Buffer room(ledger::header_size_max);
  replica::for_each_command(entry.view, [&](std::uint32_t number, ledger::CommandKind kind,
                                            const ledger::RequestHeader& request) {
    const ledger::Effect& effect = entry.applied.effects[number];
    const std::size_t size =
        encoder.encode(number, kind, request, effect, entry.applied.expired, room);
    std::optional<ledger::AppendEvent> event;
    if (kind == ledger::CommandKind::append_event && effect.outcome == ledger::Outcome::created)
      event = ledger::load_command<ledger::AppendEvent>(entry.view.command(number));
    each(entry.first_record() + number, Bytes(room).first(size), event ? &*event : nullptr);
  });
}

void LogReplay::visit_unstored(
    const std::function<void(Bytes header, Bytes payload)>& visit) const {
  for (const replica::AppliedRef& entry : unstored_)
    encode(*entry, [&](std::uint64_t record, Bytes header, const ledger::AppendEvent* event) {
      if (record < stored_) return;
      visit(header, event != nullptr ? entry->view.payload(*event) : Bytes{});
    });
}

}  // namespace meridian::audit::internal
