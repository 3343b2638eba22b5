// The whole state of a Ledger and the judging of each kind of command.
//
// One file of functions per kind: account_posting.cpp, transfer_posting.cpp, pending_posting.cpp,
// event_posting.cpp, system_posting.cpp; chains and undo in ledger.cpp; checkpoints in
// state_checkpoint.cpp. A judge_* function either changes nothing and returns a refusal, or
// changes the state, fills `effect` and returns created.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ledger/internal/account_table.h"
#include "ledger/internal/pending_table.h"
#include "ledger/internal/stream_table.h"
#include "ledger/ledger.h"

namespace meridian::ledger::internal {

/// Timestamps use 63 bits, as the standard has it.
inline constexpr std::uint64_t timestamp_max = ~std::uint64_t{0} >> 1;
/// One chunk of a checkpoint holds them all; ids of replicas that left count too.
inline constexpr std::size_t cell_key_grants_max = 4'096;
inline constexpr std::uint64_t entry_gap_ns_max = 60'000'000'000;

/// How to take back one change of an open chain.
struct Undo {
  enum class Kind : std::uint8_t {
    account_changed,
    account_added,
    pending_added,
    pending_ended,
    stream_changed,
    stream_added,
    id_inserted,
    last_transfer_timestamp,
  };
  Kind kind;
  IdSpace space = IdSpace::transfer;
  std::uint16_t flags = 0;
  std::uint32_t slot = 0;
  std::uint64_t number = 0;  ///< Position, revision or timestamp, by kind.
  std::uint64_t first_revision = 0;
  RecordIndex last_record = no_record;
  u128 id = 0;
  Balances balances{};
};

/// A transfer of the past as the rules see it: what a post or void left out is filled in.
struct PastTransfer {
  bool created;  ///< false: its id failed for a transient reason
  Transfer transfer;
};

/// Where a command stands.
struct CommandPlace {
  std::uint32_t number;        ///< In the entry.
  std::uint64_t time;          ///< Of this record.
  std::uint64_t request_time;  ///< Of the last record of its request: imports must be before it.
  bool is_signed;              ///< By the client that sent its request.
};

struct Chain;

struct LedgerState {
  LedgerState(u128 cell_id, History& history_, std::uint32_t level_max_)
      : cell(cell_id), history(history_), level_max(level_max_) {}

  // What is frozen into checkpoints.
  u128 cell;
  std::uint64_t generation = 0;
  std::uint64_t records = 0;
  std::uint64_t opened_at = 0;  ///< Time of record 0.
  std::uint64_t last_time = 0;
  std::uint64_t advanced_to = 0;  ///< By the newest time_advance.
  std::uint64_t last_transfer_timestamp = 0;
  std::uint32_t feature_level = 0;
  CellKey cell_key;
  AccountTable accounts;
  PendingTable pendings;
  StreamTable streams;

  History& history;
  const std::uint32_t level_max;  ///< Newer ones are not run.
  bool damaged = false;  ///< History failed in the middle of an entry: nothing may be applied.

  // The entry being applied.
  const EntryView* entry = nullptr;
  Applied* applied = nullptr;
  std::vector<CommandKind> kinds;
  std::vector<std::uint32_t> debit_slots, credit_slots;  ///< As looked up ahead, by command.
  bool chain_open = false;                               ///< Changes go to `undo`.
  std::vector<Undo> undo;

  // A checkpoint being handed out.
  Buffer frozen_meta;
  Buffer frozen_cell_key;
  bool checkpoint_open = false;
  std::uint16_t checkpoint_kind = 0;
  std::uint32_t checkpoint_number = 0;

  // ledger.cpp
  Status check(const EntryView& view) const;
  Status check_level(std::uint32_t level) const;
  Status apply(const EntryView& view, Applied& out);
  Status apply_request(std::uint32_t first, const RequestHeader& request);
  Status apply_one(const CommandPlace& place, bool last_of_request, Chain& chain);
  Result<Outcome> judge(const CommandPlace& place, Effect& effect);
  void look_ahead(std::uint32_t number, std::uint32_t end);
  void roll_back();
  void insert_id(IdSpace space, u128 id, RecordIndex at);
  AccountSlot& change_account(std::uint32_t slot);
  StreamSlot& change_stream(std::uint32_t slot);

  RecordIndex record_of(const CommandPlace& place) const {
    return RecordIndex{records + place.number};
  }

  // account_posting.cpp
  Result<Outcome> judge_account(const Account& command, const CommandPlace& place, Effect& effect);
  Result<bool> has_transfer_at(std::uint64_t timestamp);

  // transfer_posting.cpp
  Result<Outcome> judge_transfer(const Transfer& command, const CommandPlace& place,
                                 Effect& effect);
  Result<Outcome> judge_existing(const Transfer& command, RecordIndex at, Effect& effect);
  Result<PastTransfer> past_transfer(RecordIndex at);
  bool import_regresses(const Transfer& command) const;
  TransferOutcome check_signature(const AccountSlot& debit, const AccountSlot& credit,
                                  const CommandPlace& place) const;
  void record_transfer(const Transfer& transfer, const CommandPlace& place);

  // pending_posting.cpp
  Result<Outcome> judge_resolution(const Transfer& command, const CommandPlace& place,
                                   Effect& effect);
  Result<TransferOutcome> resolved_as(u128 pending_id);
  void end_pending(PendingTable::Position position, const CommandPlace& place, u128 posted,
                   Effect& effect);
  Outcome judge_expiry(const ExpirePending& command, const CommandPlace& place, Effect& effect);

  // event_posting.cpp
  Result<Outcome> judge_event(const AppendEvent& command, const CommandPlace& place,
                              Effect& effect);
  Result<Outcome> judge_deletion(const DeleteStream& command, const CommandPlace& place,
                                 Effect& effect);

  // system_posting.cpp
  Outcome judge_system(const CommandPlace& place, Effect& effect);
  bool take_grant(const CellKeyGrant& grant, RecordIndex record);

  // state_checkpoint.cpp
  void begin_checkpoint();
  bool take_chunks(std::size_t bytes_target, std::vector<StateChunk>& out);
  Status restore(const std::vector<StateChunk>& chunks);
};

}  // namespace meridian::ledger::internal

namespace meridian::ledger {

struct Ledger::State : internal::LedgerState {
  using LedgerState::LedgerState;
};

}  // namespace meridian::ledger
