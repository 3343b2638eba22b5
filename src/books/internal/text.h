// Small cuts of a line of text, shared inside books only.
#pragma once

#include <string>
#include <string_view>

namespace meridian::books {

inline bool is_blank(char c) { return c == ' ' || c == '\t'; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

inline std::string_view trim_left(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}
inline std::string_view trim_right(std::string_view text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}
inline std::string_view trim(std::string_view text) { return trim_left(trim_right(text)); }

/// The text before the first `;`, trimmed on the right; `comment` is what follows it.
inline std::string_view cut_comment(std::string_view text, std::string_view& comment) {
  const std::size_t at = text.find(';');
  comment = at == std::string_view::npos ? std::string_view{} : trim(text.substr(at + 1));
  return trim_right(text.substr(0, at));
}

/// The first blank-separated word, removed from `rest` with the blanks after it.
inline std::string_view take_word(std::string_view& rest) {
  std::size_t size = 0;
  while (size < rest.size() && !is_blank(rest[size])) ++size;
  const std::string_view word = rest.substr(0, size);
  rest = trim_left(rest.substr(size));
  return word;
}

/// In quotes, cut after 60 bytes (never inside a character): for messages.
inline std::string quoted(std::string_view text) {
  std::size_t size = text.size();
  if (size > 60) {
    size = 60;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  }
  std::string out = "'";
  out += text.substr(0, size);
  out += size < text.size() ? "...'" : "'";
  return out;
}

}  // namespace meridian::books
