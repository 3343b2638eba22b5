// Consensus's log and hard state on a replica's disk: the write-ahead log and the slot file.
//
// open() before anything runs; then used on the log executor only.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "consensus/log_store.h"
#include "replica/stage_metrics.h"
#include "storage/hard_state_file.h"
#include "storage/wal.h"

namespace meridian::replica {

class RaftStore final : public consensus::LogStore {
 public:
  /// A log that is nearly full must not take the room that its entries need where they are applied:
  /// nothing is appended below this free disk.
  void keep_free(std::uint64_t bytes) { bytes_reserve_ = bytes; }

  /// Opens `wal/` and fills `log` with what it holds after `applied`; the oldest lack their bytes
  /// once `cached_bytes_max` is passed. What is damaged is the log's ambiguous tail, with all that
  /// follows it.
  static Result<std::unique_ptr<RaftStore>> open(const storage::SealedContext& context,
                                                 const storage::WalOptions& options,
                                                 consensus::LogPosition applied,
                                                 std::uint64_t cached_bytes_max,
                                                 storage::HardStateFile hard_state,
                                                 io::Clock& clock, StageMetrics& metrics,
                                                 std::vector<consensus::LogEntry>& log);

  consensus::HardState hard_state() const;
  storage::Wal& wal() { return *wal_; }
  std::uint64_t file_count() const { return file_count_; }

  Status append(const consensus::HardState* hard_state,
                std::span<const consensus::LogEntry> entries) override;
  Result<std::vector<consensus::LogEntry>> read(std::uint64_t first, std::uint64_t last,
                                                std::uint64_t bytes_max) override;
  Status release_before(std::uint64_t index) override;

 private:
  RaftStore(io::Disk& disk, storage::HardStateFile hard_state, io::Clock& clock,
            StageMetrics& metrics)
      : disk_(disk), hard_state_(std::move(hard_state)), clock_(clock), metrics_(metrics) {}
  Status check_room() const;

  io::Disk& disk_;
  storage::HardStateFile hard_state_;
  std::unique_ptr<storage::Wal> wal_;
  io::Clock& clock_;
  StageMetrics& metrics_;
  std::atomic<std::uint64_t> file_count_{0};
  std::uint64_t bytes_reserve_ = 0;
};

}  // namespace meridian::replica
