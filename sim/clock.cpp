#include "sim/clock.h"

#include "base/assert.h"

namespace meridian::sim {

io::Timestamp Clock::now() { return {io::WallTime{wall_ns_.load()}, uncertainty_us_.load()}; }

io::MonotonicTime Clock::monotonic() { return io::MonotonicTime{monotonic_ns_.load()}; }

void Clock::advance(io::Duration duration) {
  auto ns = static_cast<std::int64_t>(duration);
  ASSERT(ns >= 0);
  wall_ns_ += static_cast<std::uint64_t>(ns);
  monotonic_ns_ += static_cast<std::uint64_t>(ns);
}

void Clock::set_wall(io::WallTime time) { wall_ns_ = static_cast<std::uint64_t>(time); }

void Clock::set_uncertainty_us(std::uint32_t uncertainty_us) { uncertainty_us_ = uncertainty_us; }

}  // namespace meridian::sim
