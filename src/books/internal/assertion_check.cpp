#include "books/internal/assertion_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/assert.h"
#include "books/balance.h"
#include "books/internal/text.h"
#include "books/journal.h"

namespace meridian::books {
namespace {

/// What one posting does, small enough to keep for all postings of a large book.
struct Step {
  Date date;
  std::uint32_t line = 0;
  std::uint32_t account = 0;
  std::uint32_t commodity = 0;
  std::uint32_t assertion_plus_one = 0;  ///< Into assertions; 0 for none.
  Decimal amount;
};

class AssertionCheck {
 public:
  explicit AssertionCheck(std::string_view file_name) : file_name_(file_name) {}

  Status collect(const Transaction& transaction);
  Status run();

 private:
  using Balances = std::map<std::uint32_t, Decimal>;  ///< By commodity.

  std::uint32_t number(std::map<std::string, std::uint32_t>& names, const std::string& name);
  Status apply(const Step& step);
  Status check(const Step& step) const;
  Error failed(const Step& step, const std::string& commodity, const Decimal& actual,
               const Decimal& asserted) const;

  std::string_view file_name_;
  std::map<std::string, std::uint32_t> account_numbers_;
  std::map<std::string, std::uint32_t> commodity_numbers_;
  std::vector<std::string> accounts_;
  std::vector<Step> steps_;
  std::vector<Assertion> assertions_;
  std::set<std::string, std::less<>> with_children_;  ///< Accounts whose subtotal is asserted.
  std::map<std::uint32_t, Balances> balances_;
  std::map<std::string, Balances, std::less<>> subtotals_;
};

std::uint32_t AssertionCheck::number(std::map<std::string, std::uint32_t>& names,
                                     const std::string& name) {
  const auto [at, is_new] = names.emplace(name, static_cast<std::uint32_t>(names.size()));
  if (is_new && &names == &account_numbers_) accounts_.push_back(name);
  return at->second;
}

Status AssertionCheck::collect(const Transaction& transaction) {
  const Balanced balanced = TRY(balance(transaction));
  auto entry = balanced.entries.begin();
  for (const Posting& posting : transaction.postings) {
    // An inferred posting has as many entries as commodities, a written one has one.
    const auto rest = transaction.postings.end() -
                      (&posting - transaction.postings.data() + transaction.postings.begin()) - 1;
    const auto end = posting.amount ? entry + 1 : balanced.entries.end() - rest;
    for (; entry != end; ++entry) {
      Step step;
      step.date = posting.date.value_or(transaction.date);
      step.line = posting.line;
      step.account = number(account_numbers_, entry->account);
      step.commodity = number(commodity_numbers_, entry->amount.commodity);
      step.amount = entry->amount.quantity;
      if (posting.assertion) {
        number(commodity_numbers_, posting.assertion->amount.commodity);
        assertions_.push_back(*posting.assertion);
        step.assertion_plus_one = static_cast<std::uint32_t>(assertions_.size());
        if (posting.assertion->with_children) with_children_.insert(posting.account);
      }
      steps_.push_back(step);
    }
  }
  return {};
}

Status AssertionCheck::apply(const Step& step) {
  Decimal& balance = balances_[step.account][step.commodity];
  balance = TRY(add(balance, step.amount));
  if (with_children_.empty()) return {};
  const std::string_view name = accounts_[step.account];
  for (std::size_t end = name.find(':');; end = name.find(':', end + 1)) {
    const std::string_view above = name.substr(0, end);
    if (const auto at = with_children_.find(above); at != with_children_.end()) {
      Decimal& subtotal = subtotals_[*at][step.commodity];
      subtotal = TRY(add(subtotal, step.amount));
    }
    if (end == std::string_view::npos) return {};
  }
}

Error AssertionCheck::failed(const Step& step, const std::string& commodity, const Decimal& actual,
                             const Decimal& asserted) const {
  const Assertion& assertion = assertions_[step.assertion_plus_one - 1];
  return fail(Code::failed_precondition,
              fmt::format("{}:{}: balance assertion fails: {}{} holds {} on {}, not {}: correct "
                          "the assertion or the postings before it",
                          file_name_, step.line, quoted(accounts_[step.account]),
                          assertion.with_children ? " with its children" : "",
                          text(Amount{actual, commodity}), text(step.date),
                          text(Amount{asserted, commodity})));
}

Status AssertionCheck::check(const Step& step) const {
  const Assertion& assertion = assertions_[step.assertion_plus_one - 1];
  const Balances& held =
      assertion.with_children ? subtotals_.at(accounts_[step.account]) : balances_.at(step.account);
  const std::uint32_t asserted = commodity_numbers_.at(assertion.amount.commodity);
  const auto at = held.find(asserted);
  const Decimal actual = at == held.end() ? Decimal{} : at->second;
  if (actual != assertion.amount.quantity) {
    return failed(step, assertion.amount.commodity, actual, assertion.amount.quantity);
  }
  if (!assertion.is_sole) return {};
  for (const auto& [commodity, value] : held) {
    if (commodity == asserted || value.is_zero()) continue;
    for (const auto& [symbol, number] : commodity_numbers_) {
      if (number == commodity) return failed(step, symbol, value, {});
    }
  }
  return {};
}

Status AssertionCheck::run() {
  std::stable_sort(steps_.begin(), steps_.end(),
                   [](const Step& a, const Step& b) { return a.date < b.date; });
  for (const Step& step : steps_) {
    TRY(apply(step));
    if (step.assertion_plus_one != 0) TRY(check(step));
  }
  return {};
}

}  // namespace

Status check_assertions(std::string_view text, std::string_view file_name) {
  JournalReader reader(text, file_name);
  AssertionCheck check(file_name);
  while (auto transaction = TRY(reader.next())) TRY(check.collect(*transaction));
  return check.run();
}

}  // namespace meridian::books
