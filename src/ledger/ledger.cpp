// Applying an entry: requests in order, their commands in order, chains of linked commands as one.
//
//   no chain --linked command--> chain open --refusal--> chain broken --last member--> no chain
//                                chain open ----------last member created------------> no chain
//
// While a chain is open every change is noted in `undo`; the refusal of a member takes them back
// newest first, and all members before and after it get linked_event_failed.
#include "ledger/ledger.h"

#include <algorithm>

#include "base/assert.h"
#include "ledger/internal/ledger_state.h"

namespace meridian::ledger::internal {
namespace {

/// How far ahead ids are hashed, and how far ahead their slots are fetched.
constexpr std::uint32_t id_distance = 16;
constexpr std::uint32_t slot_distance = 8;

bool is_linked(CommandKind kind, const Byte* command) {
  switch (kind) {
    case CommandKind::create_account:
      return (load_le<std::uint16_t>(command + offsetof(Account, flags)) & account_flags::linked) !=
             0;
    case CommandKind::create_transfer:
      return (load_le<std::uint16_t>(command + offsetof(Transfer, flags)) &
              transfer_flags::linked) != 0;
    case CommandKind::append_event:
      return (load_le<std::uint16_t>(command + offsetof(AppendEvent, flags)) & event_flag_linked) !=
             0;
    case CommandKind::delete_stream:
      return (load_le<std::uint16_t>(command + offsetof(DeleteStream, flags)) &
              event_flag_linked) != 0;
    case CommandKind::open_generation:
    case CommandKind::set_feature_level:
    case CommandKind::expire_pending:
    case CommandKind::state_digest:
    case CommandKind::time_advance:
    case CommandKind::erase_subject:
    case CommandKind::door_refusals:
    case CommandKind::dropped_tail:
    case CommandKind::member_change:
    case CommandKind::cell_key_grant:
    case CommandKind::subject_key:
    case CommandKind::turn_epoch:
    case CommandKind::set_retention:
    case CommandKind::place_hold:
    case CommandKind::release_hold:
    case CommandKind::forget_subject:
    case CommandKind::erase_key:
    case CommandKind::expire_class:
    case CommandKind::set_residency:
    case CommandKind::residency_key:
    case CommandKind::turn_residency:
    case CommandKind::entry_skipped: return false;
  }
  return false;
}
/// Of an account or transfer.
bool is_imported(CommandKind kind, const Byte* command) {
  std::uint16_t flag =
      kind == CommandKind::create_account ? account_flags::imported : transfer_flags::imported;
  return (load_le<std::uint16_t>(command + offsetof(Transfer, flags)) & flag) != 0;
}
static_assert(offsetof(Account, flags) == offsetof(Transfer, flags) &&
              offsetof(Account, timestamp) == offsetof(Transfer, timestamp));

}  // namespace

/// The chain of linked commands that is open, if any.
struct Chain {
  bool open = false;
  bool broken = false;
  std::uint32_t first = 0;
  std::size_t expired_before = 0;
  bool imports = false;  ///< Set by the first account or transfer of the request.
};

Status LedgerState::check_level(std::uint32_t level) const {
  if (level <= level_max) return {};
  return fail(Code::unimplemented,
              "feature level " + std::to_string(level) +
                  " is active in this cell, and this node runs levels up to " +
                  std::to_string(level_max) +
                  " only. start it again with a version of meridian that runs level " +
                  std::to_string(level) +
                  " (of serve, without --feature-level): it goes on where it is. a level that was "
                  "activated is never taken back");
}

Status LedgerState::check(const EntryView& view) const {
  if (damaged)
    return fail(Code::failed_precondition,
                "an earlier entry could not be applied because the history was unreadable; "
                "restart from the last checkpoint");
  std::uint64_t first = view.base_time();
  std::uint64_t count = view.command_count();
  if (count == 0 || first == 0 || first > timestamp_max - count)
    return fail(Code::failed_precondition, "an entry's time must be within 1..2^63-1");
  if (records == 0) {
    if (view.run(0).kind != CommandKind::open_generation)
      return fail(Code::failed_precondition,
                  "the first record of a ledger must be open_generation");
    auto open = load_command<OpenGeneration>(view.command(0));
    if (open.cell != cell)
      return fail(Code::failed_precondition, "open_generation names another cell than this one");
    if (open.feature_level == 0)
      return fail(Code::unimplemented, "open_generation asks for feature level 0; there is none");
    TRY(check_level(open.feature_level));
  } else {
    if (first <= last_time)
      return fail(Code::failed_precondition, "an entry's time " + std::to_string(first) +
                                                 " must be after the last record's, " +
                                                 std::to_string(last_time));
    std::uint64_t attested = std::max(last_time, advanced_to);
    if (first > attested && first - attested > entry_gap_ns_max)
      return fail(Code::failed_precondition,
                  "an entry stamped more than 60 s after the last record needs a time_advance "
                  "before it");
  }
  std::uint32_t number = 0;
  for (std::uint32_t run = 0; run < view.run_count(); ++run) {
    Run now = view.run(run);
    for (std::uint32_t i = 0; i < now.count; ++i) {
      const Byte* command = view.command(number + i);
      if (now.kind == CommandKind::set_feature_level)
        TRY(check_level(load_command<SetFeatureLevel>(command).feature_level));
      else if (now.kind == CommandKind::entry_skipped)
        TRY(check_level(load_command<EntrySkipped>(command).feature_level));
      else
        break;
    }
    number += now.count;
  }
  ASSERT(number == count);
  return {};
}

Status LedgerState::apply(const EntryView& view, Applied& out) {
  TRY(check(view));
  std::uint32_t count = view.command_count();
  out.effects.clear();
  out.effects.resize(count);
  out.expired.clear();
  entry = &view;
  applied = &out;
  kinds.clear();
  for (std::uint32_t run = 0; run < view.run_count(); ++run)
    kinds.insert(kinds.end(), view.run(run).count, view.run(run).kind);
  ASSERT(kinds.size() == count);
  debit_slots.assign(count, no_slot);
  credit_slots.assign(count, no_slot);
  pendings.compact();

  for (std::uint32_t number = 0; number < std::min(count, id_distance); ++number)
    look_ahead(number, count);
  std::uint32_t first = 0;
  for (std::uint32_t request = 0; request < view.request_count(); ++request) {
    const RequestHeader header = view.request(request);
    const std::uint32_t size = header.command_count;
    Status done = apply_request(first, header);
    if (!done.has_value()) {
      damaged = true;
      entry = nullptr;
      return done;
    }
    first += size;
  }
  ASSERT(first == count);
  ASSERT(!chain_open && undo.empty());
  if (records == 0) opened_at = view.base_time();
  records += count;
  last_time = view.base_time() + count - 1;
  entry = nullptr;
  applied = nullptr;
  return {};
}

void LedgerState::look_ahead(std::uint32_t number, std::uint32_t end) {
  if (number < end && kinds[number] == CommandKind::create_transfer) {
    const Byte* command = entry->command(number);
    history.prefetch(IdSpace::transfer, load_le<u128>(command));
    u128 pending = load_le<u128>(command + offsetof(Transfer, pending_id));
    if (pending != 0) pendings.prefetch_id(pending);
    accounts.prefetch_id(load_le<u128>(command + offsetof(Transfer, debit_account_id)));
    accounts.prefetch_id(load_le<u128>(command + offsetof(Transfer, credit_account_id)));
  }
  if (number < id_distance - slot_distance) return;
  number -= id_distance - slot_distance;
  if (number >= end || kinds[number] != CommandKind::create_transfer) return;
  const Byte* command = entry->command(number);
  debit_slots[number] =
      accounts.find(load_le<u128>(command + offsetof(Transfer, debit_account_id)));
  credit_slots[number] =
      accounts.find(load_le<u128>(command + offsetof(Transfer, credit_account_id)));
  accounts.prefetch_slot(debit_slots[number]);
  accounts.prefetch_slot(credit_slots[number]);
}

Status LedgerState::apply_request(std::uint32_t first, const RequestHeader& request) {
  Chain chain;
  const bool is_signed = request.attester == Attester::client_signature;
  std::uint32_t end = first + request.command_count;
  for (std::uint32_t number = first; number < end; ++number) {
    if (kinds[number] != CommandKind::create_account &&
        kinds[number] != CommandKind::create_transfer)
      continue;
    chain.imports = is_imported(kinds[number], entry->command(number));
    break;
  }
  std::uint32_t entry_end = entry->command_count();
  std::uint64_t base = entry->base_time();
  for (std::uint32_t number = first; number < end; ++number) {
    look_ahead(number + id_distance, entry_end);
    TRY(apply_one({.number = number,
                   .time = base + number,
                   .request_time = base + end - 1,
                   .is_signed = is_signed},
                  number + 1 == end, chain));
  }
  ASSERT(!chain.open);
  return {};
}

Status LedgerState::apply_one(const CommandPlace& place, bool last_of_request, Chain& chain) {
  CommandKind kind = kinds[place.number];
  const Byte* command = entry->command(place.number);
  Effect& effect = applied->effects[place.number];
  effect.time = place.time;
  bool linked = is_linked(kind, command);
  if (linked && !chain.open) {
    chain.open = true;
    chain.broken = false;
    chain.first = place.number;
    chain.expired_before = applied->expired.size();
    chain_open = true;
  }

  bool left_open = linked && last_of_request;
  bool is_account = kind == CommandKind::create_account;
  bool is_transfer = kind == CommandKind::create_transfer;
  Outcome verdict;
  if (left_open) {
    verdict = outcome(TransferOutcome::linked_event_chain_open);
  } else if (chain.broken) {
    verdict = outcome(TransferOutcome::linked_event_failed);
  } else if (is_account || is_transfer) {
    std::uint64_t stamp = load_le<std::uint64_t>(command + offsetof(Transfer, timestamp));
    bool imported = is_imported(kind, command);
    auto either = [&](AccountOutcome account, TransferOutcome transfer) {
      return is_account ? outcome(account) : outcome(transfer);
    };
    if (imported && !chain.imports)
      verdict = either(AccountOutcome::imported_event_not_expected,
                       TransferOutcome::imported_event_not_expected);
    else if (!imported && chain.imports)
      verdict =
          either(AccountOutcome::imported_event_expected, TransferOutcome::imported_event_expected);
    else if (!imported && stamp != 0)
      verdict =
          either(AccountOutcome::timestamp_must_be_zero, TransferOutcome::timestamp_must_be_zero);
    else if (imported && (stamp == 0 || stamp > timestamp_max))
      verdict = either(AccountOutcome::imported_event_timestamp_out_of_range,
                       TransferOutcome::imported_event_timestamp_out_of_range);
    else if (imported && stamp >= place.request_time)
      verdict = either(AccountOutcome::imported_event_timestamp_must_not_advance,
                       TransferOutcome::imported_event_timestamp_must_not_advance);
    else
      verdict = TRY(judge(place, effect));
  } else {
    verdict = TRY(judge(place, effect));
  }

  effect.outcome = verdict;
  if (verdict != Outcome::created) {
    if (chain.open && !chain.broken) {
      chain.broken = true;
      roll_back();
      for (std::uint32_t member = chain.first; member < place.number; ++member) {
        applied->effects[member] = Effect{};
        applied->effects[member].outcome = outcome(TransferOutcome::linked_event_failed);
        applied->effects[member].time = entry->base_time() + member;
      }
      applied->expired.resize(chain.expired_before);
    }
    // Also in a broken chain: what failed for a reason that may pass must not succeed later.
    if (is_transfer && is_transient(static_cast<TransferOutcome>(verdict)))
      history.insert(IdSpace::transfer, load_le<u128>(command), record_of(place));
  }
  if (chain.open && (!linked || left_open)) {
    undo.clear();
    chain_open = false;
    chain.open = false;
    chain.broken = false;
  }
  return {};
}

Result<Outcome> LedgerState::judge(const CommandPlace& place, Effect& effect) {
  const Byte* command = entry->command(place.number);
  CommandKind kind = kinds[place.number];
  switch (kind) {
    case CommandKind::create_account:
      return judge_account(load_command<Account>(command), place, effect);
    case CommandKind::create_transfer:
      return judge_transfer(load_command<Transfer>(command), place, effect);
    case CommandKind::append_event:
      return judge_event(load_command<AppendEvent>(command), place, effect);
    case CommandKind::delete_stream:
      return judge_deletion(load_command<DeleteStream>(command), place, effect);
    case CommandKind::expire_pending:
      return judge_expiry(load_command<ExpirePending>(command), place, effect);
    case CommandKind::open_generation:
    case CommandKind::set_feature_level:
    case CommandKind::state_digest:
    case CommandKind::time_advance:
    case CommandKind::erase_subject:
    case CommandKind::door_refusals:
    case CommandKind::dropped_tail:
    case CommandKind::member_change:
    case CommandKind::cell_key_grant:
    case CommandKind::subject_key:
    case CommandKind::turn_epoch:
    case CommandKind::set_retention:
    case CommandKind::place_hold:
    case CommandKind::release_hold:
    case CommandKind::forget_subject:
    case CommandKind::erase_key:
    case CommandKind::expire_class:
    case CommandKind::set_residency:
    case CommandKind::residency_key:
    case CommandKind::turn_residency:
    case CommandKind::entry_skipped: return judge_system(place, effect);
  }
  return outcome(SystemOutcome::refused);
}

void LedgerState::insert_id(IdSpace space, u128 id, RecordIndex at) {
  history.insert(space, id, at);
  if (chain_open) undo.push_back({.kind = Undo::Kind::id_inserted, .space = space, .id = id});
}

AccountSlot& LedgerState::change_account(std::uint32_t slot) {
  AccountSlot& account = accounts.write(slot);
  if (chain_open)
    undo.push_back({.kind = Undo::Kind::account_changed,
                    .flags = account.flags,
                    .slot = slot,
                    .last_record = account.last_record,
                    .balances = account.balances});
  return account;
}

StreamSlot& LedgerState::change_stream(std::uint32_t slot) {
  StreamSlot& stream = streams.write(slot);
  if (chain_open)
    undo.push_back({.kind = Undo::Kind::stream_changed,
                    .slot = slot,
                    .number = stream.last_revision,
                    .first_revision = stream.first_revision,
                    .last_record = stream.last_record});
  return stream;
}

void LedgerState::roll_back() {
  for (; !undo.empty(); undo.pop_back()) {
    const Undo& step = undo.back();
    switch (step.kind) {
      case Undo::Kind::account_changed: {
        AccountSlot& account = accounts.write(step.slot);
        account.balances = step.balances;
        account.flags = step.flags;
        account.last_record = step.last_record;
        break;
      }
      case Undo::Kind::account_added: accounts.remove_newest(); break;
      case Undo::Kind::pending_added: pendings.remove_newest(); break;
      case Undo::Kind::pending_ended: pendings.revive(step.number); break;
      case Undo::Kind::stream_changed: {
        StreamSlot& stream = streams.write(step.slot);
        stream.last_revision = step.number;
        stream.last_record = step.last_record;
        stream.first_revision = step.first_revision;
        break;
      }
      case Undo::Kind::stream_added: streams.remove_newest(); break;
      case Undo::Kind::id_inserted: history.remove(step.space, step.id); break;
      case Undo::Kind::last_transfer_timestamp: last_transfer_timestamp = step.number; break;
    }
  }
  chain_open = false;  // what a broken chain still does (a poisoned id) is not undone
}

}  // namespace meridian::ledger::internal

namespace meridian::ledger {

Ledger::Ledger(u128 cell, History& history, std::uint32_t level_max)
    : state_(std::make_unique<State>(cell, history, level_max)) {}
Ledger::~Ledger() = default;

Status Ledger::apply(const EntryView& entry, Applied& applied) {
  return state_->apply(entry, applied);
}

std::optional<AccountState> Ledger::find_account(u128 id) const {
  std::uint32_t slot = state_->accounts.find(id);
  if (slot == internal::no_slot) return std::nullopt;
  return state_->accounts.state(slot);
}

std::optional<StreamState> Ledger::find_stream(u128 stream) const {
  std::uint32_t slot = state_->streams.find(stream);
  if (slot == internal::no_slot) return std::nullopt;
  const internal::StreamSlot& from = state_->streams[slot];
  return StreamState{.stream = from.stream,
                     .last_revision = from.last_revision,
                     .last_record = from.last_record,
                     .first_revision = from.first_revision,
                     .deleted = from.deleted()};
}

std::optional<PendingState> Ledger::find_pending(u128 transfer_id) const {
  auto position = state_->pendings.find(transfer_id);
  if (position == internal::PendingTable::none) return std::nullopt;
  const internal::PendingSlot& slot = state_->pendings[position];
  return PendingState{.transfer = slot.transfer, .record = slot.record};
}

std::vector<AccountState> Ledger::list_accounts(std::uint64_t first, std::size_t count) const {
  std::vector<AccountState> out;
  std::uint64_t size = state_->accounts.size();
  for (std::uint64_t slot = first; slot < size && out.size() < count; ++slot)
    out.push_back(state_->accounts.state(static_cast<std::uint32_t>(slot)));
  return out;
}

std::vector<u128> Ledger::due_expiries(std::uint64_t time, std::size_t count_max) const {
  return state_->pendings.due(time, count_max);
}

std::uint64_t Ledger::records() const { return state_->records; }
std::uint64_t Ledger::last_time() const { return state_->last_time; }
const CellKey& Ledger::cell_key() const { return state_->cell_key; }
std::uint32_t Ledger::feature_level() const { return state_->feature_level; }

LedgerCounts Ledger::counts() const {
  return {.records = state_->records,
          .accounts = state_->accounts.size(),
          .streams = state_->streams.size(),
          .pendings = state_->pendings.size()};
}

std::size_t Ledger::account_memory_bytes() const { return state_->accounts.memory_bytes(); }

void Ledger::begin_checkpoint() { state_->begin_checkpoint(); }
bool Ledger::take_chunks(std::size_t bytes_target, std::vector<StateChunk>& out) {
  return state_->take_chunks(bytes_target, out);
}
Status Ledger::restore(const std::vector<StateChunk>& chunks) { return state_->restore(chunks); }

std::uint64_t Ledger::next_checkpoint_at() const {
  constexpr std::uint64_t interval_min = std::uint64_t{1} << 21;
  std::uint64_t interval = interval_min;
  while (interval < state_->accounts.size()) interval *= 2;
  return (state_->records / interval + 1) * interval;
}

void Ledger::set_balances_for_test(u128 account_id, const Balances& balances) {
  std::uint32_t slot = state_->accounts.find(account_id);
  ASSERT(slot != internal::no_slot);
  state_->accounts.write(slot).balances = balances;
}

}  // namespace meridian::ledger
