// create_account: checks in the order of the standard's precedence.
#include "base/assert.h"
#include "ledger/feature_level.h"
#include "ledger/internal/ledger_state.h"

namespace meridian::ledger::internal {
namespace {

AccountOutcome compare(const Account& command, const AccountState& existing) {
  const Account& account = existing.account;
  ASSERT(command.id == account.id);
  if (command.flags != account.flags) return AccountOutcome::exists_with_different_flags;
  if (command.user_data_128 != account.user_data_128)
    return AccountOutcome::exists_with_different_user_data_128;
  if (command.user_data_64 != account.user_data_64)
    return AccountOutcome::exists_with_different_user_data_64;
  if (command.user_data_32 != account.user_data_32)
    return AccountOutcome::exists_with_different_user_data_32;
  if (command.ledger != account.ledger) return AccountOutcome::exists_with_different_ledger;
  if (command.code != account.code) return AccountOutcome::exists_with_different_code;
  return AccountOutcome::exists;
}

AccountOutcome check_new(const Account& command) {
  constexpr std::uint16_t both =
      account_flags::debits_must_not_exceed_credits | account_flags::credits_must_not_exceed_debits;
  if ((command.flags & both) == both) return AccountOutcome::flags_are_mutually_exclusive;
  if (command.debits_pending != 0) return AccountOutcome::debits_pending_must_be_zero;
  if (command.debits_posted != 0) return AccountOutcome::debits_posted_must_be_zero;
  if (command.credits_pending != 0) return AccountOutcome::credits_pending_must_be_zero;
  if (command.credits_posted != 0) return AccountOutcome::credits_posted_must_be_zero;
  if (command.ledger == 0) return AccountOutcome::ledger_must_not_be_zero;
  if (command.code == 0) return AccountOutcome::code_must_not_be_zero;
  return AccountOutcome::created;
}

}  // namespace

Result<Outcome> LedgerState::judge_account(const Account& command, const CommandPlace& place,
                                           Effect& effect) {
  if (command.reserved != 0) return outcome(AccountOutcome::reserved_field);
  if ((command.flags & ~account_flags_at(feature_level)) != 0)
    return outcome(AccountOutcome::reserved_flag);
  if (command.id == 0) return outcome(AccountOutcome::id_must_not_be_zero);
  if (command.id == u128_max) return outcome(AccountOutcome::id_must_not_be_int_max);
  if (std::uint32_t slot = accounts.find(command.id); slot != no_slot) {
    AccountOutcome verdict = compare(command, accounts.state(slot));
    if (verdict == AccountOutcome::exists) effect.time = accounts[slot].timestamp;
    return outcome(verdict);
  }
  AccountOutcome verdict = check_new(command);
  if (verdict != AccountOutcome::created) return outcome(verdict);

  std::uint64_t timestamp = place.time;
  if ((command.flags & account_flags::imported) != 0) {
    timestamp = command.timestamp;
    if (timestamp <= accounts.timestamp_max() || TRY(has_transfer_at(timestamp)))
      return outcome(AccountOutcome::imported_event_timestamp_must_not_regress);
  }
  ASSERT(timestamp > accounts.timestamp_max());
  accounts.add({.balances = {},
                .id = command.id,
                .timestamp = timestamp,
                .created_at = record_of(place),
                .last_record = record_of(place),
                .user_data_64 = command.user_data_64,
                .ledger = command.ledger,
                .user_data_32 = command.user_data_32,
                .code = command.code,
                .flags = command.flags,
                .saved_epoch = 0},
               command.user_data_128);
  if (chain_open) undo.push_back({.kind = Undo::Kind::account_added});
  effect.time = timestamp;
  return Outcome::created;
}

// Transfers that were not imported have their record's time, which grows with the record index.
Result<bool> LedgerState::has_transfer_at(std::uint64_t timestamp) {
  if (timestamp > last_transfer_timestamp) return false;
  if (TRY(history.find(IdSpace::imported_timestamp, timestamp)).has_value()) return true;
  if (records == 0 || timestamp < opened_at) return false;
  std::uint64_t base = entry->base_time();
  if (timestamp >= base) {
    std::uint64_t number = timestamp - base;
    return number < kinds.size() && kinds[number] == CommandKind::create_transfer &&
           applied->effects[number].outcome == Outcome::created &&
           applied->effects[number].time == timestamp;
  }
  std::uint64_t low = 0;
  std::uint64_t high = records;
  while (low < high) {
    std::uint64_t middle = low + (high - low) / 2;
    Header header = TRY(history.read(RecordIndex{middle}));
    if (header.time == timestamp)
      return header.kind == CommandKind::create_transfer && header.outcome == Outcome::created &&
             header.imported_time == 0;
    if (header.time < timestamp)
      low = middle + 1;
    else
      high = middle;
  }
  return false;
}

}  // namespace meridian::ledger::internal
