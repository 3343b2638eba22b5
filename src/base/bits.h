// Sets of small numbers as bytes hold them: number n is bit n % 8 of byte n / 8.
#pragma once

#include <cstddef>

#include "base/assert.h"
#include "base/bytes.h"

namespace meridian {

inline bool has_bit(Bytes set, std::size_t number) {
  ASSERT(number < 8 * set.size());
  return (set[number / 8] >> (number % 8) & 1) != 0;
}
inline void add_bit(MutableBytes set, std::size_t number) {
  ASSERT(number < 8 * set.size());
  set[number / 8] |= static_cast<Byte>(1 << (number % 8));
}

}  // namespace meridian
