// Test vectors for double entry, as JSON: cases of steps of rows (see --help for the shape).
//
// Reading checks the shape once and says where it is wrong; integers are decimal strings (or plain
// JSON integers), null or absent stands for zero.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "ledger/effect.h"
#include "ledger/queries.h"

namespace meridian::vectors {

struct CreateRow {
  ledger::CommandKind kind;
  ledger::Account account;
  ledger::Transfer transfer;
  std::string expected;
};
struct LookupAccountRow {
  u128 id = 0;
  struct Expected {
    std::optional<ledger::Balances> balances;
    std::optional<bool> closed;
  };
  std::optional<Expected> expected;  ///< Nothing: it must not exist.
};
struct LookupTransferRow {
  u128 id = 0;
  std::optional<bool> exists;
  std::optional<u128> amount;
  std::optional<std::uint64_t> timestamp;
};
enum class QueryKind { account_transfers, account_balances, accounts, transfers, change_events };
/// A query with its expected rows; timestamps are given by the id of what has them.
struct Query {
  QueryKind kind = QueryKind::transfers;
  ledger::AccountFilter account;
  ledger::QueryFilter filter;
  std::uint32_t limit = 0;
  std::optional<u128> timestamp_min_of, timestamp_max_of;
  struct Side {
    u128 account_id = 0;
    ledger::Balances balances;
    bool closed = false;
  };
  struct Expected {
    u128 id = 0;  ///< Of the account or transfer; of a change event 0 if not given.
    std::optional<ledger::Balances> balances;
    std::optional<bool> closed;
    std::string type;
    u128 amount = 0;
    std::optional<u128> pending_id;
    Side debit, credit;
  };
  std::vector<Expected> expected;
};

struct CreateStep {
  std::vector<CreateRow> rows;
  bool is_signed = false;  ///< By the client: ours.
};
struct LookupAccountsStep {
  std::vector<LookupAccountRow> rows;
};
struct LookupTransfersStep {
  std::vector<LookupTransferRow> rows;
};
struct QueryStep {
  std::vector<Query> queries;
};
struct SetBalanceStep {
  u128 id = 0;
  ledger::Balances balances;
};
struct AdvanceTimeStep {
  std::uint64_t nanoseconds = 0;
};
struct SetTimeNearMaxStep {
  std::uint64_t nanoseconds_before_max = 0;
};
using Step = std::variant<CreateStep, LookupAccountsStep, LookupTransfersStep, QueryStep,
                          SetBalanceStep, AdvanceTimeStep, SetTimeNearMaxStep>;

struct Case {
  std::string name;
  std::vector<Step> steps;
  std::string unreadable;  ///< Names step, row and field of what has another shape; else empty.
};

/// Errors: invalid_argument if the file is not JSON, or no array of named cases with steps.
Result<std::vector<Case>> parse_vectors(std::string_view text);

}  // namespace meridian::vectors
