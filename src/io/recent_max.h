// The longest of the durations seen lately: of the window that runs and the one before, so that one
// outlier is forgotten after two windows at most. A value; one thread.
#pragma once

#include <algorithm>

#include "io/clock.h"

namespace meridian::io {

class RecentMax {
 public:
  explicit RecentMax(Duration window) : window_(window) {}

  void add(Duration seen, MonotonicTime now) {
    turn(now);
    current_ = std::max(current_, seen);
  }
  /// Zero if nothing was seen.
  Duration get(MonotonicTime now) const {
    const Duration age = now - began_;
    if (age < window_) return std::max(current_, before_);
    return is_next(age) ? current_ : Duration{};
  }

 private:
  bool is_next(Duration age) const {
    return age < Duration{2 * static_cast<std::int64_t>(window_)};
  }
  void turn(MonotonicTime now) {
    const Duration age = now - began_;
    if (age < window_) return;
    before_ = is_next(age) ? current_ : Duration{};
    current_ = {};
    began_ = now;
  }

  Duration window_;
  MonotonicTime began_{};
  Duration current_{}, before_{};
};

}  // namespace meridian::io
