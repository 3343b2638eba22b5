// Strict reading of this module's text formats: lines of fields with single spaces between.
// Pure. One text for one value: no leading zeros, no upper case, no empty field.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "crypto/sha256.h"

namespace meridian::mesh::internal {

/// Takes lines off a text; every line ends with a newline.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  /// Without its newline; nothing if there is none, or it does not end with one.
  std::optional<std::string_view> next() {
    std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return line;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

/// Nothing unless `line` is exactly `count` fields, none empty, with one space between.
template <std::size_t count>
std::optional<std::array<std::string_view, count>> split_fields(std::string_view line) {
  std::array<std::string_view, count> fields;
  for (std::size_t i = 0; i < count; ++i) {
    bool is_last = i + 1 == count;
    std::size_t end = line.find(' ');
    if ((end == std::string_view::npos) != is_last) return std::nullopt;
    fields[i] = is_last ? line : line.substr(0, end);
    if (fields[i].empty()) return std::nullopt;
    if (!is_last) line.remove_prefix(end + 1);
  }
  return fields;
}

/// Decimal without sign or leading zero.
std::optional<std::uint64_t> parse_number(std::string_view text);
/// The same, at most 2^62: seconds since 1970.
std::optional<std::int64_t> parse_seconds(std::string_view text);
/// 64 lower-case hexadecimal digits.
std::optional<crypto::Digest> parse_digest(std::string_view text);
/// Whole bytes in lower-case hexadecimal, 1 to 20 of them (RFC 5280 section 4.1.2.2).
bool is_serial(std::string_view text);

}  // namespace meridian::mesh::internal
