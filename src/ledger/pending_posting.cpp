// What ends a pending transfer: post, void, expiry.
//
//   pending --post--> posted     pending --void--> voided     pending --timeout--> expired
//
// A pending transfer whose timeout has passed counts as expired for post and void even before the
// expire_pending command that gives its amount back.
#include "base/assert.h"
#include "ledger/internal/ledger_state.h"

namespace meridian::ledger::internal {
namespace {

TransferOutcome check_fields(const Transfer& command) {
  constexpr std::uint16_t both =
      transfer_flags::post_pending_transfer | transfer_flags::void_pending_transfer;
  constexpr std::uint16_t excluded = transfer_flags::pending | transfer_flags::balancing_debit |
                                     transfer_flags::balancing_credit |
                                     transfer_flags::closing_debit | transfer_flags::closing_credit;
  if ((command.flags & both) == both || (command.flags & excluded) != 0)
    return TransferOutcome::flags_are_mutually_exclusive;
  if (command.pending_id == 0) return TransferOutcome::pending_id_must_not_be_zero;
  if (command.pending_id == u128_max) return TransferOutcome::pending_id_must_not_be_int_max;
  if (command.pending_id == command.id) return TransferOutcome::pending_id_must_be_different;
  if (command.timeout != 0) return TransferOutcome::timeout_reserved_for_pending_transfer;
  return TransferOutcome::created;
}

TransferOutcome compare(const Transfer& command, const Transfer& pending) {
  if (command.debit_account_id != 0 && command.debit_account_id != pending.debit_account_id)
    return TransferOutcome::pending_transfer_has_different_debit_account_id;
  if (command.credit_account_id != 0 && command.credit_account_id != pending.credit_account_id)
    return TransferOutcome::pending_transfer_has_different_credit_account_id;
  if (command.ledger != 0 && command.ledger != pending.ledger)
    return TransferOutcome::pending_transfer_has_different_ledger;
  if (command.code != 0 && command.code != pending.code)
    return TransferOutcome::pending_transfer_has_different_code;
  return TransferOutcome::created;
}

}  // namespace

Result<Outcome> LedgerState::judge_resolution(const Transfer& command, const CommandPlace& place,
                                              Effect& effect) {
  TransferOutcome verdict = check_fields(command);
  if (verdict != TransferOutcome::created) return outcome(verdict);

  PendingTable::Position position = pendings.find(command.pending_id);
  bool alive = position != PendingTable::none;
  Transfer pending;
  if (alive) {
    pending = pendings[position].transfer;
  } else {
    auto at = TRY(history.find(IdSpace::transfer, command.pending_id));
    if (!at.has_value()) return outcome(TransferOutcome::pending_transfer_not_found);
    PastTransfer past = TRY(past_transfer(*at));
    if (!past.created) return outcome(TransferOutcome::pending_transfer_not_found);
    if ((past.transfer.flags & transfer_flags::pending) == 0)
      return outcome(TransferOutcome::pending_transfer_not_pending);
    pending = past.transfer;
  }
  verdict = compare(command, pending);
  if (verdict != TransferOutcome::created) return outcome(verdict);

  bool voids = (command.flags & transfer_flags::void_pending_transfer) != 0;
  u128 asks_all = voids ? 0 : u128_max;
  u128 amount = command.amount == asks_all ? pending.amount : command.amount;
  if (amount > pending.amount) return outcome(TransferOutcome::exceeds_pending_transfer_amount);
  if (voids && amount < pending.amount)
    return outcome(TransferOutcome::pending_transfer_has_different_amount);
  if (!alive) return outcome(TRY(resolved_as(command.pending_id)));
  if (pending.timeout != 0 && expires_at(pending) <= place.time)
    return outcome(TransferOutcome::pending_transfer_expired);
  const PendingSlot& slot = pendings[position];
  verdict = check_signature(accounts[slot.debit_slot], accounts[slot.credit_slot], place);
  if (verdict != TransferOutcome::created) return outcome(verdict);

  std::uint64_t timestamp = place.time;
  if ((command.flags & transfer_flags::imported) != 0) {
    timestamp = command.timestamp;
    if (import_regresses(command))
      return outcome(TransferOutcome::imported_event_timestamp_must_not_regress);
  }
  // The only movement that a closed account allows is voiding.
  if (!voids && (accounts[slot.debit_slot].flags & account_flags::closed) != 0)
    return outcome(TransferOutcome::debit_account_already_closed);
  if (!voids && (accounts[slot.credit_slot].flags & account_flags::closed) != 0)
    return outcome(TransferOutcome::credit_account_already_closed);

  Transfer transfer = command;
  transfer.timestamp = timestamp;
  record_transfer(transfer, place);
  effect.time = timestamp;
  effect.amount = amount;
  end_pending(position, place, voids ? 0 : amount, effect);
  return Outcome::created;
}

/// How a pending transfer that is no longer pending ended.
Result<TransferOutcome> LedgerState::resolved_as(u128 pending_id) {
  auto at = TRY(history.find(IdSpace::resolution, pending_id));
  if (!at.has_value())
    return fail(Code::data_loss, "the record that ended pending transfer " +
                                     to_decimal(pending_id) + " is missing in the id index");
  CommandKind kind;
  std::uint16_t flags = 0;
  if (raw(*at) >= records) {
    auto number = static_cast<std::uint32_t>(raw(*at) - records);
    kind = kinds[number];
    flags = load_le<std::uint16_t>(entry->command(number) + offsetof(Transfer, flags));
  } else {
    Header header = TRY(history.read(*at));
    const auto* body = std::get_if<TransferBody>(&header.body);
    if (body == nullptr)
      return fail(Code::data_loss,
                  "record " + std::to_string(raw(*at)) + " must end a pending transfer: damaged");
    kind = header.kind;
    flags = body->transfer.flags;
  }
  if (kind == CommandKind::expire_pending) return TransferOutcome::pending_transfer_expired;
  return (flags & transfer_flags::post_pending_transfer) != 0
             ? TransferOutcome::pending_transfer_already_posted
             : TransferOutcome::pending_transfer_already_voided;
}

/// Gives the pending amount back and posts `posted` of it; reopens what it closed unless it posts.
void LedgerState::end_pending(PendingTable::Position position, const CommandPlace& place,
                              u128 posted, Effect& effect) {
  Transfer pending = pendings[position].transfer;
  AccountSlot& debit = change_account(pendings[position].debit_slot);
  AccountSlot& credit = change_account(pendings[position].credit_slot);
  ASSERT(debit.id == pending.debit_account_id && credit.id == pending.credit_account_id);
  debit.balances.debits_pending -= pending.amount;
  credit.balances.credits_pending -= pending.amount;
  debit.balances.debits_posted += posted;
  credit.balances.credits_posted += posted;
  constexpr auto open = static_cast<std::uint16_t>(~account_flags::closed);
  if ((pending.flags & transfer_flags::closing_debit) != 0) debit.flags &= open;
  if ((pending.flags & transfer_flags::closing_credit) != 0) credit.flags &= open;

  insert_id(IdSpace::resolution, pending.id, record_of(place));
  pendings.end(position);
  if (chain_open) undo.push_back({.kind = Undo::Kind::pending_ended, .number = position});

  effect.debit = debit.balances;
  effect.credit = credit.balances;
  effect.previous_debit = debit.last_record;
  effect.previous_credit = credit.last_record;
  effect.revision = applied->expired.size();
  applied->expired.push_back(pending);
  debit.last_record = record_of(place);
  credit.last_record = record_of(place);
}

Outcome LedgerState::judge_expiry(const ExpirePending& command, const CommandPlace& place,
                                  Effect& effect) {
  PendingTable::Position position = pendings.find(command.transfer_id);
  if (position == PendingTable::none) return outcome(SystemOutcome::refused);
  const Transfer& pending = pendings[position].transfer;
  if (pending.timeout == 0 || expires_at(pending) > place.time)
    return outcome(SystemOutcome::refused);
  effect.amount = pending.amount;
  end_pending(position, place, 0, effect);
  return Outcome::created;
}

}  // namespace meridian::ledger::internal
