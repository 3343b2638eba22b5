// Any bytes are a book or a precise refusal; what is a book plans transfers that balance it.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "books/book.h"
#include "books/posting_plan.h"

namespace meridian::books {
namespace {

void check(std::string_view text) {
  Result<Book> opened = Book::open(text, "fuzz", {.name = "fuzz"});
  if (!opened) {
    ASSERT(opened.error().message.starts_with("fuzz:"));
    return;
  }
  const Book& book = *opened;
  std::vector<Decimal> balances(book.accounts().size());
  const auto post = [&](AccountIndex account, i128 units) {
    const Commodity& commodity = book.commodities()[raw(book.accounts()[raw(account)].commodity)];
    Result<Decimal> amount = Decimal::of(units, commodity.scale);
    ASSERT(amount.has_value());
    Result<Decimal> sum = add(balances[raw(account)], *amount);
    if (sum) balances[raw(account)] = *sum;
    return sum.has_value();
  };
  PlanReader reader(book);
  std::uint64_t count = 0;
  while (true) {
    Result<std::optional<PostingPlan>> next = reader.next();
    if (!next) return;
    if (!*next) break;
    ++count;
    for (const PlannedTransfer& transfer : (*next)->transfers) {
      ASSERT(transfer.units > 0);
      ASSERT(transfer.debit != transfer.credit);
      ASSERT(book.accounts()[raw(transfer.debit)].commodity ==
             book.accounts()[raw(transfer.credit)].commodity);
      const auto units = static_cast<i128>(transfer.units);
      if (!post(transfer.debit, units) || !post(transfer.credit, -units)) return;
    }
  }
  ASSERT(count == book.transaction_count());
  for (std::size_t i = 0; i < balances.size(); ++i) {
    ASSERT(balances[i] == book.accounts()[i].balance);
  }
}

}  // namespace
}  // namespace meridian::books

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  meridian::books::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
