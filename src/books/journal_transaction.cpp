// heading = date ["=" date] [status] ["(" code ")"] [description] [";" comment]
// posting = indent [status] account [two blanks [amount [price] [assertion]]] [";" comment]
// price = ("@" | "@@" | "(@)" | "(@@)") amount       assertion = ("=" | "==") ["*"] amount [price]
#include <fmt/format.h>

#include <algorithm>

#include "books/internal/text.h"
#include "books/journal.h"

namespace meridian::books {
namespace {

Mark take_mark(std::string_view& rest) {
  if (rest.empty() || (rest.front() != '*' && rest.front() != '!')) return Mark::none;
  const Mark mark = rest.front() == '*' ? Mark::cleared : Mark::pending;
  rest = trim_left(rest.substr(1));
  return mark;
}

/// Takes `@`, `@@`, `(@)` or `(@@)`; false if there is none.
bool take_price_sign(std::string_view& rest, bool& is_total) {
  for (std::string_view sign : {"(@@)", "@@", "(@)", "@"}) {
    if (!rest.starts_with(sign)) continue;
    is_total = sign.find("@@") != std::string_view::npos;
    rest = trim_left(rest.substr(sign.size()));
    return true;
  }
  return false;
}

void add_line(std::string& comment, std::string_view line) {
  if (!comment.empty()) comment += '\n';
  comment += line;
}

/// The value of the tag `date:` in a comment; empty if there is none.
std::string_view date_tag(std::string_view comment) {
  constexpr std::string_view tag = "date:";
  for (std::size_t at = comment.find(tag); at != std::string_view::npos;
       at = comment.find(tag, at + 1)) {
    if (at > 0 && !is_blank(comment[at - 1]) && comment[at - 1] != ',') continue;
    const std::string_view value = comment.substr(at + tag.size());
    return trim(value.substr(0, value.find(',')));
  }
  return {};
}

/// The first date of `[DATE]` or `[DATE=DATE]` in a comment; empty if there is none. Looks at each
/// byte once: only what may stand in a date is followed, never up to a `]` far away.
std::string_view bracketed_date(std::string_view comment) {
  for (std::size_t at = comment.find('['); at != std::string_view::npos;
       at = comment.find('[', at + 1)) {
    const std::size_t end = comment.find_first_not_of("0123456789-/.=", at + 1);
    if (end == std::string_view::npos) return {};
    if (comment[end] != ']') continue;
    const std::string_view inside = comment.substr(at + 1, end - at - 1);
    if (inside.empty() || !is_digit(inside.front())) continue;
    if (inside.find_first_of("-/.") == std::string_view::npos) continue;
    return inside.substr(0, inside.find('='));
  }
  return {};
}

}  // namespace

Status JournalReader::heading(const Line& line, Transaction& out) const {
  std::string_view rest = line.text;
  out.line = line.number;
  out.date = TRY(take_date(line, rest, year_));
  if (rest.starts_with('=')) {
    rest.remove_prefix(1);
    out.secondary_date = TRY(take_date(line, rest, out.date.year));
  }
  if (!rest.empty() && !is_blank(rest.front())) {
    return error(line.number, fmt::format("{} after the date: put a space there", quoted(rest)));
  }
  std::string_view comment;
  rest = trim_left(rest);
  out.mark = take_mark(rest);
  if (rest.starts_with('(')) {
    const std::size_t end = rest.find(')');
    if (end == std::string_view::npos) {
      return error(line.number, fmt::format("code {} is not closed: add ')'", quoted(rest)));
    }
    out.code = trim(rest.substr(1, end - 1));
    rest = trim_left(rest.substr(end + 1));
  }
  out.description = trim(cut_comment(rest, comment));
  out.comment = comment;
  return {};
}

Status JournalReader::posting_comment(const Line& line, std::string_view comment,
                                      Transaction& out) const {
  if (out.postings.empty()) {
    add_line(out.comment, comment);
    return {};
  }
  Posting& posting = out.postings.back();
  add_line(posting.comment, comment);
  std::string_view written = date_tag(comment);
  if (written.empty()) written = bracketed_date(comment);
  if (written.empty()) return {};
  posting.date = TRY(take_date(line, written, out.date.year));
  if (!written.empty()) {
    return error(line.number,
                 fmt::format("{} after the posting date: put a comma there", quoted(written)));
  }
  return {};
}

Status JournalReader::posting_amount(const Line& line, std::string_view rest, Posting& out) {
  if (!rest.empty() && rest.front() != '=') {
    if (rest.front() == '(') {
      return error(line.number,
                   fmt::format("expression {} is not supported: write its value", quoted(rest)));
    }
    if (rest.front() == '*') {
      return error(line.number, fmt::format("multiplier {} is not supported: only automated "
                                            "transactions have one, write the amount",
                                            quoted(rest)));
    }
    Result<WrittenAmount> written = notations_.take_amount(rest);
    if (!written) return located(written.error(), line.number);
    notations_.saw(written->amount.commodity, written->notation.decimals);
    out.amount = std::move(written->amount);
    rest = trim_left(rest);
    Price price;
    if (take_price_sign(rest, price.is_total)) {
      Result<WrittenAmount> cost = notations_.take_amount(rest);
      if (!cost) return located(with_context(cost.error(), "price"), line.number);
      price.amount = std::move(cost->amount);
      price.decimals = cost->notation.decimals;
      if (price.amount.commodity == out.amount->commodity) {
        return error(line.number, fmt::format("the price is in the commodity it prices, {}: price "
                                              "it in another one",
                                              quoted(price.amount.commodity)));
      }
      out.price = std::move(price);
      rest = trim_left(rest);
    }
  }
  if (rest.starts_with('=')) {
    if (!out.amount) {
      return error(line.number,
                   fmt::format("a balance assignment ({}) is not supported: write the posting's "
                               "amount before the '='",
                               quoted(rest)));
    }
    Assertion assertion;
    rest.remove_prefix(1);
    if (rest.starts_with('=')) {
      assertion.is_sole = true;
      rest.remove_prefix(1);
    }
    if (rest.starts_with('*')) {
      assertion.with_children = true;
      rest.remove_prefix(1);
    }
    rest = trim_left(rest);
    Result<WrittenAmount> written = notations_.take_amount(rest);
    if (!written) return located(with_context(written.error(), "balance assertion"), line.number);
    assertion.amount = std::move(written->amount);
    rest = trim_left(rest);
    if (bool is_total = false; take_price_sign(rest, is_total)) {  // hledger ignores it as well
      Result<WrittenAmount> ignored = notations_.take_amount(rest);
      if (!ignored) return located(with_context(ignored.error(), "price"), line.number);
      rest = trim_left(rest);
    }
    out.assertion = std::move(assertion);
  }
  if (rest.empty()) return {};
  if (rest.front() == '{' || rest.front() == '[' || rest.front() == '(') {
    return error(line.number, fmt::format("lot {} is not supported: write what was paid as '@ "
                                          "PRICE' or '@@ TOTAL'",
                                          quoted(rest)));
  }
  return error(line.number, fmt::format("{} after the amount: expected '@', '=' or a comment (;)",
                                        quoted(rest)));
}

Status JournalReader::posting(const Line& line, Transaction& out) {
  if (out.postings.size() == Limits::postings_max) {
    return error(line.number, fmt::format("more than {} postings in one transaction: split it",
                                          Limits::postings_max));
  }
  Posting posting;
  posting.line = line.number;
  std::string_view rest = trim_left(line.text);
  posting.mark = take_mark(rest);
  const std::size_t name_end = std::min(rest.find("  "), rest.find('\t'));
  const std::string_view name = trim_right(rest.substr(0, name_end));
  rest = name_end == std::string_view::npos ? std::string_view{} : trim_left(rest.substr(name_end));
  if ((name.starts_with('(') && name.ends_with(')')) ||
      (name.starts_with('[') && name.ends_with(']'))) {
    return error(line.number,
                 fmt::format("virtual posting {} is not supported: only real postings can be kept "
                             "as double entry, remove it or its brackets",
                             quoted(name)));
  }
  posting.account = TRY(account_name(line, name));
  // A `;` may stand inside a quoted symbol, so look for the comment outside of quotes.
  std::size_t comment_at = 0;
  bool in_quotes = false;
  while (comment_at < rest.size() && (in_quotes || rest[comment_at] != ';')) {
    if (rest[comment_at] == '"') in_quotes = !in_quotes;
    ++comment_at;
  }
  TRY(posting_amount(line, trim_right(rest.substr(0, comment_at)), posting));
  out.postings.push_back(std::move(posting));
  if (comment_at < rest.size()) {
    return posting_comment(line, trim(rest.substr(comment_at + 1)), out);
  }
  return {};
}

Result<Transaction> JournalReader::transaction(const Line& opening) {
  Transaction out;
  TRY(heading(opening, out));
  out.text = opening.text;
  while (next_is_indented()) {
    Line line;
    TRY(read_line(line));
    TRY(check_characters(line));
    out.text += '\n';
    out.text += line.text;
    if (out.text.size() > Limits::transaction_bytes_max) {
      return error(line.number, fmt::format("more than {} bytes in one transaction: split it",
                                            Limits::transaction_bytes_max));
    }
    const std::string_view content = trim_left(line.text);
    if (content.front() == ';') {
      TRY(posting_comment(line, trim(content.substr(1)), out));
    } else {
      TRY(posting(line, out));
    }
  }
  const auto is_missing = [](const Posting& posting) { return !posting.amount; };
  const auto first = std::find_if(out.postings.begin(), out.postings.end(), is_missing);
  if (first != out.postings.end()) {
    const auto second = std::find_if(first + 1, out.postings.end(), is_missing);
    if (second != out.postings.end()) {
      return error(second->line,
                   fmt::format("{} and {} (line {}) both lack an amount: write all but one, two "
                               "spaces after the account name",
                               quoted(second->account), quoted(first->account), first->line));
    }
  }
  return out;
}

}  // namespace meridian::books
