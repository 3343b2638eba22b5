// The directives of a journal: JournalReader's part for lines that are not transactions.
#include <fmt/format.h>

#include <array>

#include "books/internal/text.h"
#include "books/journal.h"

namespace meridian::books {
namespace {

/// A construct that would change what is posted, and what to write instead.
struct Refused {
  std::string_view word;
  std::string_view reason;
};
constexpr std::array refused_words = {
    Refused{"include", "'include' is not supported: import each file by itself, or join them"},
    Refused{"alias", "'alias' is not supported: write the full account names"},
    Refused{"apply", "only 'apply account NAME' and 'apply year YYYY' are supported"},
    Refused{"bucket", "'bucket' is not supported: give every transaction all its postings"},
    Refused{"A", "a default account (A) is not supported: give every transaction all its postings"},
    Refused{"C", "a commodity conversion (C) is not supported: write amounts in one unit"},
    Refused{"i", "timeclock entries are not supported: remove them"},
    Refused{"o", "timeclock entries are not supported: remove them"},
    Refused{"O", "timeclock entries are not supported: remove them"},
    Refused{"b", "timeclock entries are not supported: remove them"},
    Refused{"h", "timeclock entries are not supported: remove them"},
};

bool is_listed(std::string_view words, std::string_view word) {
  for (words = trim(words); !words.empty();) {
    if (take_word(words) == word) return true;
  }
  return false;
}

}  // namespace

Status JournalReader::directive(const Line& line) {
  const char first = line.text.front();
  if (is_blank(first)) {
    return error(line.number,
                 fmt::format("indented line {} outside of a transaction: remove the blank line "
                             "above it, or the indentation",
                             quoted(trim(line.text))));
  }
  if (first == '=') {
    return error(line.number,
                 "an automated transaction (=) is not supported: write out what it would add");
  }
  if (first == '~') {
    return error(
        line.number,
        "a periodic transaction (~) is not supported: budgets are not postings, remove it");
  }
  if (first == 'Y' && line.text.size() > 1 && is_digit(line.text[1])) {
    return year_directive(line, line.text.substr(1));
  }
  return word_directive(line);
}

Status JournalReader::word_directive(const Line& line) {
  std::string_view rest = line.text;
  if (rest.front() == '!' || rest.front() == '@') rest.remove_prefix(1);
  const std::string_view word = take_word(rest);
  if (word == "account") return account_directive(line, rest);
  if (word == "commodity") return commodity_directive(line, rest);
  if (word == "D") return default_commodity_directive(line, rest);
  if (word == "P") return price_directive(line, rest);
  if (word == "N") return {};
  if (word == "Y" || word == "year") return year_directive(line, rest);
  if (word == "decimal-mark") return decimal_mark_directive(line, rest);
  if (word == "payee") return subdirectives("payee", "note uuid alias");
  if (word == "tag") return subdirectives("tag", "note");
  if (word == "apply") return apply_directive(line, rest);
  if (word == "end") return end_directive(line, rest);
  for (const Refused& refused : refused_words) {
    if (word == refused.word) return error(line.number, refused.reason);
  }
  return error(line.number,
               fmt::format("{} is not understood: expected a transaction (a date), a directive "
                           "(account, commodity, D, P, Y, decimal-mark, payee, tag, apply), or a "
                           "comment (;)",
                           quoted(line.text)));
}

Status JournalReader::subdirectives(std::string_view owner, std::string_view allowed) {
  while (next_is_indented()) {
    Line line;
    TRY(read_line(line));
    TRY(check_characters(line));
    std::string_view rest = trim_left(line.text);
    if (rest.front() == ';') continue;
    const std::string_view word = take_word(rest);
    if (!is_listed(allowed, word)) {
      return error(line.number,
                   fmt::format("{} below '{}' is not supported: remove it (known here: {})",
                               quoted(word), owner, allowed));
    }
  }
  return {};
}

Status JournalReader::account_directive(const Line& line, std::string_view rest) {
  std::string_view comment;
  rest = rest.substr(0, std::min(rest.find("  "), rest.find('\t')));
  const std::string_view name = cut_comment(rest, comment);
  TRY(account_name(line, name));
  return subdirectives("account", "note type check");
}

Status JournalReader::commodity_format(const Line& line, std::string_view rest,
                                       std::string& symbol) {
  const std::string_view all = rest;
  Result<WrittenAmount> written = Notations{}.take_amount(rest);
  if (!written) return located(written.error(), line.number);
  if (!rest.empty()) {
    return error(line.number,
                 fmt::format("{} after the commodity's sample amount: remove it", quoted(rest)));
  }
  if (written->notation.decimal_mark == '\0') {
    return error(
        line.number,
        fmt::format("no decimal mark in {}: write one, also for no decimals, as in '1,000. "
                    "USD'",
                    quoted(all)));
  }
  if (!symbol.empty() && symbol != written->amount.commodity) {
    return error(line.number,
                 fmt::format("format {} is not of the commodity {}: write the same symbol",
                             quoted(all), quoted(symbol)));
  }
  symbol = written->amount.commodity;
  notations_.declare(symbol, written->notation);
  return {};
}

Status JournalReader::commodity_directive(const Line& line, std::string_view rest) {
  std::string_view comment;
  rest = cut_comment(rest, comment);
  std::string symbol;
  std::string_view alone = rest;
  const Result<std::string> name = take_symbol(alone);
  if (name && alone.empty()) {
    symbol = *name;
  } else {
    TRY(commodity_format(line, rest, symbol));
  }
  while (next_is_indented()) {
    Line below;
    TRY(read_line(below));
    TRY(check_characters(below));
    std::string_view text = cut_comment(trim_left(below.text), comment);
    if (text.empty()) continue;
    const std::string_view word = take_word(text);
    if (word == "format") {
      TRY(commodity_format(below, text, symbol));
    } else if (word != "note" && word != "nomarket") {
      return error(below.number, fmt::format("{} below 'commodity' is not supported: remove it "
                                             "(known here: format note nomarket)",
                                             quoted(word)));
    }
  }
  return {};
}

Status JournalReader::default_commodity_directive(const Line& line, std::string_view rest) {
  std::string_view comment;
  rest = cut_comment(rest, comment);
  const std::string_view all = rest;
  Result<WrittenAmount> written = Notations{}.take_amount(rest);
  if (!written) return located(written.error(), line.number);
  if (!rest.empty() || !written->has_symbol || written->notation.decimal_mark == '\0') {
    return error(line.number,
                 fmt::format("D {}: write an amount with symbol and decimal mark, as in "
                             "'D 1,000.00 USD'",
                             quoted(all)));
  }
  notations_.set_default(written->amount.commodity, written->notation);
  return {};
}

Status JournalReader::price_directive(const Line& line, std::string_view rest) {
  std::string_view comment;
  rest = cut_comment(rest, comment);
  TRY(take_date(line, rest, year_));
  if (!rest.empty() && !is_blank(rest.front())) {
    return error(line.number, fmt::format("{} after the date: put a space there", quoted(rest)));
  }
  rest = trim_left(rest);
  if (std::string_view later = rest; !rest.empty() && is_digit(rest.front())) {
    const std::string_view time = take_word(later);
    if (time.find_first_not_of("0123456789:") == std::string_view::npos &&
        time.find(':') != std::string_view::npos) {
      rest = later;
    }
  }
  Result<std::string> priced = take_symbol(rest);
  if (!priced) return located(priced.error(), line.number);
  rest = trim_left(rest);
  Result<WrittenAmount> price = notations_.take_amount(rest);
  if (!price) return located(price.error(), line.number);
  if (!rest.empty()) {
    return error(line.number, fmt::format("{} after the market price: remove it", quoted(rest)));
  }
  notations_.saw(price->amount.commodity, price->notation.decimals);
  return subdirectives("P", "");
}

Status JournalReader::year_directive(const Line& line, std::string_view rest) {
  std::string_view comment;
  rest = trim(cut_comment(rest, comment));
  if (rest.size() != 4 || rest.find_first_not_of("0123456789") != std::string_view::npos) {
    return error(line.number,
                 fmt::format("{} is not a year: write four digits, as in 'Y 2024'", quoted(rest)));
  }
  std::int32_t year = 0;
  for (char c : rest) year = year * 10 + (c - '0');
  year_ = year;
  return {};
}

Status JournalReader::decimal_mark_directive(const Line& line, std::string_view rest) {
  std::string_view comment;
  rest = cut_comment(rest, comment);
  if (rest != "." && rest != ",") {
    return error(
        line.number,
        fmt::format("decimal-mark {}: write 'decimal-mark .' or 'decimal-mark ,'", quoted(rest)));
  }
  notations_.set_decimal_mark(rest.front());
  return {};
}

Status JournalReader::apply_directive(const Line& line, std::string_view rest) {
  const std::string_view word = take_word(rest);
  if (word == "account") {
    std::string_view comment;
    const std::string_view written = cut_comment(rest, comment);
    TRY(account_name(line, written));
    prefixes_.emplace_back(written);
    applied_.push_back('a');
    return {};
  }
  if (word == "year") {
    years_.push_back(year_);
    applied_.push_back('y');
    return year_directive(line, rest);
  }
  return error(line.number, "only 'apply account NAME' and 'apply year YYYY' are supported");
}

Status JournalReader::end_directive(const Line& line, std::string_view rest) {
  std::string_view comment;
  rest = cut_comment(rest, comment);
  if (rest != "apply" && rest != "apply account" && rest != "apply year") {
    return error(line.number, fmt::format("'end {}' ends nothing that is open: remove it", rest));
  }
  const char wanted = rest == "apply" ? '\0' : (rest == "apply account" ? 'a' : 'y');
  if (applied_.empty() || (wanted != '\0' && applied_.back() != wanted)) {
    return error(line.number,
                 fmt::format("'end {}' has no open 'apply' before it: remove it", rest));
  }
  if (applied_.back() == 'a') {
    prefixes_.pop_back();
  } else {
    year_ = years_.back();
    years_.pop_back();
  }
  applied_.pop_back();
  return {};
}

}  // namespace meridian::books
