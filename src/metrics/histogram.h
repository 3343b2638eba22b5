// How observations are distributed: latencies, batch sizes.
//
// Made by Registry::histogram(). A bucket with bound b counts observations <= b that are above the
// bound before it; one more bucket counts the rest. Observations are integers in the unit of the
// metric's name (`_us`, `_bytes`), so that the sum stays exact.
// Thread-safe and lock-free; a reader may see a count some observations ahead of the sum.
// Cost: a binary search and two atomic additions.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace meridian::metrics {

class Histogram {
 public:
  static constexpr std::size_t bound_count_max = 64;

  /// Asserts that `bounds` are 1 to bound_count_max values, strictly increasing.
  explicit Histogram(std::vector<std::uint64_t> bounds);

  void observe(std::uint64_t value);

  const std::vector<std::uint64_t>& bounds() const { return bounds_; }
  /// Observations per bucket (not cumulative): bounds().size() + 1 of them.
  std::vector<std::uint64_t> counts() const;
  std::uint64_t sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::vector<std::uint64_t> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;
  std::atomic<std::uint64_t> sum_{0};
};

/// `count` bounds from `first`, each `factor` times the one before it (at least one more).
std::vector<std::uint64_t> exponential_bounds(std::uint64_t first, double factor,
                                              std::size_t count);

}  // namespace meridian::metrics
