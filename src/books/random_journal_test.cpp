// Random journals, rendered in random notations, must end as a plain integer model of them does.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "books/book.h"
#include "books/posting_plan.h"

namespace meridian::books {
namespace {

constexpr int scale = 4;  // of the model: every amount is a number of 10^-4

class RandomJournal {
 public:
  /// `is_explicit`: no prices, every amount written.
  explicit RandomJournal(std::uint64_t seed, bool is_explicit = false)
      : is_explicit_(is_explicit), random_(seed) {
    for (int i = 0; i < 30; ++i) add_transaction();
  }

  std::string text;
  std::map<std::pair<std::string, std::string>, i128> balances;

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  /// `units` as `[-]digits.decimals` with some trailing zeros, perhaps grouped.
  std::string number(std::int64_t units) {
    const std::uint64_t magnitude = static_cast<std::uint64_t>(units < 0 ? -units : units);
    std::string whole = std::to_string(magnitude / 10000);
    std::string decimals = std::to_string(10000 + magnitude % 10000).substr(1);
    while (decimals.ends_with('0') && below(3) != 0) decimals.pop_back();
    if (!decimals.empty() && below(3) == 0) {
      for (int at = static_cast<int>(whole.size()) - 3; at > 0; at -= 3) {
        whole.insert(static_cast<std::size_t>(at), ",");
      }
    }
    if (decimals.empty()) return whole;
    return whole + "." + decimals;
  }

  std::string amount(std::int64_t units, const std::string& symbol) {
    const std::string sign = units < 0 ? "-" : "";
    const bool plain = symbol.find(' ') == std::string::npos;
    const std::string shown = plain ? symbol : "\"" + symbol + "\"";
    switch (below(4)) {
      case 0: return sign + shown + number(units);
      case 1: return shown + " " + sign + number(units);
      case 2: return sign + number(units) + shown;
      default: return sign + number(units) + " " + shown;
    }
  }

  void post(const std::string& account, const std::string& symbol, i128 units) {
    balances[{account, symbol}] += units;
  }

  void add_transaction() {
    text += "2024-0" + std::to_string(1 + below(9)) + "-1" + std::to_string(below(10)) +
            (below(2) == 0 ? " * x | y ; c\n" : " x\n");
    std::map<std::string, i128> rest;  // what is left to balance, at cost
    const std::uint64_t count = 1 + below(6);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::string account = accounts[below(accounts.size())];
      const std::string symbol = symbols[below(symbols.size())];
      const auto units = static_cast<std::int64_t>(below(90000000)) - 45000000;
      text += (below(4) == 0 ? "    ! " : "    ") + account + "  " + amount(units, symbol);
      post(account, symbol, units);
      const std::string other = symbols[below(symbols.size())];
      if (!is_explicit_ && other != symbol && below(3) == 0) {
        const auto price = static_cast<std::int64_t>(below(900)) * 10000;  // whole: stays exact
        const bool is_total = below(2) == 0;
        text += (is_total ? " @@ " : " @ ") + amount(price, other);
        const std::int64_t sign = units < 0 ? -1 : (units > 0 ? 1 : 0);
        rest[other] += is_total ? i128{price} * sign : i128{price} * units / 10000;
      } else {
        rest[symbol] += units;
      }
      text += below(5) == 0 ? "  ; remark\n" : "\n";
    }
    const std::string last = accounts[below(accounts.size())];
    const bool infer = !is_explicit_ && below(2) == 0;
    if (infer) text += "    " + last + "\n";
    for (const auto& [symbol, units] : rest) {
      if (units == 0) continue;
      post(last, symbol, -units);
      if (!infer) {
        text += "    " + last + "  " + amount(-static_cast<std::int64_t>(units), symbol) + "\n";
      }
    }
    if (below(2) == 0) text += "\n";
  }

  const std::vector<std::string> accounts = {"assets:a b", "assets:c", "assets", "income:d é",
                                             "equity"};
  const std::vector<std::string> symbols = {"EUR", "$", "A B", "K"};
  const bool is_explicit_;
  std::mt19937_64 random_;
};

TEST(RandomJournal, balances_equal_those_of_the_model_and_every_ledger_balances) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const RandomJournal journal(seed);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto book = Book::open(journal.text, "random.journal", {});
    ASSERT_TRUE(book.has_value()) << book.error().message << "\n" << journal.text;
    std::map<std::pair<std::string, std::string>, i128> posted;
    std::map<std::string, i128> ledgers;
    PlanReader reader(*book);
    while (auto plan = *reader.next()) {
      EXPECT_LE(plan->transfers.size(), plan->entries.size() + 4);
      for (const PlannedTransfer& transfer : plan->transfers) {
        const BookAccount& debit = book->accounts()[raw(transfer.debit)];
        const BookAccount& credit = book->accounts()[raw(transfer.credit)];
        ASSERT_EQ(debit.commodity, credit.commodity);
        ASSERT_NE(debit.name, credit.name);
        const Commodity& commodity = book->commodities()[raw(debit.commodity)];
        const auto units =
            *Decimal::of(static_cast<i128>(transfer.units), commodity.scale)->units(scale);
        posted[{debit.name, commodity.symbol}] += units;
        posted[{credit.name, commodity.symbol}] -= units;
      }
    }
    for (const auto& [account, units] : journal.balances) {
      EXPECT_EQ(posted[account], units) << account.first << " " << account.second;
    }
    for (const auto& [account, units] : posted) {
      if (account.first == "Equity:Conversion") continue;
      EXPECT_EQ(journal.balances.contains(account), true) << account.first;
    }
  }
}

TEST(RandomJournal, any_changed_digit_of_an_amount_is_refused_in_its_transaction) {
  std::mt19937_64 random(7);
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const RandomJournal journal(seed, true);
    const auto book = Book::open(journal.text, "random.journal", {});
    ASSERT_TRUE(book.has_value()) << book.error().message;
    std::string changed = journal.text;
    std::size_t at = 0;
    std::size_t heading = 0;  // of the transaction: the last line before that begins with '2'
    do {
      at = random() % changed.size();
      heading = changed.rfind("\n2", at);
      heading = heading == std::string::npos ? 0 : heading + 1;
    } while (changed[at] < '0' || changed[at] > '8' || changed.find('\n', heading) > at);
    ++changed[at];
    const auto line =
        1 + std::count(changed.begin(), changed.begin() + static_cast<long>(heading), '\n');
    const auto other = Book::open(changed, "random.journal", {});
    ASSERT_FALSE(other.has_value()) << "seed " << seed << " at " << at << "\n" << changed;
    EXPECT_TRUE(other.error().message.starts_with("random.journal:" + std::to_string(line) +
                                                  ": the transaction does not balance, off by "))
        << other.error().message;
  }
}

}  // namespace
}  // namespace meridian::books
