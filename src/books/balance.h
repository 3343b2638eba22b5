// Balances one transaction: infers the missing amount and finds what is left over, exactly.
//
// A posting with a price counts as its cost. The missing amount, if any, is what brings every
// commodity to zero. If no amount is missing or priced and exactly two commodities are left over
// with opposite signs, they are taken as exchanged for each other. Anything else left over is
// returned: whether it is small enough depends on the decimals of the whole book (Notations),
// as in hledger 1.25: at most half a unit of the last decimal shown. Pure; O(n log n) in postings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "books/journal.h"

namespace meridian::books {

/// One amount on one account: a posting, or one commodity of an inferred posting.
struct Entry {
  std::string account;
  Amount amount;
  bool operator==(const Entry&) const = default;
};

struct Leftover {
  Amount amount;              ///< Not zero.
  std::uint8_t decimals = 0;  ///< Most decimals written; what counts if the book has no say.
};

struct Balanced {
  std::vector<Entry> entries;       ///< In the order of the postings, prices not applied.
  std::vector<Leftover> leftovers;  ///< By commodity; empty if the costs cancel exactly.
};

/// Errors: out_of_range if a sum has too many digits; the message has no file.
Result<Balanced> balance(const Transaction& transaction);

/// True if a report with the book's decimals would show `leftover` as zero.
bool is_tolerated(const Leftover& leftover, const Notations& notations);

/// `off by -0.001 B, 3 C`: for messages.
std::string describe(const std::vector<Leftover>& leftovers);

}  // namespace meridian::books
