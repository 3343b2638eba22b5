// A candidate begins at a letter or digit that none stands before, and ends where none follows; its
// groups are one separator apart:   "DE89 3704 0044 0532 0130 00"   "078-05-1120"
#include "door/personal_text.h"

#include <array>
#include <string>

#include "base/assert.h"
#include "door/internal/identity_numbers.h"

namespace meridian::door {
namespace {

constexpr std::size_t compact_size_max = 34;  // of an IBAN
constexpr std::size_t shape_size_max = 3 * compact_size_max;
constexpr std::string_view separators = " -./+";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }
bool is_word(char c) { return is_digit(c) || is_letter(c); }
bool is_local(char c) {
  return is_word(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-';
}
bool is_domain(char c) { return is_word(c) || c == '.' || c == '-'; }

/// Letters and digits so far, and the shape of their groups, without allocating.
struct Candidate {
  std::array<char, compact_size_max> compact{};
  std::array<char, shape_size_max> shape{};
  std::size_t compact_size = 0, shape_size = 0;

  bool add_group(std::string_view group) {
    if (group.size() > compact_size_max - compact_size) return false;
    for (const char c : group)
      compact[compact_size++] = c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
    if (group.size() >= 10) shape[shape_size++] = static_cast<char>('0' + group.size() / 10);
    shape[shape_size++] = static_cast<char>('0' + group.size() % 10);
    return true;
  }
  void add_separator(char separator) { shape[shape_size++] = separator; }
  internal::Written written() const {
    return {{compact.data(), compact_size}, {shape.data(), shape_size}};
  }
};

std::size_t end_of_group(std::string_view text, std::size_t at) {
  while (at < text.size() && is_word(text[at])) ++at;
  return at;
}

std::optional<PersonalFind> number_at(std::string_view text, std::size_t first) {
  Candidate candidate;
  for (std::size_t at = first;;) {
    const std::size_t end = end_of_group(text, at);
    if (!candidate.add_group(text.substr(at, end - at))) return std::nullopt;
    if (const std::optional<PersonalText> kind = internal::identity_number(candidate.written()))
      return PersonalFind{*kind, first, end - first};
    if (end + 1 >= text.size() || separators.find(text[end]) == std::string_view::npos ||
        !is_word(text[end + 1]))
      return std::nullopt;
    candidate.add_separator(text[end]);
    at = end + 1;
  }
}

std::optional<PersonalFind> find_number(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!is_word(text[at])) continue;
    if (const std::optional<PersonalFind> found = number_at(text, at)) return found;
    at = end_of_group(text, at);
  }
  return std::nullopt;
}

/// Labels that are not empty, the last of at least two letters. 0: none; else where it ends.
std::size_t end_of_domain(std::string_view text, std::size_t first) {
  std::size_t end = first, best = 0, label = first;
  bool only_letters = true, has_dot = false;
  for (; end <= text.size(); ++end) {
    const bool is_end = end == text.size() || !is_domain(text[end]);
    if (is_end || text[end] == '.') {
      if (end == label) break;
      if (has_dot && only_letters && end - label >= 2) best = end;
      if (is_end) break;
      has_dot = true;
      label = end + 1;
      only_letters = true;
    } else if (!is_letter(text[end])) {
      only_letters = false;
    }
  }
  return best;
}

std::optional<PersonalFind> find_email(std::string_view text) {
  for (std::size_t at = text.find('@'); at != std::string_view::npos; at = text.find('@', at + 1)) {
    std::size_t first = at;
    while (first > 0 && is_local(text[first - 1])) --first;
    const std::size_t end = end_of_domain(text, at + 1);
    if (first < at && end != 0) return PersonalFind{PersonalText::email, first, end - first};
  }
  return std::nullopt;
}

}  // namespace

std::string_view name(PersonalText kind) {
  constexpr std::array<std::string_view, personal_text_count> names = {
      "a card number",
      "an IBAN",
      "an e-mail address",
      "a Belgian national number",
      "a Brazilian CPF",
      "a British NHS number",
      "a British National Insurance number",
      "a Danish CPR number",
      "a Dutch BSN",
      "a Finnish identity code",
      "a French NIR",
      "a German tax number",
      "an Indian Aadhaar number",
      "an Italian tax code",
      "a Norwegian identity number",
      "a Polish PESEL",
      "a Spanish DNI or NIE",
      "a Swedish identity number",
      "a Swiss AHV number",
      "a US social security number",
  };
  return names[static_cast<std::size_t>(kind)];
}

std::optional<PersonalFind> find_personal(std::string_view text) {
  const std::optional<PersonalFind> number = find_number(text), email = find_email(text);
  if (!number || (email && email->first < number->first)) return email;
  return number;
}

}  // namespace meridian::door
