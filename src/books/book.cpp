#include "books/book.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "base/assert.h"
#include "books/balance.h"
#include "books/internal/assertion_check.h"
#include "books/internal/text.h"

namespace meridian::books {

/// Collects what only the whole journal can tell.
class BookBuilder {
 public:
  BookBuilder(std::string_view text, std::string_view file_name, BookOptions options) {
    book_.text_ = text;
    book_.file_name_ = file_name;
    book_.options_ = std::move(options);
  }

  Result<Book> build();

 private:
  struct Unsettled {
    std::uint32_t line = 0;
    std::vector<Leftover> leftovers;
  };
  struct Need {
    std::uint8_t decimals = 0;
    std::uint32_t line = 0;  ///< Where an amount first needed that many.
  };

  Status read(const Transaction& transaction);
  Status add_entry(const std::string& account, const Amount& amount, std::uint32_t line);
  CommodityIndex use_commodity(const std::string& symbol);
  BookAccount& use_account(const std::string& name, CommodityIndex commodity);
  Status settle(const Notations& notations) const;
  Status fix_scales(const Notations& notations);

  Book book_;
  std::vector<Unsettled> unsettled_;
  std::vector<Need> needs_;  ///< By commodity index.
  bool has_assertions_ = false;
};

CommodityIndex BookBuilder::use_commodity(const std::string& symbol) {
  const auto next = static_cast<CommodityIndex>(book_.commodities_.size());
  const auto [at, is_new] = book_.commodity_index_.emplace(symbol, next);
  if (is_new) {
    book_.commodities_.push_back({symbol, 0});
    needs_.emplace_back();
  }
  return at->second;
}

BookAccount& BookBuilder::use_account(const std::string& name, CommodityIndex commodity) {
  const auto next = static_cast<AccountIndex>(book_.accounts_.size());
  const auto [at, is_new] = book_.account_index_[name].emplace(commodity, next);
  if (is_new) book_.accounts_.push_back({name, commodity, {}});
  return book_.accounts_[raw(at->second)];
}

Status BookBuilder::add_entry(const std::string& account, const Amount& amount,
                              std::uint32_t line) {
  const CommodityIndex commodity = use_commodity(amount.commodity);
  Need& need = needs_[raw(commodity)];
  if (amount.quantity.scale() > need.decimals || need.line == 0) {
    need = {amount.quantity.scale(), line};
  }
  BookAccount& held = use_account(account, commodity);
  held.balance = TRY(add(held.balance, amount.quantity));
  return {};
}

Status BookBuilder::read(const Transaction& transaction) {
  Balanced balanced = TRY(balance(transaction));
  std::map<std::string, Decimal> totals;
  for (const Entry& entry : balanced.entries) {
    TRY(add_entry(entry.account, entry.amount, transaction.line));
    Decimal& total = totals[entry.amount.commodity];
    total = TRY(add(total, entry.amount.quantity));
  }
  for (const auto& [commodity, total] : totals) {
    if (total.is_zero()) continue;
    TRY(add_entry(book_.options_.conversion_account, {total.negated(), commodity},
                  transaction.line));
  }
  if (!balanced.leftovers.empty()) {
    unsettled_.push_back({transaction.line, std::move(balanced.leftovers)});
  }
  ++book_.transaction_count_;
  book_.posting_count_ += transaction.postings.size();
  for (const Posting& posting : transaction.postings) {
    if (posting.assertion) has_assertions_ = true;
  }
  return {};
}

Status BookBuilder::settle(const Notations& notations) const {
  for (const Unsettled& transaction : unsettled_) {
    std::vector<Leftover> wrong;
    for (const Leftover& leftover : transaction.leftovers) {
      if (!is_tolerated(leftover, notations)) wrong.push_back(leftover);
    }
    if (wrong.empty()) continue;
    return fail(Code::invalid_argument,
                fmt::format("{}:{}: the transaction does not balance, {}: correct an amount, or "
                            "leave one out to have it inferred",
                            book_.file_name_, transaction.line, describe(wrong)));
  }
  return {};
}

Status BookBuilder::fix_scales(const Notations& notations) {
  for (std::size_t i = 0; i < book_.commodities_.size(); ++i) {
    Commodity& commodity = book_.commodities_[i];
    const auto known = book_.options_.scales.find(commodity.symbol);
    if (known == book_.options_.scales.end()) {
      commodity.scale =
          std::max(needs_[i].decimals, notations.declared_decimals(commodity.symbol).value_or(0));
      continue;
    }
    commodity.scale = known->second;
    if (needs_[i].decimals <= commodity.scale) continue;
    return fail(Code::failed_precondition,
                fmt::format("{}:{}: an amount of {} has {} decimals, but this book was imported "
                            "with {}: write at most {}, or import under another book name",
                            book_.file_name_, needs_[i].line, quoted(commodity.symbol),
                            needs_[i].decimals, commodity.scale, commodity.scale));
  }
  return {};
}

Result<Book> BookBuilder::build() {
  JournalReader reader(book_.text_, book_.file_name_);
  while (auto transaction = TRY(reader.next())) {
    Status status = read(*transaction);
    if (!status) {
      return with_context(status.error(),
                          fmt::format("{}:{}", book_.file_name_, transaction->line));
    }
  }
  TRY(settle(reader.notations()));
  if (has_assertions_) TRY(check_assertions(book_.text_, book_.file_name_));
  TRY(fix_scales(reader.notations()));
  return std::move(book_);
}

Result<Book> Book::open(std::string_view text, std::string_view file_name, BookOptions options) {
  if (text.size() > std::numeric_limits<std::uint32_t>::max()) {
    return fail(Code::resource_exhausted,
                fmt::format("{}: {} bytes: split the book, a file has at most 4 GiB", file_name,
                            text.size()));
  }
  return BookBuilder(text, file_name, std::move(options)).build();
}

CommodityIndex Book::commodity(std::string_view symbol) const {
  const auto at = commodity_index_.find(symbol);
  ASSERT(at != commodity_index_.end());
  return at->second;
}

AccountIndex Book::account(std::string_view name, CommodityIndex commodity) const {
  const auto at = account_index_.find(name);
  ASSERT(at != account_index_.end());
  const auto ledger = at->second.find(commodity);
  ASSERT(ledger != at->second.end());
  return ledger->second;
}

std::string Book::balances_tsv() const {
  std::vector<std::string> lines;
  for (const BookAccount& account : accounts_) {
    if (account.balance.is_zero() || account.name == options_.conversion_account) continue;
    lines.push_back(fmt::format("{}\t{}\t{}\n", account.name,
                                commodities_[raw(account.commodity)].symbol,
                                account.balance.text()));
  }
  std::sort(lines.begin(), lines.end());
  std::string out;
  for (const std::string& line : lines) out += line;
  return out;
}

}  // namespace meridian::books
