#include "replica/local_log.h"

#include "base/assert.h"

namespace meridian::replica {

void LocalLog::attach(std::unique_ptr<storage::Wal> wal, std::uint64_t next_index) {
  wal_ = std::move(wal);
  next_index_ = next_index;
  file_count_ = wal_->file_count();
}

void LocalLog::start(Handler handler) {
  handler_ = std::move(handler);
  executor_.post([this] { release(); });
}

void LocalLog::propose(std::uint64_t term, std::vector<EntryBytes> entries) {
  ASSERT(term == only_term);
  const std::lock_guard lock(mutex_);
  for (EntryBytes& entry : entries) waiting_.push_back(std::move(entry));
  if (posted_) return;
  posted_ = true;
  executor_.post([this] { append_waiting(); });
}

void LocalLog::append_waiting() {
  std::vector<EntryBytes> group;
  {
    const std::lock_guard lock(mutex_);
    group.swap(waiting_);
    posted_ = false;
  }
  if (failed_) return;
  ASSERT(handler_.committed != nullptr);

  std::vector<storage::WalEntry> records;
  std::vector<CommittedEntry> committed;
  records.reserve(group.size());
  committed.reserve(group.size());
  for (EntryBytes& entry : group) {
    metrics_.log_bytes.increment(entry->size());
    records.push_back({next_index_, only_term, *entry});
    committed.push_back({next_index_, only_term, std::move(entry)});
    ++next_index_;
  }
  Status appended;
  {
    const StageTimer timer(clock_, metrics_.log_write_us);
    appended = wal_->append(records);
  }
  if (!appended) {
    failed_ = true;
    handler_.failed(with_context(appended.error(), "the write-ahead log failed"));
    return;
  }
  file_count_ = wal_->file_count();
  handler_.committed(std::move(committed));
}

void LocalLog::release_before(std::uint64_t index) {
  executor_.post([this, index] {
    release_before_ = index;
    release();
  });
}

void LocalLog::release() {
  if (failed_ || !handler_.failed || release_before_ == 0) return;
  if (Status released = wal_->release_before(release_before_); !released) {
    failed_ = true;
    handler_.failed(with_context(released.error(), "the write-ahead log cannot be cut"));
    return;
  }
  file_count_ = wal_->file_count();
}

}  // namespace meridian::replica
