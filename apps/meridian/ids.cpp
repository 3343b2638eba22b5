#include "ids.h"

#include <array>

#include "base/bytes.h"

namespace meridian::app {

u128 time_ordered_id(io::Clock& clock, io::Entropy& entropy) {
  std::array<Byte, 16> random{};
  entropy.fill(random);
  const std::uint64_t milliseconds = static_cast<std::uint64_t>(clock.now().time) / 1'000'000;
  const u128 low = load_le<u128>(random.data()) & ((u128{1} << 80) - 1);
  return (u128{milliseconds & 0xFFFF'FFFF'FFFFULL} << 80) | low;
}

}  // namespace meridian::app
