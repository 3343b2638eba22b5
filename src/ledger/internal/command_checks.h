// Which kinds exist, and which bytes of a command are reserved (docs/formats/entry.md).
//
// Shared by the entry's and the header's decoder, so that what one accepts the other does. Pure.
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/bytes.h"
#include "ledger/command.h"

namespace meridian::ledger {

inline bool all_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](Byte byte) { return byte == 0; });
}
/// Asked of every record written, so without a loop.
inline bool all_zero(const crypto::Digest& digest) {
  const Byte* bytes = digest.data();
  return (load_le<u128>(bytes) | load_le<u128>(bytes + sizeof(u128))) == 0;
}

/// Flags of a transfer that ends a pending one.
inline constexpr std::uint16_t transfer_resolves =
    transfer_flags::post_pending_transfer | transfer_flags::void_pending_transfer;

/// False for a number from outside that names no kind.
constexpr bool is_known(CommandKind kind) {
  auto number = static_cast<std::uint8_t>(kind);
  return (number >= 1 && number <= 4) || (number >= 16 && number <= 28) ||
         (number >= 32 && number <= 40);
}

/// Where the last field of a command of `kind` ends; the rest is reserved.
constexpr std::size_t fields_end(CommandKind kind) {
  switch (kind) {
    case CommandKind::open_generation: return offsetof(OpenGeneration, zero);
    case CommandKind::set_feature_level: return offsetof(SetFeatureLevel, zero);
    case CommandKind::expire_pending: return offsetof(ExpirePending, zero);
    case CommandKind::state_digest: return offsetof(StateDigest, zero);
    case CommandKind::time_advance: return offsetof(TimeAdvance, zero);
    case CommandKind::erase_subject: return offsetof(EraseSubject, zero);
    case CommandKind::door_refusals: return offsetof(DoorRefusals, zero);
    case CommandKind::dropped_tail: return offsetof(DroppedTail, zero);
    case CommandKind::cell_key_grant: return offsetof(CellKeyGrant, zero);
    case CommandKind::subject_key: return offsetof(SubjectKey, zero);
    case CommandKind::turn_epoch: return offsetof(TurnEpoch, zero);
    case CommandKind::entry_skipped: return offsetof(EntrySkipped, zero);
    case CommandKind::set_retention: return offsetof(SetRetention, zero);
    case CommandKind::place_hold: return offsetof(PlaceHold, zero);
    case CommandKind::release_hold: return offsetof(ReleaseHold, zero);
    case CommandKind::forget_subject: return offsetof(ForgetSubject, zero);
    case CommandKind::erase_key: return offsetof(EraseKey, zero);
    case CommandKind::expire_class: return offsetof(ExpireClass, zero);
    case CommandKind::set_residency: return offsetof(SetResidency, zero);
    case CommandKind::residency_key: return offsetof(ResidencyKey, zero);
    case CommandKind::turn_residency: return offsetof(TurnResidency, zero);
    case CommandKind::create_account:
    case CommandKind::create_transfer:
    case CommandKind::append_event:
    case CommandKind::delete_stream: return command_size;  // a client's: apply judges and records
    case CommandKind::member_change: return command_size;
  }
  return command_size;
}

/// `command` has command_size bytes.
inline bool reserved_bytes_are_zero(CommandKind kind, const Byte* command) {
  std::size_t end = fields_end(kind);
  if (!all_zero(Bytes(command + end, command_size - end))) return false;
  if (kind == CommandKind::open_generation)
    return load_command<OpenGeneration>(command).zero_a == 0;
  if (kind == CommandKind::state_digest) return load_command<StateDigest>(command).zero_a == 0;
  if (kind == CommandKind::cell_key_grant)
    return all_zero(Bytes(load_command<CellKeyGrant>(command).zero_a));
  if (kind == CommandKind::subject_key)
    return all_zero(Bytes(load_command<SubjectKey>(command).zero_a));
  if (kind == CommandKind::turn_epoch)
    return all_zero(Bytes(load_command<TurnEpoch>(command).zero_a));
  if (kind == CommandKind::set_retention)
    return all_zero(Bytes(load_command<SetRetention>(command).zero_a));
  if (kind == CommandKind::erase_key)
    return all_zero(Bytes(load_command<EraseKey>(command).zero_a));
  if (kind == CommandKind::expire_class)
    return all_zero(Bytes(load_command<ExpireClass>(command).zero_a));
  if (kind == CommandKind::set_residency)
    return all_zero(Bytes(load_command<SetResidency>(command).zero_a));
  if (kind == CommandKind::residency_key)
    return all_zero(Bytes(load_command<ResidencyKey>(command).zero_a)) &&
           all_zero(Bytes(load_command<ResidencyKey>(command).zero_b));
  if (kind == CommandKind::turn_residency)
    return all_zero(Bytes(load_command<TurnResidency>(command).zero_a));
  return true;
}

}  // namespace meridian::ledger
