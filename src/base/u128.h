// 128-bit unsigned integers: ids, amounts. Pure. + and - wrap silently: amounts use add_fits().
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace meridian {

__extension__ using u128 = unsigned __int128;

inline constexpr u128 u128_max = ~u128{0};

inline constexpr u128 make_u128(std::uint64_t high, std::uint64_t low) {
  return (u128{high} << 64) | low;
}
inline constexpr std::uint64_t high64(u128 value) {
  return static_cast<std::uint64_t>(value >> 64);
}
inline constexpr std::uint64_t low64(u128 value) { return static_cast<std::uint64_t>(value); }

/// a + b in `sum`; false if it does not fit (then `sum` is the wrapped value).
inline constexpr bool add_fits(u128 a, u128 b, u128& sum) {
  sum = a + b;
  return sum >= a;
}

/// Decimal without separators, and back. Errors: invalid_argument for an empty text, a foreign
/// character or a value above 2^128-1.
std::string to_decimal(u128 value);
Result<u128> parse_decimal(std::string_view text);

/// Mixes all 128 bits; for hash tables in memory only, never stored or compared across processes.
struct U128Hash {
  std::size_t operator()(u128 value) const {
    u128 product =
        u128{low64(value) ^ 0x9E3779B97F4A7C15ULL} * u128{high64(value) ^ 0xD1B54A32D192ED03ULL};
    return static_cast<std::size_t>(high64(product) ^ low64(product) ^
                                    (low64(value) * 0xff51afd7ed558ccdULL));
  }
};

}  // namespace meridian
