// Finds in a text what names or identifies a person by itself: card numbers, IBANs, e-mail
// addresses, national identity numbers. For texts that are kept in clear and for ever.
//
// Pure. By pattern, by check digits where there are some, and by dates and ranges where a number
// has them. Numbers with a weak check or none count only as they are usually written, with their
// separators ("078-05-1120"), so that order numbers and times pass: of random numbers of 9 to 16
// digits one in 30 is taken for something, of numbers of other lengths, UUIDs and times none or
// nearly none (personal_text_test.cpp). What is not found may be personal all the same.
// Cost: 5 ns per character.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace meridian::door {

enum class PersonalText : std::uint8_t {
  card_number,         ///< ISO/IEC 7812
  iban,                ///< ISO 13616
  email,               ///< RFC 5322, as people write it
  belgian_number,      ///< numéro national
  brazilian_number,    ///< CPF
  british_health,      ///< NHS number
  british_insurance,   ///< National Insurance number
  danish_number,       ///< CPR
  dutch_number,        ///< BSN
  finnish_number,      ///< henkilötunnus
  french_number,       ///< NIR
  german_tax,          ///< Identifikationsnummer
  indian_number,       ///< Aadhaar
  italian_code,        ///< codice fiscale
  norwegian_number,    ///< fødselsnummer
  polish_number,       ///< PESEL
  spanish_number,      ///< DNI, NIE
  swedish_number,      ///< personnummer
  swiss_number,        ///< AHV
  us_social_security,  ///< SSN
};
inline constexpr std::size_t personal_text_count = 20;
std::string_view name(PersonalText kind);  ///< "an e-mail address"

struct PersonalFind {
  PersonalText kind;
  std::size_t first, size;  ///< Bytes of the text.
  bool operator==(const PersonalFind&) const = default;
};
/// The first one.
std::optional<PersonalFind> find_personal(std::string_view text);

}  // namespace meridian::door
