#include "base/uuid.h"

#include <array>

#include "base/bytes.h"

namespace meridian {
namespace {

constexpr std::array<std::size_t, 4> hyphens = {8, 13, 18, 23};
constexpr std::size_t digit_count = 32;

}  // namespace

std::string format_uuid(u128 id) {
  std::array<Byte, 16> bytes{};
  store_le(bytes.data(), id);
  std::string text = to_hex(bytes);
  for (const std::size_t at : hyphens) text.insert(at, 1, '-');
  return text;
}

std::optional<u128> parse_uuid(std::string_view text) {
  std::string digits(text);
  if (text.size() == digit_count + hyphens.size()) {
    for (std::size_t i = 0; i < hyphens.size(); ++i) {
      if (text[hyphens[i]] != '-') return std::nullopt;
      digits.erase(hyphens[i] - i, 1);
    }
  }
  Buffer bytes;
  if (digits.size() != digit_count || !from_hex(digits, bytes)) return std::nullopt;
  return load_le<u128>(bytes.data());
}

}  // namespace meridian
