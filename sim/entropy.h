// Randomness that a seed repeats. Thread-safe (but only one thread gives a repeatable order).
#pragma once

#include <cstdint>
#include <mutex>

#include "io/entropy.h"
#include "sim/random.h"

namespace meridian::sim {

class Entropy final : public io::Entropy {
 public:
  explicit Entropy(std::uint64_t seed) : random_(seed) {}
  void fill(MutableBytes out) override;

 private:
  std::mutex mutex_;
  Random random_;
};

}  // namespace meridian::sim
