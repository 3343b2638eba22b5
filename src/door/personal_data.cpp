#include "door/personal_data.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/bytes.h"

namespace meridian::door {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'A' && c <= 'Z'; }

bool luhn(std::string_view digits) {
  int sum = 0;
  bool twice = false;
  for (auto at = digits.rbegin(); at != digits.rend(); ++at, twice = !twice) {
    int digit = *at - '0';
    if (twice && (digit *= 2) > 9) digit -= 9;
    sum += digit;
  }
  return sum % 10 == 0;
}

int leading(std::string_view digits, std::size_t count) {
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value * 10 + (digits[i] - '0');
  return value;
}

/// Lengths and prefixes in use: Visa, Mastercard, American Express, Diners, Discover, JCB.
bool has_scheme(std::string_view digits) {
  const int two = leading(digits, 2);
  const int four = leading(digits, 4);
  switch (digits.size()) {
    case 13: return digits[0] == '4';
    case 14: return two == 36 || two == 38 || two == 39 || (four >= 3000 && four <= 3059);
    case 15: return two == 34 || two == 37;
    case 16:
      return digits[0] == '4' || (two >= 51 && two <= 55) || (four >= 2221 && four <= 2720) ||
             four == 6011 || two == 65 || (four >= 3528 && four <= 3589);
    default: return false;
  }
}

bool is_card_number(std::string_view digits) { return has_scheme(digits) && luhn(digits); }

bool is_iban(std::string_view text) {
  if (text.size() < 15 || text.size() > 34) return false;
  if (!is_letter(text[0]) || !is_letter(text[1]) || !is_digit(text[2]) || !is_digit(text[3]))
    return false;
  const std::string moved = std::string(text.substr(4)) + std::string(text.substr(0, 4));
  int remainder = 0;
  for (const char c : moved) {
    if (is_digit(c)) {
      remainder = (remainder * 10 + (c - '0')) % 97;
    } else if (is_letter(c)) {
      remainder = (remainder * 100 + (c - 'A' + 10)) % 97;
    } else {
      return false;
    }
  }
  return remainder == 1;
}

}  // namespace

PersonalData classify(std::uint64_t number) {
  constexpr std::uint64_t smallest = 1'000'000'000'000;           // 13 digits
  constexpr std::uint64_t past_largest = 10'000'000'000'000'000;  // 17 digits
  if (number < smallest || number >= past_largest) return PersonalData::none;
  return is_card_number(std::to_string(number)) ? PersonalData::card_number : PersonalData::none;
}

PersonalData classify(u128 value) {
  if (high64(value) == 0) return classify(low64(value));
  std::array<char, 16> characters;
  store_le(reinterpret_cast<Byte*>(characters.data()), value);
  for (int order = 0; order < 2; ++order) {
    std::string_view text(characters.data(), characters.size());
    while (!text.empty() && (text.back() == '\0' || text.back() == ' ')) text.remove_suffix(1);
    while (!text.empty() && (text.front() == '\0' || text.front() == ' ')) text.remove_prefix(1);
    if (const PersonalData kind = classify(text); kind != PersonalData::none) return kind;
    std::ranges::reverse(characters);
  }
  return PersonalData::none;
}

PersonalData classify(std::string_view text) {
  if (text.size() >= 13 && std::ranges::all_of(text, is_digit))
    return is_card_number(text) ? PersonalData::card_number : PersonalData::none;
  return is_iban(text) ? PersonalData::iban : PersonalData::none;
}

std::string_view name(PersonalData kind) {
  switch (kind) {
    case PersonalData::none: return "nothing personal";
    case PersonalData::card_number: return "a card number";
    case PersonalData::iban: return "an IBAN";
  }
  return "unknown";
}

}  // namespace meridian::door
