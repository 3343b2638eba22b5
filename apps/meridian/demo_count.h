// Whether a replica holds what was acknowledged: each transfer looked for by its id, every transfer
// that it has counted, every balance compared with what the client itself had asked for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "load.h"

namespace meridian::app {

/// What a load asked for and was acknowledged; what accounts must hold follows from it.
class Expected {
 public:
  Expected(const LoadPlan& plan, const std::vector<Acknowledged>& batches);

  struct Balance {
    u128 debits = 0, credits = 0;
    bool operator==(const Balance&) const = default;
  };
  std::uint64_t count() const { return ids_.size(); }
  const std::vector<u128>& ids() const { return ids_; }  ///< As they were acknowledged.
  bool has(u128 id) const;
  u128 account(std::size_t i) const { return first_account_ + i; }
  const std::vector<Balance>& balances() const { return balances_; }

 private:
  u128 first_account_;
  std::vector<u128> ids_, sorted_;
  std::vector<Balance> balances_;
};

struct Counted {
  std::uint64_t found = 0;           ///< Of the acknowledged, by looking each id up.
  std::uint64_t lost = 0;            ///< The others.
  std::uint64_t duplicated = 0;      ///< Transfers whose id an earlier one has.
  std::uint64_t unexpected = 0;      ///< That nobody was acknowledged.
  std::uint64_t wrong_balances = 0;  ///< Accounts.

  bool is_sound() const {
    return lost == 0 && duplicated == 0 && unexpected == 0 && wrong_balances == 0;
  }
};

/// Asks each server for itself, all at the same time; in their order.
std::vector<Result<Counted>> count_replicas(const std::vector<std::string>& servers,
                                            const Expected& expected);

}  // namespace meridian::app
