// Sorted runs on a simulated disk, and what they must hold. For tests and fuzzers only.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sim/disk.h"
#include "sim/entropy.h"
#include "sim/random.h"
#include "storage/internal/fixed_keys.h"
#include "storage/sorted_runs.h"

namespace meridian::storage {

using RunModel = std::map<RunKey, std::uint64_t>;

struct RunsRig {
  explicit RunsRig(std::size_t key_size, std::uint64_t seed = 1)
      : options{"ids", key_size, 13},  // merges in many small pieces
        disk(std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed})) {}

  SortedRuns::Options options;
  std::unique_ptr<sim::Disk> disk;
  sim::Entropy entropy{7};
  FixedKeys keys;

  SealedContext context() { return {*disk, entropy, keys, 42}; }
  Result<std::unique_ptr<SortedRuns>> open(Bytes manifest) {
    return SortedRuns::open(context(), options, manifest);
  }
  std::unique_ptr<SortedRuns> must_open(Bytes manifest) {
    auto opened = open(manifest);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : nullptr;
  }
  /// Clustered, so that ranges find something.
  RunKey random_key(sim::Random& random) const {
    const u128 high =
        random.chance(0.5) ? u128{random.below(8)} : make_u128(random.next(), random.below(4));
    return {high, options.key_size == 24 ? random.below(50'000) : 0};
  }
};

/// Everything in `model` is found and `size` agrees.
inline void expect_holds(SortedRuns& runs, const RunModel& model) {
  EXPECT_EQ(runs.size(), model.size());
  for (const auto& [key, value] : model) {
    auto found = runs.find(key);
    ASSERT_TRUE(found.has_value()) << found.error().message;
    ASSERT_EQ(*found, std::optional(value));
  }
}

}  // namespace meridian::storage
