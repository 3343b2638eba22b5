#include "base/u128.h"

#include <algorithm>

namespace meridian {

std::string to_decimal(u128 value) {
  std::string digits;
  do {
    digits.push_back(static_cast<char>('0' + static_cast<int>(value % 10)));
    value /= 10;
  } while (value != 0);
  std::ranges::reverse(digits);
  return digits;
}

Result<u128> parse_decimal(std::string_view text) {
  if (text.empty()) return fail(Code::invalid_argument, "a number is empty: write decimal digits");
  u128 value = 0;
  for (char digit : text) {
    if (digit < '0' || digit > '9')
      return fail(Code::invalid_argument,
                  "'" + std::string(text) + "' is not a number: only digits 0-9 are allowed");
    u128 next = static_cast<u128>(digit - '0');
    if (value > (u128_max - next) / 10)
      return fail(Code::invalid_argument,
                  "'" + std::string(text) + "' does not fit 128 bits (at most 2^128-1)");
    value = value * 10 + next;
  }
  return value;
}

}  // namespace meridian
