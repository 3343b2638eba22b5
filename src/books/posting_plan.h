// Turns the transactions of a checked Book into double entry: what to post, ledger by ledger.
//
// Each commodity is a ledger, an account is (full name, commodity), an amount is a positive number
// of units of 10^-scale. A positive journal amount is a debit: balance shown = debits - credits.
// What the entries of a commodity do not cancel (prices and exchanges convert it, or hledger's
// tolerance for rounding leaves it) is posted against the book's conversion account, so every
// ledger balances exactly and every other account ends as in hledger, to the last digit.
//
// Transfers: entries of one commodity are sorted by account and amount; an account with debits and
// credits in one transaction is first netted (a transfer cannot join an account to itself); then
// the next open debit is matched with the next open credit for the smaller of both. That makes at
// most n - 1 transfers of n entries and depends on the set of entries only, not on their order.
// A zero entry makes its account known and no transfer.
//
// Identity: equal for the same economic content of the same book, so importing a file again, or
// the file with more transactions anywhere, finds everything that is posted already. It is made of
// the book's name, date, the entries (account, amount, commodity; sorted), and a count of earlier
// transactions of the file with the same. Status, code, description, comments, prices and
// assertions are left out, so that marking a transaction cleared or correcting a remark does not
// post it twice; the caller sees the differing text under the known identity and decides. Limits:
// changing date, account or amount makes another transaction (the ledger keeps the old one: reverse
// it); among transactions of equal content the n-th of the file is the n-th posted, so swapping
// them swaps their texts.
//
// Pure: no I/O. Linear in the text; memory of about 150 bytes per transaction for counting equals.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "books/balance.h"
#include "books/book.h"
#include "books/journal.h"

namespace meridian::books {

struct PlannedTransfer {
  AccountIndex debit;
  AccountIndex credit;
  u128 units;  ///< Never zero; both accounts are of the same commodity.
  bool operator==(const PlannedTransfer&) const = default;
};

struct PostingPlan {
  Transaction transaction;             ///< As read; `text` is what the event keeps.
  std::vector<Entry> entries;          ///< Postings with inferred amounts filled in.
  std::vector<AccountIndex> accounts;  ///< All accounts it needs, ascending.
  std::vector<PlannedTransfer> transfers;
  std::string identity;  ///< To be hashed by the caller; see above. Unique within the book.
};

class PlanReader {
 public:
  /// `book` must outlive the reader.
  explicit PlanReader(const Book& book);

  /// Plans in the order of the file, nullopt at the end. Errors: out_of_range with file and line
  /// if an amount at its ledger's scale has more than 38 digits.
  Result<std::optional<PostingPlan>> next();

 private:
  Result<PostingPlan> plan(Transaction transaction);
  std::string identity_of(const PostingPlan& plan);

  const Book& book_;
  JournalReader reader_;
  std::unordered_map<std::string, std::uint64_t> seen_;
};

}  // namespace meridian::books
