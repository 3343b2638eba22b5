// Does a number or text look like a card number or an IBAN? What must not stand in clear.
//
// Pure. Narrow on purpose: only lengths and prefixes that card schemes issue, with the Luhn check
// digit (ISO/IEC 7812), and IBANs of 15 to 34 characters with ISO 7064 mod 97-10, so that ids,
// hashes and timestamps pass (in microseconds until May 2040: then they look like Mastercard's).
// Cost: 2 ns for a number outside the range of card numbers.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/u128.h"

namespace meridian::door {

enum class PersonalData : std::uint8_t { none, card_number, iban };

PersonalData classify(std::uint64_t number);
/// As a number, and as up to 16 characters of text (either byte order).
PersonalData classify(u128 value);
PersonalData classify(std::string_view text);

std::string_view name(PersonalData kind);

}  // namespace meridian::door
