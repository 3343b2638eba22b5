// The simulator's dice: equal seeds give equal sequences, on every machine and for ever.
//
// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). Not for
// secrets. One owner; not thread-safe. Cost: 1 ns.
#pragma once

#include <cstdint>

#include "base/assert.h"
#include "base/u128.h"

namespace meridian::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t value = state_;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
    return value ^ (value >> 31);
  }

  /// Uniform in [0, limit). Asserts that limit is not 0. The bias is below limit / 2^64.
  std::uint64_t below(std::uint64_t limit) {
    ASSERT(limit > 0);
    return high64(u128{next()} * u128{limit});
  }

  /// True with probability `probability`, which 0 and 1 make certain.
  bool chance(double probability) {
    return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
  }

  /// An independent sequence, for a part that shall not disturb this one.
  Random fork() { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace meridian::sim
