// Balances and account histories, folded anew from nothing but the headers.
//
// Written apart from the state machine on purpose: one checks the other. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "audit/internal/account_table.h"
#include "audit/internal/findings.h"
#include "door/keeping_commands.h"
#include "ledger/header.h"
#include "ledger/ledger.h"
#include "storage/keeping.h"

namespace meridian::audit::internal {

/// A record by which a later generation follows the one before.
struct Succession {
  std::uint64_t record = 0;
  ledger::OpenGeneration command{};
};

class BalanceFold {
 public:
  BalanceFold(u128 cell, Findings& findings);
  ~BalanceFold();

  /// Hints that this header comes soon: the first some records ahead, the second half as many.
  void fetch_index(Bytes header) const;
  void fetch_accounts(Bytes header) const;
  /// The next record, or one after a hole.
  void add(const ledger::Header& header);
  /// A record could not be read: what it did is unknown, so balances may be off from here on.
  void lost();
  /// What a state says of its accounts, kept while the state itself moves on.
  struct Stored {
    struct Row {
      AccountTable::Account account;
      std::uint64_t created_at = 0;
    };
    std::vector<Row> rows;
  };
  static Stored stored_of(const ledger::Ledger& state);
  /// Compares every account with the state of a checkpoint of the same moment.
  void compare(const Stored& stored);

  /// What is still owed as a record counts as one.
  void owe(const door::KeepingCommand& command);
  /// Whether a record says that the key was destroyed.
  bool is_erased(u128 subject, const storage::KeyName& key) const;
  std::uint64_t transfers() const { return transfers_; }
  std::uint64_t accounts() const;
  std::uint64_t events() const { return events_; }
  /// Digests of state checkpoints that records hold, by record index.
  const std::map<std::uint64_t, crypto::Digest>& state_digests() const { return digests_; }
  const std::vector<Succession>& successions() const { return successions_; }
  std::uint64_t generation() const { return generation_; }

 private:
  struct Tables;
  using Account = AccountTable::Account;
  struct Pending {
    u128 debit, credit, amount;
  };

  void check_place(const ledger::Header& header);
  void transfer(const ledger::Header& header, const ledger::TransferBody& body);
  void system(const ledger::Header& header, const ledger::SystemBody& body);
  void forgetting(const Byte* command);
  void erasure(ledger::CommandKind kind, const Byte* command);
  void generation(const ledger::Header& header, const ledger::OpenGeneration& command);
  void side(const ledger::Header& header, const char* name, u128 id, const ledger::Balances& said,
            std::uint64_t previous, Account* account);
  void wrong(const ledger::Header& header, std::string what);

  const u128 cell_;
  Findings& findings_;
  std::unique_ptr<Tables> tables_;
  std::map<std::uint64_t, crypto::Digest> digests_;
  std::vector<std::pair<u128, std::array<Byte, 32>>> erased_;
  std::set<std::pair<u128, storage::KeyName>> erased_keys_;
  storage::Keeping keeping_;  ///< Definitions, and how far classes are expired.
  std::vector<Succession> successions_;
  std::uint64_t generation_ = 0;
  bool has_lost_ = false;
  std::uint64_t last_time_ = 0, last_entry_ = 0;
  std::uint64_t transfers_ = 0, events_ = 0;
};

}  // namespace meridian::audit::internal
