// A clock that tests move. Starts at 2023-11-14 22:13:20 UTC, monotonic 1 s, uncertainty 100 us.
// Thread-safe. Time stands still between calls.
#pragma once

#include <atomic>
#include <cstdint>

#include "io/clock.h"

namespace meridian::sim {

class Clock final : public io::Clock {
 public:
  io::Timestamp now() override;
  io::MonotonicTime monotonic() override;

  /// Moves both times forward. Asserts that `duration` is not negative.
  void advance(io::Duration duration);
  /// Lets wall time jump, backwards too; monotonic time is untouched.
  void set_wall(io::WallTime time);
  void set_uncertainty_us(std::uint32_t uncertainty_us);

 private:
  std::atomic<std::uint64_t> wall_ns_{1'700'000'000'000'000'000};
  std::atomic<std::uint64_t> monotonic_ns_{1'000'000'000};
  std::atomic<std::uint32_t> uncertainty_us_{100};
};

}  // namespace meridian::sim
