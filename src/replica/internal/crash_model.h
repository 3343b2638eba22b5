// What a log must say after any crash: a fold of its records, and what clients were told before.
// For tests only.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ledger/header.h"
#include "replica/internal/replica_rig.h"

namespace meridian::replica {

/// A request that was sent, and what came back.
struct Sent {
  std::unique_ptr<ledger::Request> request;
  std::optional<Result<Answer>> answer;
  int answers = 0;
  bool is_acknowledged() const { return answer && answer->has_value(); }
};

/// Balances, streams and ids as the records alone give them; complaints are test failures.
class Fold {
 public:
  void add(const ledger::Header& header, std::uint64_t index) {
    EXPECT_EQ(ledger::raw(header.record_index), index);
    EXPECT_GT(header.time, last_time_) << "record " << index;
    last_time_ = header.time;
    if (header.outcome != ledger::Outcome::created) return;
    switch (header.kind) {
      case ledger::CommandKind::create_account: add_account(header); break;
      case ledger::CommandKind::create_transfer: add_transfer(header); break;
      case ledger::CommandKind::expire_pending: add_expiry(header); break;
      case ledger::CommandKind::append_event: add_event(header); break;
      case ledger::CommandKind::dropped_tail: ++dropped_tails; break;
      case ledger::CommandKind::state_digest: ++state_digests; break;
      case ledger::CommandKind::time_advance: ++time_advances; break;
      case ledger::CommandKind::delete_stream:
      case ledger::CommandKind::open_generation:
      case ledger::CommandKind::set_feature_level:
      case ledger::CommandKind::erase_subject:
      case ledger::CommandKind::door_refusals:
      case ledger::CommandKind::member_change:
      case ledger::CommandKind::cell_key_grant:
      case ledger::CommandKind::subject_key:
      case ledger::CommandKind::turn_epoch:
      case ledger::CommandKind::set_retention:
      case ledger::CommandKind::place_hold:
      case ledger::CommandKind::release_hold:
      case ledger::CommandKind::forget_subject:
      case ledger::CommandKind::erase_key:
      case ledger::CommandKind::expire_class:
      case ledger::CommandKind::set_residency:
      case ledger::CommandKind::residency_key:
      case ledger::CommandKind::turn_residency:
      case ledger::CommandKind::entry_skipped: break;
    }
  }

  std::map<u128, ledger::Balances> accounts;
  std::map<u128, std::vector<std::uint64_t>> streams;  ///< Records in order.
  std::map<u128, std::uint64_t> events;                ///< Id -> record.
  std::set<u128> transfers;
  int dropped_tails = 0, state_digests = 0, time_advances = 0, expiries = 0;

 private:
  struct Pending {
    u128 debit, credit, amount;
  };

  void add_account(const ledger::Header& header) {
    const auto& body = std::get<ledger::AccountBody>(header.body);
    EXPECT_TRUE(accounts.emplace(body.account.id, ledger::Balances{}).second)
        << "account created twice";
  }
  void check(const ledger::Header& header, const ledger::TransferBody& body, u128 debit,
             u128 credit) {
    EXPECT_EQ(body.debit, accounts[debit]) << "record " << ledger::raw(header.record_index);
    EXPECT_EQ(body.credit, accounts[credit]) << "record " << ledger::raw(header.record_index);
  }
  void end_pending(const Pending& pending) {
    accounts[pending.debit].debits_pending -= pending.amount;
    accounts[pending.credit].credits_pending -= pending.amount;
  }
  void add_transfer(const ledger::Header& header) {
    const auto& body = std::get<ledger::TransferBody>(header.body);
    const ledger::Transfer& transfer = body.transfer;
    EXPECT_TRUE(transfers.insert(transfer.id).second) << "a transfer was applied twice";
    constexpr std::uint16_t ends = ledger::transfer_flags::post_pending_transfer |
                                   ledger::transfer_flags::void_pending_transfer;
    if ((transfer.flags & ends) != 0) {
      const auto pending = pendings_.find(transfer.pending_id);
      ASSERT_NE(pending, pendings_.end()) << "ended twice, or never there";
      end_pending(pending->second);
      if ((transfer.flags & ledger::transfer_flags::post_pending_transfer) != 0) {
        accounts[pending->second.debit].debits_posted += transfer.amount;
        accounts[pending->second.credit].credits_posted += transfer.amount;
      }
      check(header, body, pending->second.debit, pending->second.credit);
      pendings_.erase(pending);
      return;
    }
    const Pending made{transfer.debit_account_id, transfer.credit_account_id, transfer.amount};
    if ((transfer.flags & ledger::transfer_flags::pending) != 0) {
      accounts[made.debit].debits_pending += made.amount;
      accounts[made.credit].credits_pending += made.amount;
      pendings_[transfer.id] = made;
    } else {
      accounts[made.debit].debits_posted += made.amount;
      accounts[made.credit].credits_posted += made.amount;
    }
    check(header, body, made.debit, made.credit);
  }
  void add_expiry(const ledger::Header& header) {
    const auto& body = std::get<ledger::TransferBody>(header.body);
    const auto pending = pendings_.find(body.transfer.id);
    ASSERT_NE(pending, pendings_.end()) << "expired twice, or never there";
    end_pending(pending->second);
    check(header, body, pending->second.debit, pending->second.credit);
    pendings_.erase(pending);
    ++expiries;
  }
  void add_event(const ledger::Header& header) {
    const auto& body = std::get<ledger::EventBody>(header.body);
    EXPECT_TRUE(events.emplace(body.event_id, ledger::raw(header.record_index)).second)
        << "an event was appended twice";
    auto& stream = streams[body.stream];
    EXPECT_EQ(body.revision, stream.size());
    stream.push_back(ledger::raw(header.record_index));
  }

  std::uint64_t last_time_ = 0;
  std::map<u128, Pending> pendings_;
};

}  // namespace meridian::replica
