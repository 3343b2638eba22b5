// A whole journal, checked from end to end before anything of it is posted.
//
// Book::open reads the text once (twice if it has balance assertions) and refuses it unless every
// line is understood, every transaction balances and every assertion holds. It settles what needs
// the whole book: the accounts, and per commodity the scale, that is the decimals of the integer
// units in which the commodity's ledger counts. The scale is the most decimals of any amount that
// is written (zeros included) or inferred, or that a `commodity` or `D` directive names. A book
// that was imported before keeps its scales (BookOptions::scales): an amount with more decimals is
// then refused, since recorded units cannot change their meaning. Who expects more decimals later
// declares them at first, as in `commodity 1.0000 EUR`.
// Assertions are checked as hledger does: in order of date (of the posting's own date if it has
// one), the same day in order of the file; exactly; each commodity by itself, prices ignored.
// Pure: no I/O. The text must outlive Book and what reads from it. const calls may run in parallel.
// Cost: linear in the text, memory for accounts, commodities and (for assertions) 64 bytes per
// posting.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "books/amount.h"
#include "books/journal.h"

namespace meridian::books {

enum class CommodityIndex : std::uint32_t {};  ///< Into Book::commodities().
enum class AccountIndex : std::uint32_t {};    ///< Into Book::accounts().
constexpr std::size_t raw(CommodityIndex index) { return static_cast<std::size_t>(index); }
constexpr std::size_t raw(AccountIndex index) { return static_cast<std::size_t>(index); }

struct BookOptions {
  /// Part of every identity; keep it for all imports of one book, whatever the file is called.
  std::string name = {};
  /// Takes what prices convert and what rounding leaves, in every commodity.
  std::string conversion_account = "Equity:Conversion";
  /// Scales of commodities that were imported before, by symbol.
  std::map<std::string, std::uint8_t> scales = {};
};

struct Commodity {
  std::string symbol;  ///< "" for amounts written without one.
  std::uint8_t scale = 0;
};

/// One account of one commodity's ledger.
struct BookAccount {
  std::string name;
  CommodityIndex commodity;
  Decimal balance;  ///< Debits less credits at the end of the book.
};

class Book {
 public:
  /// Errors: invalid_argument or out_of_range with `file:line: ...`; failed_precondition if a
  /// commodity needs more decimals than options.scales gives it.
  static Result<Book> open(std::string_view text, std::string_view file_name, BookOptions options);

  const BookOptions& options() const { return options_; }
  std::string_view text() const { return text_; }
  const std::string& file_name() const { return file_name_; }
  /// In order of first use.
  const std::vector<Commodity>& commodities() const { return commodities_; }
  /// In order of first use; conversion accounts among them, where a transaction needs one.
  const std::vector<BookAccount>& accounts() const { return accounts_; }
  std::uint64_t transaction_count() const { return transaction_count_; }
  std::uint64_t posting_count() const { return posting_count_; }

  /// The index of a commodity or account that the book uses; asserts that it does.
  CommodityIndex commodity(std::string_view symbol) const;
  AccountIndex account(std::string_view name, CommodityIndex commodity) const;

  /// `account<TAB>commodity<TAB>balance` lines in byte order, zero balances and the conversion
  /// account left out.
  std::string balances_tsv() const;

 private:
  friend class BookBuilder;
  Book() = default;

  std::string_view text_;
  std::string file_name_;
  BookOptions options_;
  std::vector<Commodity> commodities_;
  std::vector<BookAccount> accounts_;
  std::map<std::string, CommodityIndex, std::less<>> commodity_index_;
  std::map<std::string, std::map<CommodityIndex, AccountIndex>, std::less<>> account_index_;
  std::uint64_t transaction_count_ = 0;
  std::uint64_t posting_count_ = 0;
};

}  // namespace meridian::books
