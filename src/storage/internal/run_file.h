// One sorted run on disk: written once front to back, then read by key (docs/formats/segment.md).
//
// RunWriter: one thread. Run: any thread (a mutex guards its reader; hits are rare, misses are
// answered by the filter without it). Damage is data_loss; the message names the run's file.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "storage/internal/block_filter.h"
#include "storage/run_manifest.h"
#include "storage/sealed_file.h"
#include "storage/sorted_runs.h"

namespace meridian::storage {

inline constexpr std::size_t run_frame_pairs = 1'024;
/// Filter and directory are cut into frames of this size; tests take a smaller one.
inline constexpr std::size_t run_part_frame_bytes = 4 << 20;

inline constexpr std::uint32_t run_pairs_tag = 5;
inline constexpr std::uint32_t run_filter_tag = 6;
inline constexpr std::uint32_t run_directory_tag = 7;

struct RunFrame {
  RunKey first;
  std::uint64_t position;
};

class RunWriter {
 public:
  static Result<RunWriter> create(const SealedContext& context, const SortedRuns::Options& options,
                                  std::uint64_t number, std::uint64_t pairs_expected,
                                  std::size_t part_frame_bytes = run_part_frame_bytes);
  /// Keys strictly ascending (asserted).
  Status add(const SortedRuns::Pair& pair);
  /// Writes filter and directory; durable when it returns.
  Status finish();

 private:
  RunWriter(SealedWriter writer, std::size_t key_size, std::uint64_t pairs_expected,
            std::size_t part_frame_bytes)
      : writer_(std::move(writer)),
        filter_(pairs_expected),
        key_size_(key_size),
        part_frame_bytes_(part_frame_bytes) {}
  Status write_frame();
  struct Part {
    std::uint64_t position;
    std::uint32_t frames;
  };
  Result<Part> write_part(std::uint32_t tag, Bytes bytes);

  SealedWriter writer_;
  BlockFilter filter_;
  std::size_t key_size_;
  std::size_t part_frame_bytes_;
  Buffer frame_;
  std::vector<std::uint64_t> hashes_;  ///< Of its keys, on their way into the filter.
  std::vector<RunFrame> directory_;
  std::optional<RunKey> last_;
  RunKey frame_first_;
  std::uint64_t pairs_ = 0;
};

class Run {
 public:
  static Result<std::shared_ptr<Run>> open(const SealedContext& context,
                                           const SortedRuns::Options& options, std::uint64_t number,
                                           std::uint64_t pairs);

  std::uint64_t number() const { return number_; }
  std::uint64_t pairs() const { return pairs_; }
  std::size_t frame_count() const { return directory_.size(); }
  std::size_t memory_bytes() const;
  const BlockFilter& filter() const { return filter_; }

  Result<std::optional<std::uint64_t>> find(const RunKey& key);
  /// The pairs of frame `frame`, ascending.
  Result<std::vector<SortedRuns::Pair>> read_frame(std::size_t frame);
  /// The frame that would hold `key`: the last whose first key is not above it; 0 if none.
  std::size_t frame_of(const RunKey& key) const;

 private:
  Run(SealedReader reader, std::size_t key_size, std::uint64_t number)
      : reader_(std::move(reader)), key_size_(key_size), number_(number) {}
  Status load();
  Result<Buffer> read_part(std::uint32_t tag, std::uint64_t position, std::uint32_t frames);

  std::mutex mutex_;
  SealedReader reader_;
  std::size_t key_size_;
  std::uint64_t number_;
  std::uint64_t pairs_ = 0;
  BlockFilter filter_;
  std::vector<RunFrame> directory_;
};

/// SortedRuns::check_run of a file, live or not: frames of whatever kind.
Result<SortedRuns::Checked> check_run_frames(const SealedContext& context,
                                             const SortedRuns::Options& options,
                                             std::uint64_t number, std::uint64_t position,
                                             std::uint64_t bytes);

}  // namespace meridian::storage
