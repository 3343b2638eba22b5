// Wall time in the unit of certificates and of what travels as text: whole seconds.
#pragma once

#include <cstdint>

#include "io/clock.h"

namespace meridian::io {

/// Seconds since 1970-01-01 UTC, rounded down.
inline std::int64_t unix_seconds(Clock& clock) {
  constexpr std::uint64_t nanoseconds = 1'000'000'000;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(clock.now().time) / nanoseconds);
}

}  // namespace meridian::io
