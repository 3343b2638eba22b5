#include "door/personal_data.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/bytes.h"
#include "door/internal/identity_numbers.h"

namespace meridian::door {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper_word(char c) { return is_digit(c) || (c >= 'A' && c <= 'Z'); }

}  // namespace

PersonalData classify(std::uint64_t number) {
  constexpr std::uint64_t smallest = 1'000'000'000'000;           // 13 digits
  constexpr std::uint64_t past_largest = 10'000'000'000'000'000;  // 17 digits
  if (number < smallest || number >= past_largest) return PersonalData::none;
  return internal::is_card(std::to_string(number)) ? PersonalData::card_number : PersonalData::none;
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
    return internal::is_card(text) ? PersonalData::card_number : PersonalData::none;
  const bool may_be_iban = text.size() >= 15 && std::ranges::all_of(text, is_upper_word);
  return may_be_iban && internal::is_iban(text) ? PersonalData::iban : PersonalData::none;
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
