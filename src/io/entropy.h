// Randomness for keys, nonces and secrets. os_entropy() is the kernel's; sim/ has a seeded one.
// Thread-safe. A failing kernel source stops the process.
#pragma once

#include <memory>

#include "base/bytes.h"

namespace meridian::io {

class Entropy {
 public:
  virtual ~Entropy() = default;
  virtual void fill(MutableBytes out) = 0;
};

std::unique_ptr<Entropy> os_entropy();

}  // namespace meridian::io
