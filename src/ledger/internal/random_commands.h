// Seeded random requests over few ids, so that retries, conflicts, chains and limits happen often.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "ledger/internal/reference_model.h"
#include "ledger/internal/test_cell.h"

namespace meridian::ledger {

class RandomCommands {
 public:
  explicit RandomCommands(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

  /// A request of 1 to 12 commands, none of them an expiry.
  std::vector<ReferenceModel::Command> request(std::uint64_t now) {
    std::vector<ReferenceModel::Command> out(1 + below(12));
    bool imports = one_in(8);
    std::uint64_t stamp = now > 2'000 ? now - 1 - below(2'000) : 1 + below(now);
    for (ReferenceModel::Command& command : out) {
      std::uint64_t kind = below(20);
      std::uint16_t linked = one_in(3) ? 1 : 0;
      stamp += below(4);
      if (kind < 3)
        account(command, imports != one_in(30), stamp, linked);
      else if (kind < 16)
        transfer(command, imports != one_in(30), stamp, linked);
      else
        event(command, linked);
    }
    return out;
  }

 private:
  u128 account_id() { return one_in(40) ? (one_in(2) ? 0 : u128_max) : 1 + below(12); }
  u128 transfer_id() {
    if (one_in(100)) return one_in(2) ? 0 : u128_max;
    if (!one_in(4) || next_ == 100) return ++next_;
    return next_ - below(std::min<std::uint64_t>(40, next_ - 100));
  }
  u128 amount() {
    std::uint64_t pick = below(20);
    if (pick == 0) return 0;
    if (pick == 1) return u128_max;
    if (pick == 2) return u128_max - below(300);
    if (pick == 3) return u128_max / 2;
    return 1 + below(100);
  }

  void account(ReferenceModel::Command& out, bool imported, std::uint64_t stamp,
               std::uint16_t linked) {
    out.kind = CommandKind::create_account;
    Account& account = out.account = make_account(account_id(), linked);
    if (one_in(4)) account.flags |= account_flags::debits_must_not_exceed_credits;
    if (one_in(4)) account.flags |= account_flags::credits_must_not_exceed_debits;
    if (one_in(3)) account.flags |= account_flags::history;
    if (one_in(60)) account.flags |= account_flags::closed;
    if (one_in(60)) account.flags |= 1 << 9;
    if (one_in(5)) account.flags |= account_flags::requires_signature;
    if (imported) account.flags |= account_flags::imported;
    if (imported != one_in(40)) account.timestamp = one_in(60) ? ~std::uint64_t{0} : stamp;
    if (one_in(6)) account.ledger = static_cast<std::uint32_t>(below(3));
    if (one_in(20)) account.code = static_cast<std::uint16_t>(below(3));
    if (one_in(20)) account.user_data_64 = below(3);
    if (one_in(60)) account.reserved = 1;
    if (one_in(60)) account.debits_posted = 1;
  }

  void transfer(ReferenceModel::Command& out, bool imported, std::uint64_t stamp,
                std::uint16_t linked) {
    using namespace transfer_flags;
    out.kind = CommandKind::create_transfer;
    Transfer& transfer = out.transfer =
        make_transfer(transfer_id(), account_id(), account_id(), amount(), linked);
    std::uint64_t shape = below(10);
    if (shape < 3) {
      transfer.flags |= pending;
      pending_ids_.push_back(transfer.id);
      if (pending_ids_.size() > 12) pending_ids_.erase(pending_ids_.begin());
      if (one_in(2)) transfer.timeout = static_cast<std::uint32_t>(below(4));
      if (one_in(100)) transfer.timeout = ~std::uint32_t{0};
      if (one_in(60)) transfer.flags |= closing_debit;
      if (one_in(60)) transfer.flags |= closing_credit;
    } else if (shape < 7) {
      transfer.flags |= one_in(2) ? post_pending_transfer : void_pending_transfer;
      transfer.pending_id = one_in(8) || pending_ids_.empty()
                                ? transfer_id()
                                : pending_ids_[below(pending_ids_.size())];
      if (!one_in(4)) transfer.amount = one_in(2) ? 0 : u128_max;
      if (!one_in(6)) transfer.debit_account_id = transfer.credit_account_id = 0;
      if (!one_in(6)) transfer.ledger = transfer.code = 0;
    }
    if (one_in(shape < 3 || shape >= 7 ? 8 : 40)) transfer.flags |= balancing_debit;
    if (one_in(shape < 3 || shape >= 7 ? 8 : 40)) transfer.flags |= balancing_credit;
    if (one_in(60)) transfer.flags = static_cast<std::uint16_t>(random_());
    if (imported) transfer.flags |= transfer_flags::imported;
    if (!imported && !one_in(60))
      transfer.flags &= static_cast<std::uint16_t>(~transfer_flags::imported);
    if (imported != one_in(60)) transfer.timestamp = stamp;
    if (one_in(20)) transfer.ledger = static_cast<std::uint32_t>(below(3));
    if (one_in(20)) transfer.code = static_cast<std::uint16_t>(below(3));
    if (one_in(20)) transfer.user_data_128 = below(3);
    if (one_in(20)) transfer.user_data_64 = below(3);
    if (one_in(20)) transfer.user_data_32 = static_cast<std::uint32_t>(below(3));
    if (one_in(40)) transfer.pending_id = below(3);
    if (one_in(60)) transfer.timeout = 1;
    // A true retry now and then: the same command as before, or nearly.
    if (!sent_.empty() && one_in(4)) {
      std::uint16_t keep = transfer.flags;
      transfer = sent_[below(sent_.size())];
      switch (below(24)) {
        case 0: transfer.amount += 1; break;
        case 1: transfer.flags = keep; break;
        case 2: transfer.timeout += 1; break;
        case 3: transfer.pending_id += 1; break;
        case 4: transfer.debit_account_id = account_id(); break;
        case 5: transfer.credit_account_id = account_id(); break;
        case 6: transfer.user_data_128 += 1; break;
        case 7: transfer.user_data_32 += 1; break;
        case 8: transfer.ledger += 1; break;
        case 9: transfer.code += 1; break;
        default: break;
      }
    }
    sent_.push_back(transfer);
    if (sent_.size() > 60) sent_.erase(sent_.begin());
  }

  void event(ReferenceModel::Command& out, std::uint16_t linked) {
    u128 id = 1 + below(400);
    u128 stream = below(6);
    auto expected = static_cast<Expected>(below(4));
    if (one_in(5)) {
      out.kind = CommandKind::delete_stream;
      out.deletion = make_deletion(id, stream, expected, below(8));
      out.deletion.flags = linked;
    } else {
      out.kind = CommandKind::append_event;
      out.event = make_event(id, stream, expected, below(8));
      out.event.flags = linked;
      if (one_in(10)) out.event.type = 2;
      if (one_in(10)) out.event.content_type = ContentType::bytes;
      if (one_in(10)) out.event.commitment.fill(9);
    }
  }

  std::mt19937_64 random_;
  std::uint64_t next_ = 100;
  std::vector<Transfer> sent_;
  std::vector<u128> pending_ids_;
};

inline Request to_request(const std::vector<ReferenceModel::Command>& commands,
                          bool is_signed = false) {
  Request request;
  if (is_signed) {
    request.attester = Attester::client_signature;
    request.signature_digest.fill(7);
  }
  for (const ReferenceModel::Command& command : commands) {
    if (command.kind == CommandKind::create_account)
      add_command(request, command.kind, command.account);
    else if (command.kind == CommandKind::create_transfer)
      add_command(request, command.kind, command.transfer);
    else if (command.kind == CommandKind::append_event)
      add_command(request, command.kind, command.event);
    else if (command.kind == CommandKind::delete_stream)
      add_command(request, command.kind, command.deletion);
    else {
      request.attester = Attester::replica;
      ExpirePending expire{};
      expire.transfer_id = command.expires;
      add_command(request, command.kind, expire);
    }
  }
  return request;
}

}  // namespace meridian::ledger
