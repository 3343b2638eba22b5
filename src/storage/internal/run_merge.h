// Merges runs of disjoint keys into one, a piece at a time, so that whoever shares the thread waits
// for a piece and never for a merge.
//
// One thread. Holds one frame of each source in memory. The new run is durable when step() has
// returned false; dropping the job before leaves a file that no manifest names.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "storage/internal/run_file.h"

namespace meridian::storage {

using RunList = std::vector<std::shared_ptr<Run>>;

class RunMerge {
 public:
  static Result<std::unique_ptr<RunMerge>> begin(const SealedContext& context,
                                                 const SortedRuns::Options& options,
                                                 std::uint64_t number, RunList sources);
  /// Merges about `pairs_max` pairs more. True if any are left.
  Result<bool> step(std::uint64_t pairs_max);

  std::uint64_t number() const { return number_; }
  std::uint64_t pairs() const { return pairs_; }
  std::uint64_t pairs_left() const { return pairs_ - merged_; }
  const RunList& sources() const { return sources_; }

 private:
  struct Cursor {
    Run* run;
    std::size_t next_frame = 0;
    std::vector<SortedRuns::Pair> pairs;
    std::size_t at = 0;
  };
  RunMerge(RunList sources, std::uint64_t number, RunWriter writer);
  Result<Cursor*> least();

  RunList sources_;
  std::uint64_t number_;
  std::uint64_t pairs_ = 0;
  std::uint64_t merged_ = 0;
  RunWriter writer_;
  std::vector<Cursor> cursors_;
};

}  // namespace meridian::storage
