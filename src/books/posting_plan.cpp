#include "books/posting_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "base/assert.h"

namespace meridian::books {
namespace {

/// What is to happen to one account: positive is a debit.
struct Movement {
  AccountIndex account;
  i128 units;
};

u128 magnitude(i128 units) { return static_cast<u128>(units < 0 ? -units : units); }

/// Joins the movements of an account that has both signs; drops zeros. Sorted before and after.
std::vector<Movement> netted(const std::vector<Movement>& movements) {
  std::vector<Movement> out;
  for (std::size_t begin = 0; begin < movements.size();) {
    std::size_t end = begin;
    i128 sum = 0;
    bool has_debit = false;
    bool has_credit = false;
    for (; end < movements.size() && movements[end].account == movements[begin].account; ++end) {
      sum += movements[end].units;  // cannot overflow: plan() bounds each side
      has_debit |= movements[end].units > 0;
      has_credit |= movements[end].units < 0;
    }
    if (has_debit && has_credit) {
      if (sum != 0) out.push_back({movements[begin].account, sum});
    } else {
      for (std::size_t i = begin; i < end; ++i) {
        if (movements[i].units != 0) out.push_back(movements[i]);
      }
    }
    begin = end;
  }
  return out;
}

/// Matches debits with credits of one ledger, greedily. The movements add up to zero.
void pair_up(const std::vector<Movement>& movements, std::vector<PlannedTransfer>& out) {
  std::size_t debit = 0;
  std::size_t credit = 0;
  u128 debit_left = 0;
  u128 credit_left = 0;
  while (true) {
    while (debit_left == 0 && debit < movements.size()) {
      if (movements[debit].units > 0) debit_left = magnitude(movements[debit].units);
      ++debit;
    }
    while (credit_left == 0 && credit < movements.size()) {
      if (movements[credit].units < 0) credit_left = magnitude(movements[credit].units);
      ++credit;
    }
    if (debit_left == 0 || credit_left == 0) break;
    const u128 units = std::min(debit_left, credit_left);
    const AccountIndex from = movements[debit - 1].account;
    const AccountIndex to = movements[credit - 1].account;
    ASSERT(from != to);
    out.push_back({from, to, units});
    debit_left -= units;
    credit_left -= units;
  }
  ASSERT(debit_left == 0);
  ASSERT(credit_left == 0);
}

}  // namespace

PlanReader::PlanReader(const Book& book) : book_(book), reader_(book.text(), book.file_name()) {}

Result<std::optional<PostingPlan>> PlanReader::next() {
  std::optional<Transaction> transaction = TRY(reader_.next());
  if (!transaction) return std::optional<PostingPlan>();
  const std::uint32_t line = transaction->line;
  Result<PostingPlan> planned = plan(*std::move(transaction));
  if (!planned) {
    return with_context(planned.error(), fmt::format("{}:{}", book_.file_name(), line));
  }
  return std::optional<PostingPlan>(*std::move(planned));
}

Result<PostingPlan> PlanReader::plan(Transaction transaction) {
  PostingPlan out;
  out.entries = TRY(balance(transaction)).entries;
  out.transaction = std::move(transaction);
  // By symbol, not by index: an index depends on what else the file holds.
  std::map<std::string_view, std::vector<Movement>> ledgers;
  for (const Entry& entry : out.entries) {
    const CommodityIndex commodity = book_.commodity(entry.amount.commodity);
    const AccountIndex account = book_.account(entry.account, commodity);
    const std::uint8_t scale = book_.commodities()[raw(commodity)].scale;
    const i128 units = TRY(entry.amount.quantity.units(scale));
    ledgers[entry.amount.commodity].push_back({account, units});
    out.accounts.push_back(account);
  }
  for (auto& [symbol, movements] : ledgers) {
    Decimal debits;
    Decimal credits;
    for (const Movement& movement : movements) {
      const Decimal units = TRY(Decimal::of(movement.units, 0));
      Decimal& side = movement.units > 0 ? debits : credits;
      side = TRY(add(side, units));  // below 10^38, so no sum further down can overflow
    }
    const Decimal rest = TRY(add(debits, credits)).negated();
    if (!rest.is_zero()) {
      const AccountIndex account =
          book_.account(book_.options().conversion_account, book_.commodity(symbol));
      movements.push_back({account, rest.mantissa()});
      out.accounts.push_back(account);
    }
    std::sort(movements.begin(), movements.end(), [this](const Movement& a, const Movement& b) {
      const std::string& left = book_.accounts()[raw(a.account)].name;
      const std::string& right = book_.accounts()[raw(b.account)].name;
      return left == right ? a.units < b.units : left < right;
    });
    pair_up(netted(movements), out.transfers);
  }
  std::sort(out.accounts.begin(), out.accounts.end());
  out.accounts.erase(std::unique(out.accounts.begin(), out.accounts.end()), out.accounts.end());
  out.identity = identity_of(out);
  return out;
}

std::string PlanReader::identity_of(const PostingPlan& plan) {
  std::vector<std::string> lines;
  for (const Entry& entry : plan.entries) {
    // Symbols and names hold no control characters, so the tabs make the fields unambiguous.
    lines.push_back(fmt::format("{}\t{}\t{}", entry.account, entry.amount.quantity.text(),
                                entry.amount.commodity));
  }
  std::sort(lines.begin(), lines.end());
  std::string out = fmt::format("{}\n{}\n", book_.options().name, text(plan.transaction.date));
  for (const std::string& line : lines) out += line + "\n";
  const std::uint64_t earlier = seen_[out]++;
  return out + std::to_string(earlier);
}

}  // namespace meridian::books
