// amount = [sign] symbol [sign] number | [sign] number [symbol]
// number = digits, with groups split by one kind of mark, an optional decimal mark, an optional
//          exponent written without space (`1E3`)
// symbol = `"` anything but `"` `"` | characters other than digits, blanks and .,-+@*;"{}=()[]
//          (a comma may stand inside a symbol, not begin it)
#include "books/notation.h"

#include <algorithm>
#include <vector>

#include "books/internal/text.h"

namespace meridian::books {
namespace {

constexpr std::size_t symbol_bytes_max = 128;
constexpr std::size_t number_bytes_max = 128;

void skip_blanks(std::string_view& rest) { rest = trim_left(rest); }

bool is_symbol_character(char c) {
  if (is_digit(c) || static_cast<unsigned char>(c) <= ' ' || c == 0x7f) return false;
  return std::string_view(".-+@*;\"{}=()[]").find(c) == std::string_view::npos;
}

bool begins_symbol(std::string_view rest) {
  if (rest.empty()) return false;
  return rest.front() == '"' || (is_symbol_character(rest.front()) && rest.front() != ',');
}

/// Length of the separator at the front of `rest`, and in `mark` its kind; 0 if there is none.
std::size_t separator_at(std::string_view rest, char& mark) {
  if (rest.empty()) return 0;
  if (rest.front() == '.' || rest.front() == ',') {
    mark = rest.front();
    return 1;
  }
  std::size_t size = 0;
  if (rest.front() == ' ') size = 1;
  for (std::string_view blank : {"\u00a0", "\u2009", "\u202f"}) {
    if (rest.starts_with(blank)) size = blank.size();
  }
  if (size == 0 || rest.size() <= size || !is_digit(rest[size])) return 0;
  mark = ' ';
  return size;
}

/// A number as scanned: its digit groups, the marks between them, and the exponent.
struct Scanned {
  std::string_view text;
  std::vector<std::string_view> groups;  ///< One more than marks; the first or last may be empty.
  std::string marks;
  int exponent = 0;
};

Result<int> take_exponent(std::string_view& rest) {
  if (rest.empty() || (rest.front() != 'e' && rest.front() != 'E')) return 0;
  std::size_t at = 1;
  const bool negative = at < rest.size() && rest[at] == '-';
  if (at < rest.size() && (rest[at] == '-' || rest[at] == '+')) ++at;
  if (at >= rest.size() || !is_digit(rest[at])) return 0;  // `5E`: the commodity E
  int exponent = 0;
  const std::string_view all = rest;
  for (; at < rest.size() && is_digit(rest[at]); ++at) {
    exponent = exponent * 10 + (rest[at] - '0');
    if (exponent > Decimal::digits_max) {
      return fail(Code::out_of_range, "exponent too large at " + quoted(all) +
                                          ": an amount has at most 38 digits and 28 decimals");
    }
  }
  rest.remove_prefix(at);
  return negative ? -exponent : exponent;
}

Result<Scanned> scan_number(std::string_view& rest) {
  const std::string_view all = rest;
  Scanned scanned;
  std::size_t digits = 0;
  while (true) {
    std::size_t size = 0;
    while (size < rest.size() && is_digit(rest[size])) ++size;
    scanned.groups.push_back(rest.substr(0, size));
    digits += size;
    rest.remove_prefix(size);
    char mark = '\0';
    const std::size_t separator = separator_at(rest, mark);
    if (separator == 0) break;
    scanned.marks += mark;
    rest.remove_prefix(separator);
    if (all.size() - rest.size() > number_bytes_max) {
      return fail(Code::out_of_range, "number " + quoted(all) +
                                          " is too long: an amount has at "
                                          "most 38 digits and 28 decimals");
    }
  }
  if (digits == 0) {
    if (all.empty()) {
      return fail(Code::invalid_argument, "a number is missing: an amount is written '10.50 EUR'");
    }
    return fail(Code::invalid_argument,
                "no number at " + quoted(all) + ": an amount is written like '10.50 EUR' or '$-3'");
  }
  scanned.text = all.substr(0, all.size() - rest.size());
  scanned.exponent = TRY(take_exponent(rest));
  return scanned;
}

Error bad_marks(std::string_view number) {
  return fail(Code::invalid_argument,
              "cannot tell the decimal mark of " + quoted(number) +
                  ": write one decimal mark, and the same group mark between 2 to 4 digits");
}

/// Which mark, if any, is the decimal one; all others then group digits.
Result<char> decimal_mark_of(const Scanned& scanned, const Notation& hint) {
  const std::string& marks = scanned.marks;
  if (marks.empty()) return '\0';
  const char last = marks.back();
  const auto count = std::count(marks.begin(), marks.end(), last);
  const bool all_the_same = static_cast<std::size_t>(count) == marks.size();
  if (!all_the_same) {
    const char group = marks.front();
    const bool one_group_mark =
        std::count(marks.begin(), marks.end(), group) + 1 == static_cast<long>(marks.size());
    if (count != 1 || last == ' ' || !one_group_mark) return bad_marks(scanned.text);
    return last;
  }
  if (last == ' ' || marks.size() > 1) return '\0';
  if (scanned.groups.front().empty() || scanned.groups.back().empty()) return last;
  if (hint.decimal_mark != '\0') return hint.decimal_mark == last ? last : '\0';
  if (hint.group_mark != '\0') return hint.group_mark == last ? '\0' : last;
  return last;
}

struct Number {
  Decimal value;
  Notation notation;
};

Result<Number> interpret(const Scanned& scanned, const Notation& hint) {
  const char decimal_mark = TRY(decimal_mark_of(scanned, hint));
  const std::size_t whole_groups = scanned.groups.size() - (decimal_mark == '\0' ? 0 : 1);
  Number number;
  number.notation.decimal_mark = decimal_mark;
  for (std::size_t i = 0; i < whole_groups; ++i) {
    const std::size_t size = scanned.groups[i].size();
    const bool bare_point = whole_groups == 1 && size == 0 && decimal_mark != '\0';
    if (i > 0 ? (size < 2 || size > 4) : (size == 0 && !bare_point)) return bad_marks(scanned.text);
    if (i > 0) number.notation.group_mark = scanned.marks[i - 1];
  }
  int scale = decimal_mark == '\0' ? 0 : static_cast<int>(scanned.groups.back().size());
  i128 mantissa = 0;
  const Error too_long = fail(Code::out_of_range, "number " + quoted(scanned.text) +
                                                      " is too long: an amount has at most 38 "
                                                      "digits and 28 decimals");
  for (std::string_view group : scanned.groups) {
    for (char c : group) {
      if (__builtin_mul_overflow(mantissa, i128{10}, &mantissa) ||
          __builtin_add_overflow(mantissa, i128{c - '0'}, &mantissa)) {
        return too_long;
      }
    }
  }
  scale -= scanned.exponent;
  for (; scale < 0; ++scale) {
    if (__builtin_mul_overflow(mantissa, i128{10}, &mantissa)) return too_long;
  }
  if (scale > Decimal::scale_max) return too_long;
  Result<Decimal> value = Decimal::of(mantissa, static_cast<std::uint8_t>(scale));
  if (!value) return too_long;
  number.value = *value;
  number.notation.decimals = static_cast<std::uint8_t>(scale);
  return number;
}

/// Takes a sign and the blanks after it: -1 or 1, or 0 if there was none.
int take_sign(std::string_view& rest) {
  if (rest.empty() || (rest.front() != '-' && rest.front() != '+')) return 0;
  const int sign = rest.front() == '-' ? -1 : 1;
  rest.remove_prefix(1);
  skip_blanks(rest);
  return sign;
}

}  // namespace

Result<std::string> take_symbol(std::string_view& rest) {
  if (!begins_symbol(rest)) {
    return fail(Code::invalid_argument,
                rest.empty() ? "a commodity symbol is missing"
                             : "no commodity symbol at " + quoted(rest) +
                                   ": put symbols with digits, blanks or marks in double quotes");
  }
  std::string symbol;
  if (rest.front() == '"') {
    const std::size_t end = rest.find('"', 1);
    if (end == std::string_view::npos || end == 1) {
      return fail(Code::invalid_argument, "commodity symbol " + quoted(rest) +
                                              (end == 1 ? " is empty: name the commodity"
                                                        : " has no closing double quote"));
    }
    symbol = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
  } else {
    std::size_t size = 0;
    while (size < rest.size() && is_symbol_character(rest[size])) ++size;
    symbol = rest.substr(0, size);
    rest.remove_prefix(size);
  }
  if (symbol.size() > symbol_bytes_max) {
    return fail(Code::invalid_argument,
                "commodity symbol " + quoted(symbol) + " is longer than 128 bytes: shorten it");
  }
  return symbol;
}

void Notations::declare(const std::string& commodity, const Notation& notation) {
  declared_[commodity] = notation;
}

void Notations::set_default(const std::string& commodity, const Notation& notation) {
  defaults_.clear();
  defaults_[commodity] = notation;
  default_commodity_ = commodity;
}

void Notations::saw(const std::string& commodity, std::uint8_t decimals) {
  std::uint8_t& most = seen_[commodity];
  most = std::max(most, decimals);
}

std::optional<std::uint8_t> Notations::declared_decimals(const std::string& commodity) const {
  if (const auto at = declared_.find(commodity); at != declared_.end()) return at->second.decimals;
  if (const auto at = defaults_.find(commodity); at != defaults_.end()) return at->second.decimals;
  return std::nullopt;
}

std::optional<std::uint8_t> Notations::decimals(const std::string& commodity) const {
  if (const auto declared = declared_decimals(commodity)) return declared;
  if (const auto at = seen_.find(commodity); at != seen_.end()) return at->second;
  return std::nullopt;
}

Notation Notations::hint_for(const std::string& commodity) const {
  if (decimal_mark_ != '\0') return {.decimal_mark = decimal_mark_};
  if (const auto at = declared_.find(commodity); at != declared_.end()) return at->second;
  if (default_commodity_) return defaults_.at(*default_commodity_);
  return {};
}

Result<WrittenAmount> Notations::take_amount(std::string_view& rest) const {
  const std::string_view all = rest;
  int sign = take_sign(rest);
  WrittenAmount written;
  if (begins_symbol(rest)) {
    written.amount.commodity = TRY(take_symbol(rest));
    written.has_symbol = true;
    skip_blanks(rest);
    if (const int second = take_sign(rest); second != 0) {
      if (sign != 0) {
        return fail(Code::invalid_argument, "two signs in " + quoted(all) + ": write one");
      }
      sign = second;
    }
  }
  const Scanned scanned = TRY(scan_number(rest));
  if (!written.has_symbol) {
    std::string_view after = rest;
    skip_blanks(after);
    if (begins_symbol(after)) {
      rest = after;
      written.amount.commodity = TRY(take_symbol(rest));
      written.has_symbol = true;
    } else if (default_commodity_) {
      written.amount.commodity = *default_commodity_;
    }
  }
  const Number number = TRY(interpret(scanned, hint_for(written.amount.commodity)));
  written.amount.quantity = sign < 0 ? number.value.negated() : number.value;
  written.notation = number.notation;
  return written;
}

}  // namespace meridian::books
