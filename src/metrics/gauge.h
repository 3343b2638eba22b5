// A value that goes up and down: queue lengths, bytes free, lag.
// Made by Registry::gauge(). Thread-safe and lock-free. Cost: 2 to 20 ns, more when contended.
#pragma once

#include <atomic>
#include <cstdint>

namespace meridian::metrics {

class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t change) { value_.fetch_add(change, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

}  // namespace meridian::metrics
