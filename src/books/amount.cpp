#include "books/amount.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/u128.h"

namespace meridian::books {
namespace {

constexpr std::array<i128, Decimal::digits_max + 1> make_powers() {
  std::array<i128, Decimal::digits_max + 1> powers{};
  i128 power = 1;
  for (std::size_t i = 0; i < powers.size(); ++i) {
    powers[i] = power;
    if (i + 1 < powers.size()) power *= 10;
  }
  return powers;
}
constexpr std::array<i128, Decimal::digits_max + 1> powers_of_ten = make_powers();
constexpr i128 mantissa_limit = powers_of_ten[Decimal::digits_max];

i128 power_of_ten(int exponent) {
  ASSERT(exponent >= 0);
  ASSERT(exponent <= Decimal::digits_max);
  return powers_of_ten[static_cast<std::size_t>(exponent)];
}

bool in_range(i128 mantissa) { return mantissa > -mantissa_limit && mantissa < mantissa_limit; }

/// mantissa * 10^exponent; false if it has too many digits.
bool shift_up(i128 mantissa, int exponent, i128& out) {
  if (mantissa == 0) {
    out = 0;
    return true;
  }
  if (exponent > Decimal::digits_max) return false;
  return !__builtin_mul_overflow(mantissa, power_of_ten(exponent), &out) && in_range(out);
}

Error too_large() {
  return fail(Code::out_of_range,
              "amount too large: an exact amount has at most 38 digits and 28 decimals");
}

}  // namespace

Result<Decimal> Decimal::of(i128 mantissa, std::uint8_t scale) {
  if (!in_range(mantissa)) return too_large();
  Decimal value{mantissa, scale};
  if (scale <= scale_max) return value;
  value = value.normalized();
  if (value.scale_ > scale_max) return too_large();
  return value;
}

Decimal Decimal::negated() const { return {-mantissa_, scale_}; }

Decimal Decimal::normalized() const {
  if (mantissa_ == 0) return {};
  Decimal value = *this;
  while (value.scale_ > 0 && value.mantissa_ % 10 == 0) {
    value.mantissa_ /= 10;
    --value.scale_;
  }
  return value;
}

Result<i128> Decimal::units(std::uint8_t scale) const {
  i128 out = 0;
  if (scale >= scale_) {
    if (!shift_up(mantissa_, scale - scale_, out)) return too_large();
    return out;
  }
  const Decimal least = normalized();
  if (least.scale_ > scale) {
    return fail(Code::out_of_range, text() + " has more than " + std::to_string(scale) +
                                        (scale == 1 ? " decimal" : " decimals"));
  }
  if (!shift_up(least.mantissa_, scale - least.scale_, out)) return too_large();
  return out;
}

bool Decimal::looks_zero(std::uint8_t decimals) const {
  if (scale_ <= decimals) return mantissa_ == 0;
  const i128 magnitude = mantissa_ < 0 ? -mantissa_ : mantissa_;
  return magnitude <= 5 * power_of_ten(scale_ - decimals - 1);
}

std::string Decimal::text() const {
  const Decimal least = normalized();
  const u128 magnitude =
      static_cast<u128>(least.mantissa_ < 0 ? -least.mantissa_ : least.mantissa_);
  std::string digits = to_decimal(magnitude);
  if (least.scale_ > 0) {
    const std::size_t scale = least.scale_;
    if (digits.size() <= scale) digits.insert(0, scale + 1 - digits.size(), '0');
    digits.insert(digits.size() - scale, 1, '.');
  }
  return least.mantissa_ < 0 ? "-" + digits : digits;
}

bool Decimal::operator==(const Decimal& other) const {
  const Decimal a = normalized();
  const Decimal b = other.normalized();
  return a.mantissa_ == b.mantissa_ && a.scale_ == b.scale_;
}

/// Two mantissas of 38 digits may pass 127 bits together.
static Result<Decimal> sum_of(i128 left, i128 right, std::uint8_t scale) {
  i128 sum = 0;
  if (__builtin_add_overflow(left, right, &sum)) return too_large();
  return Decimal::of(sum, scale);
}

Result<Decimal> add(const Decimal& a, const Decimal& b) {
  const std::uint8_t scale = std::max(a.scale(), b.scale());
  i128 left = 0;
  i128 right = 0;
  if (shift_up(a.mantissa(), scale - a.scale(), left) &&
      shift_up(b.mantissa(), scale - b.scale(), right)) {
    return sum_of(left, right, scale);
  }
  // Written zeros alone must not overflow: try once more with as few decimals as the values need.
  const Decimal least_a = a.normalized();
  const Decimal least_b = b.normalized();
  const std::uint8_t least = std::max(least_a.scale(), least_b.scale());
  if (!shift_up(least_a.mantissa(), least - least_a.scale(), left) ||
      !shift_up(least_b.mantissa(), least - least_b.scale(), right)) {
    return too_large();
  }
  return sum_of(left, right, least);
}

Result<Decimal> multiply(const Decimal& a, const Decimal& b) {
  const Decimal left = a.normalized();
  const Decimal right = b.normalized();
  i128 product = 0;
  if (__builtin_mul_overflow(left.mantissa(), right.mantissa(), &product)) return too_large();
  const int scale = left.scale() + right.scale();  // at most 56: of() normalizes or refuses
  const Decimal value = TRY(Decimal::of(product, static_cast<std::uint8_t>(scale)));
  return value.normalized();
}

std::string text(const Amount& amount) {
  std::string out = amount.quantity.text();
  if (!amount.commodity.empty()) out += " " + amount.commodity;
  return out;
}

}  // namespace meridian::books
