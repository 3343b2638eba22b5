// What applying one command did: with the command, all a record's header needs. Pure values.
#pragma once

#include <cstdint>
#include <vector>

#include "base/u128.h"
#include "ledger/command.h"
#include "ledger/outcome.h"

namespace meridian::ledger {

struct Balances {
  u128 debits_pending = 0;
  u128 debits_posted = 0;
  u128 credits_pending = 0;
  u128 credits_posted = 0;
  bool operator==(const Balances&) const = default;
};

/// Filled by Ledger::apply, one per command, in order. Fields beyond `outcome` are meaningful only
/// if the outcome is created, and only for the kinds named.
struct Effect {
  Outcome outcome = Outcome::created;
  std::uint64_t time = 0;  ///< What an existing or created account or transfer has as timestamp.
  u128 amount = 0;         ///< Transfer, expiry: the amount applied.
  Balances debit;          ///< Transfer, expiry: of the debit account, after.
  Balances credit;         ///< Transfer, expiry: of the credit account, after.
  RecordIndex previous_debit =
      no_record;  ///< Transfer, expiry. Event, deletion: the stream's last.
  RecordIndex previous_credit = no_record;  ///< Transfer, expiry.
  /// Event, deletion (also if `exists`: the original's). Expiry, and transfers that post or void:
  /// the place in Applied::expired of the pending transfer they end.
  std::uint64_t revision = no_revision;
};

/// What applying an entry did. Reused from entry to entry to keep its memory.
struct Applied {
  std::vector<Effect> effects;    ///< One per command, in order.
  std::vector<Transfer> expired;  ///< The pending transfers that were ended, in order.
};

}  // namespace meridian::ledger
