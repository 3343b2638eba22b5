#include <fmt/format.h>

#include <string>

#include "crypto/base64.h"
#include "proof/internal/text.h"

namespace meridian::proof {

namespace {

constexpr std::uint32_t not_utf8 = ~std::uint32_t{0};

/// Takes one code point off `text` (not empty); not_utf8 if it does not start with one.
std::uint32_t take_code_point(std::string_view& text) {
  auto byte = [&](std::size_t i) { return static_cast<Byte>(text[i]); };
  std::size_t size = byte(0) < 0x80 ? 1 : byte(0) < 0xE0 ? 2 : byte(0) < 0xF0 ? 3 : 4;
  if (text.size() < size || (byte(0) >= 0x80 && byte(0) < 0xC2) || byte(0) > 0xF4) return not_utf8;
  constexpr std::uint32_t first_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  std::uint32_t point = byte(0) & first_mask[size];
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return not_utf8;
    point = (point << 6) | (byte(i) & 0x3FU);
  }
  constexpr std::uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  if (point < smallest[size] || point > 0x10FFFF || surrogate) return not_utf8;
  text.remove_prefix(size);
  return point;
}

/// The White_Space property of Unicode.
bool is_space(std::uint32_t point) {
  return (point >= 0x09 && point <= 0x0D) || point == 0x20 || point == 0x85 || point == 0xA0 ||
         point == 0x1680 || (point >= 0x2000 && point <= 0x200A) || point == 0x2028 ||
         point == 0x2029 || point == 0x202F || point == 0x205F || point == 0x3000;
}

}  // namespace

std::optional<std::uint64_t> parse_strict_decimal(std::string_view text, std::uint64_t max) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint64_t value = 0;
  for (char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    std::uint64_t next = 0;
    if (__builtin_mul_overflow(value, std::uint64_t{10}, &next) ||
        __builtin_add_overflow(next, static_cast<std::uint64_t>(digit - '0'), &value) ||
        value > max) {
      return std::nullopt;
    }
  }
  return value;
}

std::optional<Hash> parse_hash(std::string_view text) {
  if (text.size() != 44) return std::nullopt;
  Result<Buffer> bytes = crypto::from_base64(text);
  Hash hash{};
  if (!bytes.has_value() || bytes->size() != hash.size()) return std::nullopt;
  std::ranges::copy(*bytes, hash.begin());
  return hash;
}

bool is_note_text(std::string_view text) {
  while (!text.empty()) {
    std::uint32_t point = take_code_point(text);
    if (point == not_utf8 || (point < 0x20 && point != '\n')) return false;
  }
  return true;
}

bool has_unicode_space(std::string_view text) {
  while (!text.empty()) {
    std::uint32_t point = take_code_point(text);
    if (point == not_utf8 || is_space(point)) return true;
  }
  return false;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text.substr(0, 60)) {
    auto byte = static_cast<Byte>(c);
    bool plain = byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\';
    out += plain ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return out + (text.size() > 60 ? "...\"" : "\"");
}

}  // namespace meridian::proof
