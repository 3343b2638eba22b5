#include "api/internal/json_slices.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace meridian::api::internal {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

/// Past the string that begins at `at` with its quote.
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(at + 1, text.size());
}

/// Past the value that begins at `at`.
std::size_t skip_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (at < text.size()) {
    char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
    } else if (c == '{' || c == '[') {
      ++depth;
      ++at;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at;  // of the object or array around a number or a word
      --depth;
      ++at;
    } else if (depth == 0 && (c == ',' || is_space(c))) {
      return at;
    } else {
      ++at;
      continue;
    }
    if (depth == 0) return at;
  }
  return at;
}

bool is_key(std::string_view quoted, std::string_view key) {
  if (quoted.size() >= 2 && quoted.substr(1, quoted.size() - 2) == key) return true;
  if (quoted.find('\\') == std::string_view::npos) return false;
  nlohmann::json parsed = nlohmann::json::parse(quoted, nullptr, false);
  return parsed.is_string() && parsed.get_ref<const std::string&>() == key;
}

/// Calls visit(begin) at each member or element of `text` after its opening bracket; visit returns
/// where that member or element ends.
template <typename Visit>
void for_each_part(std::string_view text, Visit visit) {
  std::size_t at = skip_space(text, 0) + 1;
  while (true) {
    at = skip_space(text, at);
    if (at >= text.size() || text[at] == '}' || text[at] == ']') return;
    std::size_t end = visit(at);
    if (end <= at) return;
    at = skip_space(text, end);
    if (at >= text.size() || text[at] != ',') return;
    ++at;
  }
}

}  // namespace

std::string_view raw_member(std::string_view text, std::string_view key) {
  std::string_view found;
  if (skip_space(text, 0) >= text.size() || text[skip_space(text, 0)] != '{') return found;
  for_each_part(text, [&](std::size_t at) {
    if (text[at] != '"') return at;
    std::size_t key_end = skip_string(text, at);
    std::string_view quoted = text.substr(at, key_end - at);
    std::size_t colon = skip_space(text, key_end);
    if (colon >= text.size() || text[colon] != ':') return at;
    std::size_t begin = skip_space(text, colon + 1);
    std::size_t end = skip_value(text, begin);
    if (is_key(quoted, key)) found = text.substr(std::min(begin, text.size()), end - begin);
    return end;
  });
  return found;
}

std::vector<std::string_view> raw_elements(std::string_view text) {
  std::vector<std::string_view> elements;
  if (skip_space(text, 0) >= text.size() || text[skip_space(text, 0)] != '[') return elements;
  for_each_part(text, [&](std::size_t at) {
    std::size_t end = skip_value(text, at);
    elements.push_back(text.substr(at, end - at));
    return end;
  });
  return elements;
}

std::size_t nesting(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  for (std::size_t at = 0; at < text.size();) {
    char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      continue;
    }
    if (c == '{' || c == '[') deepest = std::max(deepest, ++depth);
    if ((c == '}' || c == ']') && depth > 0) --depth;
    ++at;
  }
  return deepest;
}

}  // namespace meridian::api::internal
