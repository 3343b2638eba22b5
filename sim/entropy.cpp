#include "sim/entropy.h"

#include <algorithm>
#include <cstring>

namespace meridian::sim {

void Entropy::fill(MutableBytes out) {
  std::lock_guard lock(mutex_);
  while (!out.empty()) {
    std::uint64_t word = random_.next();
    std::size_t size = std::min(out.size(), sizeof word);
    std::memcpy(out.data(), &word, size);
    out = out.subspan(size);
  }
}

}  // namespace meridian::sim
