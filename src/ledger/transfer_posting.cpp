// create_transfer, single-phase and pending: checks in the order of the standard's precedence.
#include "base/assert.h"
#include "ledger/internal/command_checks.h"
#include "ledger/internal/ledger_state.h"

namespace meridian::ledger::internal {
namespace {

constexpr std::uint16_t balancing =
    transfer_flags::balancing_debit | transfer_flags::balancing_credit;
constexpr std::uint16_t closing = transfer_flags::closing_debit | transfer_flags::closing_credit;

TransferOutcome check_fields(const Transfer& command) {
  if (command.debit_account_id == 0) return TransferOutcome::debit_account_id_must_not_be_zero;
  if (command.debit_account_id == u128_max)
    return TransferOutcome::debit_account_id_must_not_be_int_max;
  if (command.credit_account_id == 0) return TransferOutcome::credit_account_id_must_not_be_zero;
  if (command.credit_account_id == u128_max)
    return TransferOutcome::credit_account_id_must_not_be_int_max;
  if (command.credit_account_id == command.debit_account_id)
    return TransferOutcome::accounts_must_be_different;
  if (command.pending_id != 0) return TransferOutcome::pending_id_must_be_zero;
  if ((command.flags & transfer_flags::pending) == 0) {
    if (command.timeout != 0) return TransferOutcome::timeout_reserved_for_pending_transfer;
    if ((command.flags & closing) != 0) return TransferOutcome::closing_transfer_must_be_pending;
  }
  if (command.ledger == 0) return TransferOutcome::ledger_must_not_be_zero;
  if (command.code == 0) return TransferOutcome::code_must_not_be_zero;
  return TransferOutcome::created;
}

u128 saturating_subtract(u128 from, u128 value) { return from > value ? from - value : 0; }

/// What a balancing transfer may move: at most `command.amount`.
u128 amount_to_move(const Transfer& command, const Balances& debit, const Balances& credit) {
  u128 amount = command.amount;
  if ((command.flags & transfer_flags::balancing_debit) != 0)
    amount = std::min(amount, saturating_subtract(debit.credits_posted,
                                                  debit.debits_posted + debit.debits_pending));
  if ((command.flags & transfer_flags::balancing_credit) != 0)
    amount = std::min(amount, saturating_subtract(credit.debits_posted,
                                                  credit.credits_posted + credit.credits_pending));
  return amount;
}

TransferOutcome check_overflow(const Transfer& command, u128 amount, std::uint64_t timestamp,
                               const Balances& debit, const Balances& credit) {
  auto overflows = [amount](u128 balance) {
    u128 sum;
    return !add_fits(amount, balance, sum);
  };
  if ((command.flags & transfer_flags::pending) != 0) {
    if (overflows(debit.debits_pending)) return TransferOutcome::overflows_debits_pending;
    if (overflows(credit.credits_pending)) return TransferOutcome::overflows_credits_pending;
  }
  if (overflows(debit.debits_posted)) return TransferOutcome::overflows_debits_posted;
  if (overflows(credit.credits_posted)) return TransferOutcome::overflows_credits_posted;
  if (overflows(debit.debits_pending + debit.debits_posted))
    return TransferOutcome::overflows_debits;
  if (overflows(credit.credits_pending + credit.credits_posted))
    return TransferOutcome::overflows_credits;
  if (timeout_ns(command.timeout) > timestamp_max - timestamp)
    return TransferOutcome::overflows_timeout;
  return TransferOutcome::created;
}

bool debits_exceed_credits(const AccountSlot& account, u128 amount) {
  const Balances& now = account.balances;
  return (account.flags & account_flags::debits_must_not_exceed_credits) != 0 &&
         now.debits_pending + now.debits_posted + amount > now.credits_posted;
}
bool credits_exceed_debits(const AccountSlot& account, u128 amount) {
  const Balances& now = account.balances;
  return (account.flags & account_flags::credits_must_not_exceed_debits) != 0 &&
         now.credits_pending + now.credits_posted + amount > now.debits_posted;
}

/// A retry of a transfer that neither posts nor voids.
TransferOutcome compare(const Transfer& command, const Transfer& existing) {
  if (command.debit_account_id != existing.debit_account_id)
    return TransferOutcome::exists_with_different_debit_account_id;
  if (command.credit_account_id != existing.credit_account_id)
    return TransferOutcome::exists_with_different_credit_account_id;
  // The amount of a balancing transfer is an upper limit: what was moved is at most that.
  bool same_amount = (command.flags & balancing) != 0 ? command.amount >= existing.amount
                                                      : command.amount == existing.amount;
  if (!same_amount) return TransferOutcome::exists_with_different_amount;
  if (command.user_data_128 != existing.user_data_128)
    return TransferOutcome::exists_with_different_user_data_128;
  if (command.user_data_64 != existing.user_data_64)
    return TransferOutcome::exists_with_different_user_data_64;
  if (command.user_data_32 != existing.user_data_32)
    return TransferOutcome::exists_with_different_user_data_32;
  if (command.ledger != existing.ledger) return TransferOutcome::exists_with_different_ledger;
  if (command.code != existing.code) return TransferOutcome::exists_with_different_code;
  return TransferOutcome::exists;
}

/// A retry of a post or void: what it leaves out must have come from the pending transfer.
TransferOutcome compare_resolution(const Transfer& command, const Transfer& existing,
                                   const Transfer& pending) {
  if (command.debit_account_id != 0 && command.debit_account_id != existing.debit_account_id)
    return TransferOutcome::exists_with_different_debit_account_id;
  if (command.credit_account_id != 0 && command.credit_account_id != existing.credit_account_id)
    return TransferOutcome::exists_with_different_credit_account_id;
  bool voids = (command.flags & transfer_flags::void_pending_transfer) != 0;
  u128 asks_all = voids ? 0 : u128_max;
  if (existing.amount != (command.amount == asks_all ? pending.amount : command.amount))
    return TransferOutcome::exists_with_different_amount;
  if (existing.user_data_128 !=
      (command.user_data_128 == 0 ? pending.user_data_128 : command.user_data_128))
    return TransferOutcome::exists_with_different_user_data_128;
  if (existing.user_data_64 !=
      (command.user_data_64 == 0 ? pending.user_data_64 : command.user_data_64))
    return TransferOutcome::exists_with_different_user_data_64;
  if (existing.user_data_32 !=
      (command.user_data_32 == 0 ? pending.user_data_32 : command.user_data_32))
    return TransferOutcome::exists_with_different_user_data_32;
  if (command.ledger != 0 && command.ledger != existing.ledger)
    return TransferOutcome::exists_with_different_ledger;
  if (command.code != 0 && command.code != existing.code)
    return TransferOutcome::exists_with_different_code;
  return TransferOutcome::exists;
}

}  // namespace

Result<Outcome> LedgerState::judge_transfer(const Transfer& command, const CommandPlace& place,
                                            Effect& effect) {
  if ((command.flags & ~transfer_flags::all) != 0) return outcome(TransferOutcome::reserved_flag);
  if (command.id == 0) return outcome(TransferOutcome::id_must_not_be_zero);
  if (command.id == u128_max) return outcome(TransferOutcome::id_must_not_be_int_max);
  if (auto at = TRY(history.find(IdSpace::transfer, command.id)); at.has_value()) [[unlikely]]
    return judge_existing(command, *at, effect);
  if ((command.flags & transfer_resolves) != 0) return judge_resolution(command, place, effect);

  TransferOutcome verdict = check_fields(command);
  if (verdict != TransferOutcome::created) return outcome(verdict);
  std::uint32_t debit_slot = accounts.find(command.debit_account_id, debit_slots[place.number]);
  if (debit_slot == no_slot) return outcome(TransferOutcome::debit_account_not_found);
  std::uint32_t credit_slot = accounts.find(command.credit_account_id, credit_slots[place.number]);
  if (credit_slot == no_slot) return outcome(TransferOutcome::credit_account_not_found);
  const AccountSlot& debit_now = accounts[debit_slot];
  const AccountSlot& credit_now = accounts[credit_slot];
  if (debit_now.ledger != credit_now.ledger)
    return outcome(TransferOutcome::accounts_must_have_the_same_ledger);
  if (command.ledger != debit_now.ledger)
    return outcome(TransferOutcome::transfer_must_have_the_same_ledger_as_accounts);
  verdict = check_signature(debit_now, credit_now, place);
  if (verdict != TransferOutcome::created) return outcome(verdict);

  std::uint64_t timestamp = place.time;
  if ((command.flags & transfer_flags::imported) != 0) {
    timestamp = command.timestamp;
    if (import_regresses(command))
      return outcome(TransferOutcome::imported_event_timestamp_must_not_regress);
    if (timestamp <= debit_now.timestamp)
      return outcome(TransferOutcome::imported_event_timestamp_must_postdate_debit_account);
    if (timestamp <= credit_now.timestamp)
      return outcome(TransferOutcome::imported_event_timestamp_must_postdate_credit_account);
    if (command.timeout != 0) return outcome(TransferOutcome::imported_event_timeout_must_be_zero);
  }
  if ((debit_now.flags & account_flags::closed) != 0)
    return outcome(TransferOutcome::debit_account_already_closed);
  if ((credit_now.flags & account_flags::closed) != 0)
    return outcome(TransferOutcome::credit_account_already_closed);

  u128 amount = amount_to_move(command, debit_now.balances, credit_now.balances);
  verdict = check_overflow(command, amount, timestamp, debit_now.balances, credit_now.balances);
  if (verdict != TransferOutcome::created) return outcome(verdict);
  if (debits_exceed_credits(debit_now, amount)) return outcome(TransferOutcome::exceeds_credits);
  if (credits_exceed_debits(credit_now, amount)) return outcome(TransferOutcome::exceeds_debits);

  Transfer transfer = command;
  transfer.amount = amount;
  transfer.timestamp = timestamp;
  record_transfer(transfer, place);
  AccountSlot& debit = change_account(debit_slot);
  AccountSlot& credit = change_account(credit_slot);
  if ((command.flags & transfer_flags::pending) != 0) {
    debit.balances.debits_pending += amount;
    credit.balances.credits_pending += amount;
    if ((command.flags & transfer_flags::closing_debit) != 0) debit.flags |= account_flags::closed;
    if ((command.flags & transfer_flags::closing_credit) != 0)
      credit.flags |= account_flags::closed;
    pendings.add({.transfer = transfer,
                  .record = record_of(place),
                  .debit_slot = debit_slot,
                  .credit_slot = credit_slot,
                  .alive = true,
                  .died_in_freeze = 0});
    if (chain_open) undo.push_back({.kind = Undo::Kind::pending_added});
  } else {
    debit.balances.debits_posted += amount;
    credit.balances.credits_posted += amount;
  }
  effect.time = timestamp;
  effect.amount = amount;
  effect.debit = debit.balances;
  effect.credit = credit.balances;
  effect.previous_debit = debit.last_record;
  effect.previous_credit = credit.last_record;
  debit.last_record = record_of(place);
  credit.last_record = record_of(place);
  return Outcome::created;
}

/// Not a reason that may pass: signed, the same transfer may come again under its id.
TransferOutcome LedgerState::check_signature(const AccountSlot& debit, const AccountSlot& credit,
                                             const CommandPlace& place) const {
  if (place.is_signed) return TransferOutcome::created;
  if ((debit.flags & account_flags::requires_signature) != 0)
    return TransferOutcome::debit_account_requires_signature;
  if ((credit.flags & account_flags::requires_signature) != 0)
    return TransferOutcome::credit_account_requires_signature;
  return TransferOutcome::created;
}

bool LedgerState::import_regresses(const Transfer& command) const {
  return command.timestamp <= last_transfer_timestamp || accounts.has_timestamp(command.timestamp);
}

void LedgerState::record_transfer(const Transfer& transfer, const CommandPlace& place) {
  ASSERT(transfer.timestamp > last_transfer_timestamp);
  insert_id(IdSpace::transfer, transfer.id, record_of(place));
  if ((transfer.flags & transfer_flags::imported) != 0)
    insert_id(IdSpace::imported_timestamp, transfer.timestamp, record_of(place));
  if (chain_open)
    undo.push_back(
        {.kind = Undo::Kind::last_transfer_timestamp, .number = last_transfer_timestamp});
  last_transfer_timestamp = transfer.timestamp;
}

Result<Outcome> LedgerState::judge_existing(const Transfer& command, RecordIndex at,
                                            Effect& effect) {
  PastTransfer past = TRY(past_transfer(at));
  if (!past.created) return outcome(TransferOutcome::id_already_failed);
  const Transfer& existing = past.transfer;
  ASSERT(existing.id == command.id);
  if (command.flags != existing.flags) return outcome(TransferOutcome::exists_with_different_flags);
  if (command.pending_id != existing.pending_id)
    return outcome(TransferOutcome::exists_with_different_pending_id);
  if (command.timeout != existing.timeout)
    return outcome(TransferOutcome::exists_with_different_timeout);
  TransferOutcome verdict;
  if ((command.flags & transfer_resolves) != 0) {
    auto pending_at = TRY(history.find(IdSpace::transfer, existing.pending_id));
    ASSERT(pending_at.has_value());
    verdict = compare_resolution(command, existing, TRY(past_transfer(*pending_at)).transfer);
  } else {
    verdict = compare(command, existing);
  }
  if (verdict == TransferOutcome::exists) effect.time = existing.timestamp;
  return outcome(verdict);
}

Result<PastTransfer> LedgerState::past_transfer(RecordIndex at) {
  PastTransfer past;
  if (raw(at) >= records) {
    std::uint64_t number = raw(at) - records;
    ASSERT(number < kinds.size());
    ASSERT(kinds[number] == CommandKind::create_transfer);
    const Effect& effect = applied->effects[number];
    past.created = effect.outcome == Outcome::created;
    past.transfer = load_command<Transfer>(entry->command(static_cast<std::uint32_t>(number)));
    past.transfer.amount = effect.amount;
    past.transfer.timestamp = effect.time;
  } else {
    Header header = TRY(history.read(at));
    const auto* body = std::get_if<TransferBody>(&header.body);
    if (header.kind != CommandKind::create_transfer || body == nullptr)
      return fail(Code::data_loss,
                  "record " + std::to_string(raw(at)) +
                      " must be a transfer: the id index or the record is damaged");
    past.created = header.outcome == Outcome::created;
    past.transfer = body->transfer;
  }
  if (!past.created || (past.transfer.flags & transfer_resolves) == 0) return past;
  auto pending_at = TRY(history.find(IdSpace::transfer, past.transfer.pending_id));
  if (!pending_at.has_value())
    return fail(Code::data_loss, "the pending transfer that record " + std::to_string(raw(at)) +
                                     " resolves is missing in the id index");
  past.transfer = resolved(past.transfer, TRY(past_transfer(*pending_at)).transfer);
  return past;
}

}  // namespace meridian::ledger::internal

namespace meridian::ledger {

Transfer resolved(const Transfer& resolution, const Transfer& pending) {
  Transfer whole = resolution;
  whole.debit_account_id = pending.debit_account_id;
  whole.credit_account_id = pending.credit_account_id;
  whole.ledger = pending.ledger;
  whole.code = pending.code;
  if (whole.user_data_128 == 0) whole.user_data_128 = pending.user_data_128;
  if (whole.user_data_64 == 0) whole.user_data_64 = pending.user_data_64;
  if (whole.user_data_32 == 0) whole.user_data_32 = pending.user_data_32;
  return whole;
}

}  // namespace meridian::ledger
