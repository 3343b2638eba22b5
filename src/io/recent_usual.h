// How long something takes when it takes long, without outliers: of the longest in each half second
// of the last half minute, the one that nine of ten do not pass. A value; one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "io/clock.h"

namespace meridian::io {

class RecentUsual {
 public:
  static constexpr Duration slice = milliseconds(500);
  static constexpr std::size_t slices = 60;
  /// Nothing is usual that was seen in fewer slices.
  static constexpr std::size_t slices_min = 10;

  void add(Duration seen, MonotonicTime now) {
    const std::uint64_t number = number_of(now);
    Slice& current = all_[number % slices];
    if (current.number != number) current = {number, {}};
    current.longest = std::max(current.longest, seen);
  }
  /// Zero while too little was seen.
  Duration get(MonotonicTime now) const {
    const std::uint64_t number = number_of(now);
    std::array<Duration, slices> recent;
    std::size_t count = 0;
    for (const Slice& one : all_)
      if (one.number != 0 && one.number + slices > number) recent[count++] = one.longest;
    if (count < slices_min) return {};
    std::sort(recent.begin(), recent.begin() + static_cast<std::ptrdiff_t>(count));
    return recent[(count * 9 - 1) / 10];
  }

 private:
  struct Slice {
    std::uint64_t number = 0;  ///< 0: none.
    Duration longest{};
  };
  static std::uint64_t number_of(MonotonicTime time) {
    return 1 +
           static_cast<std::uint64_t>(time - MonotonicTime{}) / static_cast<std::uint64_t>(slice);
  }
  std::array<Slice, slices> all_{};
};

}  // namespace meridian::io
