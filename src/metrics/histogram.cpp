#include "metrics/histogram.h"

#include <algorithm>

#include "base/assert.h"

namespace meridian::metrics {

Histogram::Histogram(std::vector<std::uint64_t> bounds)
    : bounds_(std::move(bounds)),
      counts_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds_.size() + 1)) {
  ASSERT(!bounds_.empty());
  ASSERT(bounds_.size() <= bound_count_max);
  ASSERT(std::ranges::adjacent_find(bounds_, std::ranges::greater_equal{}) == bounds_.end());
}

void Histogram::observe(std::uint64_t value) {
  auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::counts() const {
  std::vector<std::uint64_t> counts(bounds_.size() + 1);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = counts_[i].load(std::memory_order_relaxed);
  }
  return counts;
}

std::vector<std::uint64_t> exponential_bounds(std::uint64_t first, double factor,
                                              std::size_t count) {
  ASSERT(factor > 1);
  std::vector<std::uint64_t> bounds;
  double exact = static_cast<double>(first);
  for (std::size_t i = 0; i < count; ++i, exact *= factor) {
    auto bound = static_cast<std::uint64_t>(exact);
    if (!bounds.empty()) bound = std::max(bound, bounds.back() + 1);
    bounds.push_back(bound);
  }
  return bounds;
}

}  // namespace meridian::metrics
