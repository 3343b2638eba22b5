// Double entry once more, from nothing but the headers of records: what balances must be.
//
// Keeps a digest of all balances for every number of records. Knows what the workloads do:
// transfers, pending ones, their posting, voiding and expiry.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ledger/header.h"
#include "ledger/ledger.h"

namespace meridian::sim_cluster {

class BooksModel {
 public:
  using Digest = std::uint64_t;
  static Digest digest(std::span<const ledger::AccountState> accounts);
  static bool is_balanced(std::span<const ledger::AccountState> accounts);

  /// What is wrong with the next record; none if it is as it must be.
  std::optional<std::string> add(const ledger::Header& header);
  /// After the first `records`.
  Digest at(std::uint64_t records) const { return records == 0 ? 0 : digests_[records - 1]; }
  std::uint64_t records() const { return digests_.size(); }

 private:
  struct Pending {
    u128 debit, credit, amount;
  };
  std::optional<std::string> apply(const ledger::Header& header);
  std::optional<std::string> transfer(const ledger::Header& header);
  std::optional<std::string> end(const ledger::Header& header, u128 pending, u128 posted);
  std::optional<std::string> compare(const ledger::Header& header, u128 debit, u128 credit) const;
  Digest digest() const;

  std::map<u128, ledger::Balances> accounts_;
  std::map<u128, Pending> pendings_;
  std::vector<Digest> digests_;
};

}  // namespace meridian::sim_cluster
