#include "replica/raft_store.h"

#include <fmt/format.h>

#include "base/assert.h"

namespace meridian::replica {

namespace {

using consensus::EntryKind;
using consensus::LogEntry;

Bytes view(const consensus::EntryBytes& bytes) { return bytes ? Bytes(*bytes) : Bytes(); }

consensus::EntryBytes shared(Bytes bytes) {
  return bytes.empty() ? nullptr : std::make_shared<const Buffer>(to_buffer(bytes));
}

Result<LogEntry> from_wal(const storage::WalEntry& entry, bool with_bytes) {
  if (entry.kind > static_cast<std::uint8_t>(EntryKind::membership))
    return fail(Code::data_loss,
                "the log holds an entry of a kind that this program does not know");
  LogEntry out;
  out.index = entry.index;
  out.term = entry.term;
  out.kind = static_cast<EntryKind>(entry.kind);
  // Leaving a joint configuration is encoded in no bytes at all.
  if (out.kind == EntryKind::membership)
    out.change = std::make_shared<const Buffer>(to_buffer(entry.head));
  out.size = entry.bytes.size();
  if (with_bytes) out.bytes = shared(entry.bytes);
  return out;
}

}  // namespace

Result<std::unique_ptr<RaftStore>> RaftStore::open(const storage::SealedContext& context,
                                                   const storage::WalOptions& options,
                                                   consensus::LogPosition applied,
                                                   std::uint64_t cached_bytes_max,
                                                   storage::HardStateFile hard_state,
                                                   io::Clock& clock, StageMetrics& metrics,
                                                   std::vector<LogEntry>& log) {
  std::unique_ptr<RaftStore> store(
      new RaftStore(context.disk, std::move(hard_state), clock, metrics));
  std::uint64_t cached = 0;
  std::size_t oldest = 0;  // whose bytes are kept
  const auto visit = [&](const storage::WalEntry& entry) -> Status {
    log.push_back(TRY(from_wal(entry, true)));
    cached += entry.bytes.size();
    for (; cached > cached_bytes_max && oldest < log.size(); ++oldest) {
      cached -= log[oldest].size;
      log[oldest].bytes = nullptr;
    }
    return {};
  };
  const auto truncated = [&](std::uint64_t index) -> Status {
    while (!log.empty() && log.back().index >= index) {
      if (log.back().bytes) cached -= log.back().size;
      log.pop_back();
    }
    oldest = std::min(oldest, log.size());
    return {};
  };
  storage::WalOptions of_many = options;
  of_many.damage_is_tail = true;
  store->wal_ = TRY(storage::Wal::open(context, of_many, applied.index + 1, visit, {}, truncated));
  store->file_count_ = store->wal_->file_count();
  return store;
}

consensus::HardState RaftStore::hard_state() const {
  const storage::HardState& state = hard_state_.state();
  return {state.term, state.vote, state.commit};
}

Status RaftStore::append(const consensus::HardState* hard_state,
                         std::span<const LogEntry> entries) {
  const StageTimer timer(clock_, metrics_.log_write_us);
  if (hard_state != nullptr)
    if (Status saved = hard_state_.save({hard_state->term, hard_state->vote, hard_state->commit});
        !saved)
      return fail(Code::internal, saved.error().message);  // no full disk: it is not tried again
  if (entries.empty()) return {};
  TRY(check_room());
  std::vector<storage::WalEntry> records;
  records.reserve(entries.size());
  for (const LogEntry& entry : entries) {
    metrics_.log_bytes.increment(entry.size);
    records.push_back({entry.index, entry.term, view(entry.bytes),
                       static_cast<std::uint8_t>(entry.kind), view(entry.change)});
  }
  TRY(wal_->append(records));
  file_count_ = wal_->file_count();
  return {};
}

Status RaftStore::check_room() const {
  const std::uint64_t free = TRY(disk_.free_bytes());
  if (free >= bytes_reserve_) return {};
  return fail(Code::resource_exhausted,
              fmt::format("only {} MiB of the disk are free, and below {} the log takes nothing",
                          free >> 20, bytes_reserve_ >> 20));
}

Result<std::vector<LogEntry>> RaftStore::read(std::uint64_t first, std::uint64_t last,
                                              std::uint64_t bytes_max) {
  std::vector<LogEntry> entries;
  const auto visit = [&](const storage::WalEntry& entry) -> Status {
    if (entry.index <= last) entries.push_back(TRY(from_wal(entry, true)));
    return {};
  };
  const std::uint64_t next = TRY(wal_->read(first, bytes_max, visit));
  if (next == first)
    return fail(Code::out_of_range, "the log does not reach the entry that was asked for");
  return entries;
}

Status RaftStore::release_before(std::uint64_t index) {
  TRY(wal_->release_before(index));
  file_count_ = wal_->file_count();
  return {};
}

}  // namespace meridian::replica
