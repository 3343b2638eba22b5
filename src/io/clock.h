// Time: the only way to ask for it. os_clock() reads the kernel; sim/ has a clock that tests move.
//
// Wall time may jump; use it only to stamp records. Deadlines and durations use monotonic time.
// Thread-safe. Cost: about 25 ns.
#pragma once

#include <cstdint>
#include <memory>

namespace meridian::io {

enum class WallTime : std::uint64_t {};       ///< Nanoseconds since 1970-01-01 UTC.
enum class MonotonicTime : std::uint64_t {};  ///< Nanoseconds since some fixed moment.
enum class Duration : std::int64_t {};        ///< Nanoseconds.

constexpr Duration milliseconds(std::int64_t count) { return Duration{count * 1'000'000}; }
constexpr Duration seconds(std::int64_t count) { return Duration{count * 1'000'000'000}; }
constexpr MonotonicTime operator+(MonotonicTime time, Duration duration) {
  return MonotonicTime{static_cast<std::uint64_t>(time) + static_cast<std::uint64_t>(duration)};
}
constexpr Duration operator-(MonotonicTime a, MonotonicTime b) {
  return Duration{
      static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b))};
}

/// Wall time with the error bound the kernel's clock discipline claims.
struct Timestamp {
  WallTime time;
  std::uint32_t uncertainty_us;
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() = 0;
  virtual MonotonicTime monotonic() = 0;
};

std::unique_ptr<Clock> os_clock();

}  // namespace meridian::io
