// Reads plain-text accounting journals (hledger's format, and what Ledger's shares with it).
//
// JournalReader walks over a text and hands out one transaction at a time, so a book of any size
// is read in one linear pass with the memory of one transaction. It understands: transactions with
// primary and secondary dates, status, code, `payee | note`, comments, posting dates; postings with
// amounts, prices `@` and `@@`, balance assertions `=`, `==`, `=*`, `==*`; the directives account,
// commodity, D, P, N, Y, decimal-mark, payee, tag, apply account/year; comment lines and blocks.
// What would change amounts or accounts and is not understood (include, alias, automated and
// periodic transactions, virtual postings, lots, balance assignments) is refused, never skipped.
// Differences from hledger: a tab also separates account and amount; `%` and `|` begin comment
// lines; ` ;` in an account name is refused; a date without year needs a `Y` directive above it.
// Errors read `file:line: what is wrong: what to do`, code invalid_argument or out_of_range.
// Pure: no I/O, no clock. The text must outlive the reader; one thread at a time.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "books/amount.h"
#include "books/notation.h"

namespace meridian::books {

struct Limits {
  static constexpr std::size_t line_bytes_max = 64 * 1024;
  static constexpr std::size_t transaction_bytes_max = 256 * 1024;  ///< Fits an event's payload.
  static constexpr std::size_t postings_max = 4000;                 ///< Per transaction.
  static constexpr std::size_t account_name_bytes_max = 1024;
};

struct Date {
  std::int32_t year = 0;
  std::uint8_t month = 0;
  std::uint8_t day = 0;
  auto operator<=>(const Date&) const = default;
};
/// `2024-01-31`.
std::string text(const Date& date);

enum class Mark : std::uint8_t { none, pending, cleared };  ///< nothing, `!`, `*`

struct Price {
  Amount amount;
  bool is_total = false;      ///< `@@` rather than `@`.
  std::uint8_t decimals = 0;  ///< As written.
};

/// `= 5 USD`: the account holds exactly this after the posting, in order of date.
struct Assertion {
  Amount amount;
  bool is_sole = false;        ///< `==`: and nothing of any other commodity.
  bool with_children = false;  ///< `=*`: the accounts below count too.
};

struct Posting {
  std::uint32_t line = 0;
  Mark mark = Mark::none;
  std::string account;
  std::optional<Amount> amount;  ///< Missing in at most one posting: balance() infers it.
  std::optional<Price> price;
  std::optional<Assertion> assertion;
  std::optional<Date> date;  ///< Only orders assertions; `date:` or `[DATE]` in the comment.
  std::string comment;       ///< Lines after `;`, joined by newlines.
};

struct Transaction {
  std::uint32_t line = 0;
  Date date;
  std::optional<Date> secondary_date;
  Mark mark = Mark::none;
  std::string code;
  std::string description;
  std::string comment;
  std::vector<Posting> postings;
  /// The original lines, without carriage returns and trailing blanks, joined by newlines.
  std::string text;

  /// The part of the description before `|`, trimmed; all of it if there is no `|`.
  std::string_view payee() const;
  /// The part after `|`, trimmed; empty if there is none.
  std::string_view note() const;
};

class JournalReader {
 public:
  /// `file_name` is only for messages.
  JournalReader(std::string_view text, std::string_view file_name);

  /// The next transaction, or nullopt at the end. After an error the reader stays at its end.
  Result<std::optional<Transaction>> next();

  /// What the text read so far says about commodities; complete once next() gave nullopt.
  const Notations& notations() const { return notations_; }

 private:
  struct Line {
    std::string_view text;
    std::uint32_t number = 0;
  };

  Result<bool> read_line(Line& line);
  bool next_is_indented() const;
  Error error(std::uint32_t line, std::string_view reason) const;
  Error located(Error cause, std::uint32_t line) const;
  Status check_characters(const Line& line) const;
  Status skip_comment_block(const Line& opening);

  Status directive(const Line& line);
  Status word_directive(const Line& line);
  Status commodity_directive(const Line& line, std::string_view rest);
  Status commodity_format(const Line& line, std::string_view rest, std::string& symbol);
  Status default_commodity_directive(const Line& line, std::string_view rest);
  Status price_directive(const Line& line, std::string_view rest);
  Status account_directive(const Line& line, std::string_view rest);
  Status year_directive(const Line& line, std::string_view rest);
  Status decimal_mark_directive(const Line& line, std::string_view rest);
  Status apply_directive(const Line& line, std::string_view rest);
  Status end_directive(const Line& line, std::string_view rest);
  Status subdirectives(std::string_view owner, std::string_view allowed);

  Result<Transaction> transaction(const Line& heading);
  Status heading(const Line& line, Transaction& out) const;
  Status posting(const Line& line, Transaction& out);
  Status posting_amount(const Line& line, std::string_view rest, Posting& out);
  Status posting_comment(const Line& line, std::string_view comment, Transaction& out) const;
  Result<std::string> account_name(const Line& line, std::string_view written) const;
  Result<Date> take_date(const Line& line, std::string_view& rest,
                         std::optional<std::int32_t> year) const;

  std::string_view rest_;
  std::string file_name_;
  std::uint32_t line_number_ = 0;
  std::optional<std::int32_t> year_;
  std::vector<std::string> prefixes_;               ///< Open `apply account` names.
  std::vector<std::optional<std::int32_t>> years_;  ///< Years hidden by open `apply year`s.
  std::vector<char> applied_;                       ///< What `end apply` closes: 'a' or 'y'.
  Notations notations_;
};

}  // namespace meridian::books
