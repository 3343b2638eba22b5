// Reading strict text formats: lines that end with a newline, canonical decimals, UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "proof/merkle.h"

namespace meridian::proof {

/// Takes lines off a text; every line ends with a newline.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  /// The next line without its newline; nothing if there is none or it does not end with one.
  std::optional<std::string_view> next() {
    std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    ++number_;
    return line;
  }
  std::string_view rest() const { return rest_; }
  std::size_t number() const { return number_; }  ///< Of the line last returned, from 1.

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
};

/// ASCII decimal without sign or leading zero, at most `max`.
std::optional<std::uint64_t> parse_strict_decimal(std::string_view text,
                                                  std::uint64_t max = ~std::uint64_t{0});
/// 32 bytes of base64.
std::optional<Hash> parse_hash(std::string_view text);

/// Valid UTF-8 (RFC 3629) without ASCII control characters other than newline.
bool is_note_text(std::string_view text);
/// True if one of the code points of valid UTF-8 `text` is a Unicode space.
bool has_unicode_space(std::string_view text);
/// `text` for a message to people: at most 60 bytes, foreign bytes escaped.
std::string quoted(std::string_view text);

}  // namespace meridian::proof
