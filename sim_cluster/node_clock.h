// The clock of one simulated machine: the world's, but wrong in its own way.
//
// Wall time may jump either way; both times may run fast or slow, and never jump by that. One
// thread: the World's.
#pragma once

#include "sim/clock.h"

namespace meridian::sim_cluster {

class NodeClock final : public io::Clock {
 public:
  explicit NodeClock(sim::Clock& world) : world_(world) {}

  io::Timestamp now() override {
    io::Timestamp right = world_.now();
    right.time = io::WallTime{static_cast<std::uint64_t>(
        static_cast<std::int64_t>(static_cast<std::uint64_t>(right.time)) + offset_ns_ + gained())};
    return right;
  }
  io::MonotonicTime monotonic() override { return world_.monotonic() + io::Duration{gained()}; }

  void jump(io::Duration by) { offset_ns_ += static_cast<std::int64_t>(by); }
  /// From now on it gains so many nanoseconds a millisecond, or loses them. Above -1,000,000.
  void drift(std::int64_t ns_per_ms) {
    gained_ns_ = gained();
    since_ = world_.monotonic();
    ns_per_ms_ = ns_per_ms;
  }

 private:
  std::int64_t gained() {
    const auto passed = static_cast<std::int64_t>(world_.monotonic() - since_);
    return gained_ns_ + passed / 1'000'000 * ns_per_ms_;
  }

  sim::Clock& world_;
  std::int64_t offset_ns_ = 0;
  std::int64_t ns_per_ms_ = 0;
  std::int64_t gained_ns_ = 0;
  io::MonotonicTime since_{};
};

}  // namespace meridian::sim_cluster
