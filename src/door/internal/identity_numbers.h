// Identity numbers by their rules, each from the document of who issues it. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "door/personal_text.h"

namespace meridian::door::internal {

/// A piece of text that may be a number: its letters and digits, and how they were set apart.
struct Written {
  std::string_view compact;  ///< Letters in upper case; no separators.
  /// A digit for the size of each group, and the separators between: "3-2-4", "3.3.3-2", "11".
  std::string_view shape;
};
std::optional<PersonalText> identity_number(const Written& written);

/// Of 13 digits or more: length and prefix that a scheme issues, and the Luhn digit.
bool is_card(std::string_view digits);
/// Of 4 letters (in upper case) and digits or more: country, its length, ISO 7064 mod 97-10.
bool is_iban(std::string_view compact);

}  // namespace meridian::door::internal
