// The ordered log of a cell with one replica: its write-ahead log.
//
// Whatever waits while a sync is under way goes out together in the next one (group commit), so an
// entry costs a share of one sync. Thread-safe; handlers are called on the log executor. A failed
// append is final: handler.failed is called once and later entries are dropped.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "io/executor.h"
#include "replica/ordered_log.h"
#include "replica/stage_metrics.h"
#include "storage/wal.h"

namespace meridian::replica {

class LocalLog final : public OrderedLog {
 public:
  /// A single node never changes its term.
  static constexpr std::uint64_t only_term = 1;

  LocalLog(io::Executor& executor, io::Clock& clock, StageMetrics& metrics)
      : executor_(executor), clock_(clock), metrics_(metrics) {}
  /// The log, once recovery has read it, and the index its next entry gets. Before start().
  void attach(std::unique_ptr<storage::Wal> wal, std::uint64_t next_index);

  void start(Handler handler) override;
  void stop() override {}
  void propose(std::uint64_t term, std::vector<EntryBytes> entries) override;
  void propose_change(std::uint64_t, consensus::CheckedChange, EntryBytes entry) override {
    handler_.dropped({std::move(entry)},
                     {Code::failed_precondition, "a log of one replica has no other members"});
  }
  void applied(std::uint64_t) override {}
  void release_before(std::uint64_t index) override;
  std::uint64_t file_count() const override { return file_count_; }

 private:
  void append_waiting();
  void release();

  std::unique_ptr<storage::Wal> wal_;  // used on executor_ only
  io::Executor& executor_;
  io::Clock& clock_;
  StageMetrics& metrics_;
  Handler handler_;
  std::uint64_t next_index_ = 1;
  std::uint64_t release_before_ = 0;  // asked for during recovery
  std::atomic<std::uint64_t> file_count_{0};
  bool failed_ = false;

  std::mutex mutex_;
  std::vector<EntryBytes> waiting_;
  bool posted_ = false;
};

}  // namespace meridian::replica
