// Exact decimal amounts as books write them: a whole number of 10^-scale and a commodity.
//
// Nothing here rounds: an operation is exact or it is an error. Values, no I/O, no globals, safe
// to use from any thread. Limits: scale_max decimals, 38 digits in all; a result past them is
// out_of_range. How numbers and symbols are written is notation.h's business.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace meridian::books {

__extension__ using i128 = __int128;

class Decimal {
 public:
  static constexpr std::uint8_t scale_max = 28;  ///< Most decimals an amount may have.
  static constexpr int digits_max = 38;          ///< Most digits; 10^38 - 1 fits i128.

  constexpr Decimal() = default;
  /// mantissa * 10^-scale. Errors: out_of_range past digits_max or scale_max.
  static Result<Decimal> of(i128 mantissa, std::uint8_t scale);

  i128 mantissa() const { return mantissa_; }
  /// Decimals as written or computed; trailing zeros count until normalized().
  std::uint8_t scale() const { return scale_; }
  bool is_zero() const { return mantissa_ == 0; }
  /// -1, 0 or 1.
  int sign() const { return mantissa_ < 0 ? -1 : (mantissa_ > 0 ? 1 : 0); }

  Decimal negated() const;
  /// The same value without trailing zero decimals.
  Decimal normalized() const;
  /// The mantissa at exactly `scale` decimals. Errors: out_of_range if digits would be lost or the
  /// result has more than digits_max digits.
  Result<i128> units(std::uint8_t scale) const;
  /// True if the magnitude is at most half a unit of the last of `decimals` decimals: what a
  /// report with that many decimals shows as zero.
  bool looks_zero(std::uint8_t decimals) const;
  /// Canonical text: no trailing zeros, no plus, no group marks: `596.05`, `70`, `-0.02`, `0`.
  std::string text() const;

  /// Same value, however many zeros were written.
  bool operator==(const Decimal& other) const;

 private:
  constexpr Decimal(i128 mantissa, std::uint8_t scale) : mantissa_(mantissa), scale_(scale) {}
  i128 mantissa_ = 0;
  std::uint8_t scale_ = 0;
};

/// a + b at the larger scale. Errors: out_of_range.
Result<Decimal> add(const Decimal& a, const Decimal& b);
/// a * b, normalized. Errors: out_of_range.
Result<Decimal> multiply(const Decimal& a, const Decimal& b);

/// A quantity of a commodity; "" is the commodity of amounts written without one.
struct Amount {
  Decimal quantity;
  std::string commodity;
  bool operator==(const Amount&) const = default;
};

/// `-0.02 USD`: canonical quantity, space, symbol.
std::string text(const Amount& amount);

}  // namespace meridian::books
