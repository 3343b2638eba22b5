// So many bytes a second: when the next may go. A value; one thread, or under its owner's lock.
#pragma once

#include <algorithm>
#include <cstdint>

#include "io/clock.h"

namespace meridian::io {

class Pace {
 public:
  /// `late_max`: who comes late makes up for no more than that.
  explicit Pace(Duration late_max) : late_max_(late_max) {}

  /// 0: no limit.
  void set(std::uint64_t bytes_per_second) { bytes_per_second_ = bytes_per_second; }
  /// Until the next bytes may go; zero: now.
  Duration wait(MonotonicTime now) const {
    if (bytes_per_second_ == 0) return {};
    return std::max(next_at_ - now, Duration{});
  }
  /// So many went now.
  void count(std::uint64_t bytes, MonotonicTime now) {
    if (bytes_per_second_ == 0) return;
    if (now - next_at_ > late_max_)
      next_at_ = now + Duration{-static_cast<std::int64_t>(late_max_)};
    next_at_ =
        next_at_ + Duration{static_cast<std::int64_t>(bytes * 1'000'000'000 / bytes_per_second_)};
  }

 private:
  Duration late_max_;
  std::uint64_t bytes_per_second_ = 0;
  MonotonicTime next_at_{};
};

}  // namespace meridian::io
