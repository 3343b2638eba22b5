#include "books/balance.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "base/assert.h"

namespace meridian::books {
namespace {

struct Sum {
  Decimal value;
  std::uint8_t decimals = 0;
};

Result<Amount> cost_of(const Posting& posting) {
  ASSERT(posting.amount.has_value());
  if (!posting.price) return *posting.amount;
  const Decimal& price = posting.price->amount.quantity;
  Amount cost{.quantity = {}, .commodity = posting.price->amount.commodity};
  if (!posting.price->is_total) {
    cost.quantity = TRY(multiply(posting.amount->quantity, price));
  } else {  // a total is paid also for nothing, as hledger has it
    cost.quantity = posting.amount->quantity.sign() < 0 ? price.negated() : price;
  }
  return cost;
}

/// hledger's implicit exchange: two commodities, no price, opposite signs.
bool is_exchange(const Transaction& transaction, const std::vector<Leftover>& leftovers) {
  if (leftovers.size() != 2) return false;
  for (const Posting& posting : transaction.postings) {
    if (!posting.price) continue;
    if (posting.price->is_total || !posting.amount->quantity.is_zero()) return false;
  }
  return leftovers[0].amount.quantity.sign() != leftovers[1].amount.quantity.sign();
}

}  // namespace

Result<Balanced> balance(const Transaction& transaction) {
  std::map<std::string, Sum, std::less<>> sums;
  bool has_missing = false;
  for (const Posting& posting : transaction.postings) {
    if (!posting.amount) {
      ASSERT(!has_missing);
      has_missing = true;
      continue;
    }
    const Amount cost = TRY(cost_of(posting));
    Sum& sum = sums[cost.commodity];
    sum.value = TRY(add(sum.value, cost.quantity));
    const std::uint8_t decimals =
        posting.price ? posting.price->decimals : posting.amount->quantity.scale();
    sum.decimals = std::max(sum.decimals, decimals);
  }
  Balanced out;
  out.entries.reserve(transaction.postings.size());
  for (const Posting& posting : transaction.postings) {
    if (posting.amount) {
      out.entries.push_back({posting.account, *posting.amount});
      continue;
    }
    for (const auto& [commodity, sum] : sums) {
      if (sum.value.is_zero()) continue;
      out.entries.push_back({posting.account, {sum.value.negated(), commodity}});
    }
  }
  if (has_missing) return out;
  for (const auto& [commodity, sum] : sums) {
    if (!sum.value.is_zero()) out.leftovers.push_back({{sum.value, commodity}, sum.decimals});
  }
  if (is_exchange(transaction, out.leftovers)) out.leftovers.clear();
  return out;
}

bool is_tolerated(const Leftover& leftover, const Notations& notations) {
  const auto decimals = notations.decimals(leftover.amount.commodity);
  return leftover.amount.quantity.looks_zero(decimals.value_or(leftover.decimals));
}

std::string describe(const std::vector<Leftover>& leftovers) {
  std::string out = "off by ";
  for (std::size_t i = 0; i < leftovers.size(); ++i) {
    out += (i == 0 ? "" : ", ") + text(leftovers[i].amount);
  }
  return out;
}

}  // namespace meridian::books
