#include "door/internal/identity_numbers.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace meridian::door::internal {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'A' && c <= 'Z'; }
bool all_digits(std::string_view text) { return std::ranges::all_of(text, is_digit); }

/// At most 18 digits.
std::uint64_t number(std::string_view digits) {
  std::uint64_t value = 0;
  for (const char c : digits) value = value * 10 + static_cast<std::uint64_t>(c - '0');
  return value;
}

int weighted(std::string_view digits, std::span<const int> weights) {
  int sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) sum += (digits[i] - '0') * weights[i];
  return sum;
}

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

bool is_day(std::uint64_t day) { return day >= 1 && day <= 31; }
bool is_month(std::uint64_t month) { return month >= 1 && month <= 12; }
bool is_ddmm(std::string_view text) {
  return is_day(number(text.substr(0, 2))) && is_month(number(text.substr(2, 2)));
}
bool is_mmdd(std::string_view text) {
  return is_month(number(text.substr(0, 2))) && is_day(number(text.substr(2, 2)));
}

struct IbanLength {
  std::string_view country;
  std::size_t length;
};
/// The IBAN registry (ISO 13616-2), release 97.
constexpr std::array<IbanLength, 80> iban_lengths = {{
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22},
    {"BH", 22}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22},
    {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FO", 18}, {"FR", 27},
    {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28},
    {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26}, {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20},
    {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21}, {"LY", 25}, {"MC", 27},
    {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NI", 28}, {"NL", 18},
    {"NO", 15}, {"PK", 24}, {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22},
    {"RU", 33}, {"SA", 24}, {"SC", 31}, {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27},
    {"ST", 25}, {"SV", 28}, {"TL", 23}, {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24},
}};

/// SSA: no area 000, 666 or from 900 on; no group 00; no serial 0000.
bool is_us(std::string_view digits) {
  const std::uint64_t area = number(digits.substr(0, 3));
  return area != 0 && area != 666 && area < 900 && number(digits.substr(3, 2)) != 0 &&
         number(digits.substr(5)) != 0;
}

/// NHS Data Dictionary: weights 10 to 2, the eleventh's complement.
bool is_nhs(std::string_view digits) {
  constexpr std::array<int, 9> weights = {10, 9, 8, 7, 6, 5, 4, 3, 2};
  const int check = (11 - weighted(digits, weights) % 11) % 11;
  return check != 10 && check == digits[9] - '0';
}

/// "Elfproef" of the BSN: weights 9 to 2, and -1 for the last.
bool is_bsn(std::string_view digits) {
  constexpr std::array<int, 9> weights = {9, 8, 7, 6, 5, 4, 3, 2, -1};
  return number(digits) != 0 && weighted(digits, weights) % 11 == 0;
}

/// Skatteverket: birth date (of a coordination number with 60 more days), Luhn over ten digits.
bool is_swedish(std::string_view ten) {
  const std::uint64_t day = number(ten.substr(4, 2));
  return is_month(number(ten.substr(2, 2))) && is_day(day > 60 ? day - 60 : day) && luhn(ten);
}

/// Two digits from sums modulo 11.
bool is_norwegian(std::string_view digits) {
  constexpr std::array<int, 10> first = {3, 7, 6, 1, 8, 9, 4, 5, 2, 1};
  constexpr std::array<int, 11> second = {5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1};
  return is_ddmm(digits) && weighted(digits, first) % 11 == 0 && weighted(digits, second) % 11 == 0;
}

/// Month with its century: 81-92, 01-12, 21-32, 41-52, 61-72.
bool is_pesel(std::string_view digits) {
  constexpr std::array<int, 11> weights = {1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1};
  return is_month(number(digits.substr(2, 2)) % 20) && is_day(number(digits.substr(4, 2))) &&
         weighted(digits, weights) % 10 == 0;
}

/// 97 minus the rest of the nine digits, after 2000 with a 2 before them.
bool is_belgian(std::string_view digits) {
  const std::uint64_t nine = number(digits.substr(0, 9));
  const std::uint64_t check = number(digits.substr(9));
  return is_mmdd(digits.substr(2)) &&
         (97 - nine % 97 == check || 97 - (2'000'000'000 + nine) % 97 == check);
}

/// Of the first ten digits one stands there twice or three times, the others once; ISO 7064 mod
/// 11,10.
bool is_german_tax(std::string_view digits) {
  if (digits[0] == '0') return false;
  std::array<int, 10> count{};
  for (const char c : digits.substr(0, 10)) ++count[static_cast<std::size_t>(c - '0')];
  const auto repeated = std::ranges::count_if(count, [](int n) { return n == 2 || n == 3; });
  if (repeated != 1 || std::ranges::any_of(count, [](int n) { return n > 3; })) return false;
  int product = 10;
  for (const char c : digits.substr(0, 10)) {
    const int sum = (c - '0' + product) % 10;
    product = (sum == 0 ? 10 : sum) * 2 % 11;
  }
  return (11 - product) % 10 == digits[10] - '0';
}

/// Receita Federal: two digits, weights 10 to 2 and 11 to 2; not all alike.
bool is_cpf(std::string_view digits) {
  if (digits.find_first_not_of(digits[0]) == std::string_view::npos) return false;
  const auto check = [&](int size) {
    int sum = 0;
    for (int i = 0; i < size; ++i)
      sum += (digits[static_cast<std::size_t>(i)] - '0') * (size + 1 - i);
    return sum * 10 % 11 % 10 == digits[static_cast<std::size_t>(size)] - '0';
  };
  return check(9) && check(10);
}

/// UIDAI: Verhoeff's check over the dihedral group of ten elements; no leading 0 or 1.
bool is_aadhaar(std::string_view digits) {
  constexpr std::array<std::string_view, 10> product = {
      "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
      "5987604321", "6598710432", "7659821043", "8765932104", "9876543210"};
  constexpr std::array<std::string_view, 8> permutation = {"0123456789", "1576283094", "5803796142",
                                                           "8916043527", "9453126870", "4286573901",
                                                           "2793806415", "7046913258"};
  std::size_t check = 0, place = 0;
  for (auto at = digits.rbegin(); at != digits.rend(); ++at, ++place) {
    const char moved = permutation[place % 8][static_cast<std::size_t>(*at - '0')];
    check = static_cast<std::size_t>(product[check][static_cast<std::size_t>(moved - '0')] - '0');
  }
  return check == 0 && digits[0] > '1';
}

/// GS1's check digit over a number of Switzerland (756).
bool is_ahv(std::string_view digits) {
  int sum = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) sum += (digits[i] - '0') * (i % 2 == 0 ? 1 : 3);
  return digits.starts_with("756") && sum % 10 == 0;
}

/// Sex, year, month, department (2A and 2B are Corsica), commune, order, key 97 - number mod 97.
bool is_nir(std::string_view text) {
  std::array<char, 15> digits{};
  std::ranges::copy(text, digits.begin());
  std::uint64_t corsica = 0;
  if (text[5] == '2' && (text[6] == 'A' || text[6] == 'B')) {
    corsica = text[6] == 'A' ? 1'000'000 : 2'000'000;
    digits[6] = '0';
    digits[5] = '2';
  }
  const std::string_view all(digits.data(), digits.size());
  if (!all_digits(all) || (text[0] != '1' && text[0] != '2')) return false;
  const std::uint64_t month = number(all.substr(3, 2));
  if (!is_month(month) && (month < 20 || month > 42)) return false;
  // 2A counts as 19 and 2B as 18.
  return 97 - (number(all.substr(0, 13)) - corsica) % 97 == number(all.substr(13));
}

/// DNI: eight digits, NIE: X, Y or Z for 0, 1, 2 and seven; the letter is the rest modulo 23.
bool is_spanish(std::string_view text) {
  constexpr std::string_view letters = "TRWAGMYFPDXBNJZSQVHLCKE";
  std::uint64_t value = 0;
  if (all_digits(text.substr(0, 8)))
    value = number(text.substr(0, 8));
  else if (text[0] >= 'X' && text[0] <= 'Z' && all_digits(text.substr(1, 7)))
    value = static_cast<std::uint64_t>(text[0] - 'X') * 10'000'000 + number(text.substr(1, 7));
  else
    return false;
  return letters[value % 23] == text[8];
}

/// HMRC: no D F I Q U V first, also no O second, some pairs unused; A to D at the end.
bool is_nino(std::string_view text) {
  constexpr std::string_view never = "DFIQUV";
  constexpr std::array<std::string_view, 7> unused = {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"};
  return is_letter(text[0]) && is_letter(text[1]) &&
         never.find(text[0]) == std::string_view::npos &&
         never.find(text[1]) == std::string_view::npos && text[1] != 'O' &&
         std::ranges::find(unused, text.substr(0, 2)) == unused.end() &&
         all_digits(text.substr(2, 6)) && text[8] >= 'A' && text[8] <= 'D';
}

/// Decree of 23 December 1976: odd places count by a table; the rest modulo 26 is a letter.
bool is_italian(std::string_view text) {
  constexpr std::string_view form = "LLLLLLDDLDDLDDDL";
  constexpr std::array<int, 26> odd = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                                       20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
  int sum = 0;
  for (std::size_t i = 0; i < form.size(); ++i) {
    if (form[i] == 'L' ? !is_letter(text[i]) : !is_digit(text[i])) return false;
    const int value = is_digit(text[i]) ? text[i] - '0' : text[i] - 'A';
    if (i < 15) sum += i % 2 == 0 ? odd[static_cast<std::size_t>(value)] : value;
  }
  return sum % 26 == text[15] - 'A';
}

/// Date, sign of the century ("-" and "+" are separators; A to F, U to Y stand in the text),
/// number; the rest modulo 31 is a sign.
bool is_finnish(const Written& written) {
  constexpr std::string_view signs = "0123456789ABCDEFHJKLMNPRSTUVWXY";
  constexpr std::string_view centuries = "ABCDEFUVWXY";
  const std::string_view text = written.compact;
  const bool is_apart = written.shape == "6-4" || written.shape == "6+4";
  const bool is_plain = text.size() == 11 && written.shape == "11" &&
                        centuries.find(text[6]) != std::string_view::npos;
  if (!is_apart && !is_plain) return false;
  const std::string_view order = text.substr(is_apart ? 6 : 7, 3);
  if (!all_digits(text.substr(0, 6)) || !all_digits(order) || !is_ddmm(text)) return false;
  return signs[(number(text.substr(0, 6)) * 1'000 + number(order)) % 31] == text.back();
}

std::optional<PersonalText> if_so(bool is_one, PersonalText kind) {
  return is_one ? std::optional(kind) : std::nullopt;
}

std::optional<PersonalText> number_of_11(const Written& written) {
  const std::string_view digits = written.compact, shape = written.shape;
  const bool is_plain = shape == "11";
  if (shape == "3.3.3-2") return if_so(is_cpf(digits), PersonalText::brazilian_number);
  if ((is_plain || shape == "2.2.2-3.2") && is_belgian(digits)) return PersonalText::belgian_number;
  if ((is_plain || shape == "6 5") && is_norwegian(digits)) return PersonalText::norwegian_number;
  if (is_plain && is_pesel(digits)) return PersonalText::polish_number;
  return if_so((is_plain || shape == "2 3 3 3") && is_german_tax(digits), PersonalText::german_tax);
}

std::optional<PersonalText> number_of_10(const Written& written) {
  const std::string_view digits = written.compact, shape = written.shape;
  if (shape == "3 3 4" || shape == "3-3-4")
    return if_so(is_nhs(digits), PersonalText::british_health);
  if (shape != "6-4" && shape != "6+4") return std::nullopt;
  if (is_swedish(digits)) return PersonalText::swedish_number;
  return if_so(shape == "6-4" && is_ddmm(digits), PersonalText::danish_number);
}

std::optional<PersonalText> digits_only(const Written& written) {
  const std::string_view digits = written.compact, shape = written.shape;
  switch (digits.size()) {
    case 9:
      if (shape == "3-2-4") return if_so(is_us(digits), PersonalText::us_social_security);
      return if_so((shape == "4.2.3" || shape == "3.3.3") && is_bsn(digits),
                   PersonalText::dutch_number);
    case 10: return number_of_10(written);
    case 11: return number_of_11(written);
    case 12:
      if (shape == "8-4" && number(digits.substr(0, 2)) >= 18 && number(digits.substr(0, 2)) <= 20)
        return if_so(is_swedish(digits.substr(2)), PersonalText::swedish_number);
      return if_so((shape == "4 4 4" || shape == "4-4-4") && is_aadhaar(digits),
                   PersonalText::indian_number);
    case 13:
      if (is_ahv(digits)) return PersonalText::swiss_number;
      return if_so(is_card(digits), PersonalText::card_number);
    case 14:
    case 16: return if_so(is_card(digits), PersonalText::card_number);
    case 15:
      if (is_card(digits)) return PersonalText::card_number;
      return if_so(is_nir(digits), PersonalText::french_number);
    default: return std::nullopt;
  }
}

}  // namespace

/// Prefixes and lengths in use: Visa, Mastercard, American Express, Diners, Discover, JCB.
bool is_card(std::string_view digits) {
  const std::uint64_t two = number(digits.substr(0, 2));
  const std::uint64_t four = number(digits.substr(0, 4));
  const bool has_scheme = (digits.size() == 13 && digits[0] == '4') ||
                          (digits.size() == 14 && (two == 36 || two == 38 || two == 39 ||
                                                   (four >= 3000 && four <= 3059))) ||
                          (digits.size() == 15 && (two == 34 || two == 37)) ||
                          (digits.size() == 16 && (digits[0] == '4' || (two >= 51 && two <= 55) ||
                                                   (four >= 2221 && four <= 2720) || four == 6011 ||
                                                   two == 65 || (four >= 3528 && four <= 3589)));
  return has_scheme && luhn(digits);
}

bool is_iban(std::string_view compact) {
  const auto* const known =
      std::ranges::find(iban_lengths, compact.substr(0, 2), &IbanLength::country);
  if (known == iban_lengths.end() || known->length != compact.size()) return false;
  if (!is_digit(compact[2]) || !is_digit(compact[3])) return false;
  int rest = 0;
  const auto take = [&rest](std::string_view part) {
    for (const char c : part)
      rest = is_digit(c) ? (rest * 10 + (c - '0')) % 97 : (rest * 100 + (c - 'A' + 10)) % 97;
  };
  take(compact.substr(4));
  take(compact.substr(0, 4));
  return rest == 1;
}

std::optional<PersonalText> identity_number(const Written& written) {
  const std::string_view text = written.compact;
  if (text.size() < 9) return std::nullopt;
  if (is_finnish(written)) return PersonalText::finnish_number;
  if (all_digits(text)) return digits_only(written);
  if (text.size() == 9 && is_spanish(text)) return PersonalText::spanish_number;
  if (text.size() == 9 && is_nino(text)) return PersonalText::british_insurance;
  if (text.size() == 15 && is_nir(text)) return PersonalText::french_number;
  if (text.size() == 16 && is_italian(text)) return PersonalText::italian_code;
  return if_so(is_iban(text), PersonalText::iban);
}

}  // namespace meridian::door::internal
