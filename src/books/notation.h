// How amounts are written: `$1`, `-$1.50`, `1,000.00 USD`, `"ADR FOO" 3`, `1 000,50 EUR`, `2E3 A`.
//
// The rules are hledger 1.25's. A number's last separator is its decimal mark if it is of another
// kind than those before it. A lone `.` or `,` is a decimal mark too, unless a `decimal-mark`,
// `commodity` or `D` directive above says otherwise for that commodity. Spaces (also U+00A0,
// U+2009, U+202F) may group digits. Groups after the first have 2 to 4 digits; anything else is
// refused rather than guessed. Pure; a value, one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "books/amount.h"

namespace meridian::books {

/// What one amount showed about its commodity's notation; '\0' where it showed nothing.
struct Notation {
  char decimal_mark = '\0';
  char group_mark = '\0';
  std::uint8_t decimals = 0;
};

struct WrittenAmount {
  Amount amount;
  Notation notation;
  bool has_symbol = false;  ///< False if the commodity is the default one.
};

/// What a journal has said so far about notations, decimals and the default commodity.
class Notations {
 public:
  void set_decimal_mark(char mark) { decimal_mark_ = mark; }
  /// A `commodity` directive with an amount.
  void declare(const std::string& commodity, const Notation& notation);
  /// A `D` directive: also the commodity of amounts written without symbol from here on.
  void set_default(const std::string& commodity, const Notation& notation);
  /// An amount of a posting or market price, which shows how many decimals the book uses.
  void saw(const std::string& commodity, std::uint8_t decimals);

  /// The decimals with which hledger would show the commodity: declared, else of `D`, else the
  /// most of any amount seen; nullopt if it was seen in prices of postings only.
  std::optional<std::uint8_t> decimals(const std::string& commodity) const;
  /// Decimals named by a directive, if any: room that the owner of the book asked for.
  std::optional<std::uint8_t> declared_decimals(const std::string& commodity) const;

  /// Takes an amount from the front of `rest`. Errors: invalid_argument, out_of_range; the message
  /// quotes what was read, without file and line.
  Result<WrittenAmount> take_amount(std::string_view& rest) const;

 private:
  Notation hint_for(const std::string& commodity) const;

  char decimal_mark_ = '\0';
  std::map<std::string, Notation> declared_;
  std::map<std::string, Notation> defaults_;
  std::optional<std::string> default_commodity_;
  std::map<std::string, std::uint8_t> seen_;
};

/// Takes a commodity symbol, quoted or plain, from the front of `rest`. Errors: invalid_argument.
Result<std::string> take_symbol(std::string_view& rest);

}  // namespace meridian::books
