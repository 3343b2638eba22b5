// Commands that say what is kept, held and destroyed, and what their records mean to a table of
// keys (docs/formats/keys.md). The same for a replica that is alone and for one of several.
//
// Pure; on the door's executor, which owns the table.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "ledger/entry.h"
#include "storage/key_table.h"

namespace meridian::door {

struct KeepingCommand {
  ledger::CommandKind kind;
  std::array<Byte, ledger::command_size> bytes;
  bool operator==(const KeepingCommand&) const = default;
};
template <ledger::CommandStruct Command>
KeepingCommand keeping_command(ledger::CommandKind kind, const Command& command) {
  KeepingCommand made{kind, {}};
  store_le(made.bytes.data(), command);
  return made;
}

/// What such a command changes in a table; none if it changes nothing, on any replica.
std::optional<storage::KeyRow> change_of(ledger::CommandKind kind, const Byte* command);

/// Of one that is about a person; 0 of others.
u128 subject_of(const KeepingCommand& command);
bool is_of_forgetting(const KeepingCommand& command);

/// A class of persons' keys; what its name does not say yet is where it may be read.
struct RetentionDraft {
  RetentionDraft(storage::RetentionClass defined, std::string lives_in = {})
      : retention(defined), residency(std::move(lives_in)) {}
  storage::RetentionClass retention;
  std::string residency;  ///< Name of a jurisdiction; empty: as it is, or anywhere.
};
/// A jurisdiction is defined, or gets further regions.
struct ResidencyDraft {
  std::string name;
  std::vector<std::string> regions;  ///< All of them.
};
struct HoldDraft {
  u128 subject = 0;                     ///< Opaque.
  std::vector<std::uint8_t> classes{};  ///< None: all of them.
  std::string reference{};
};
struct ReleaseDraft {
  u128 hold = 0;
};
/// The key of a jurisdiction is turned over.
struct ResidencyTurnDraft {
  std::string name;
};
using KeepingDraft =
    std::variant<RetentionDraft, HoldDraft, ReleaseDraft, ResidencyDraft, ResidencyTurnDraft>;

/// `fresh`: the id of a hold that is placed. Errors: invalid_argument (a text that is empty, too
/// long or personal; a class that cannot be kept as it says), failed_precondition (the subject was
/// forgotten, keys are by another period already, the class lives elsewhere or has keys, or a key
/// is made or turned over already), not_found (no such hold, or jurisdiction).
Result<std::vector<KeepingCommand>> make_commands(const storage::SubjectKeyring& table,
                                                  const KeepingDraft& draft, u128 fresh);
/// Once its records are in the table. Errors: failed_precondition if what others had recorded just
/// before left it without its effect.
Status check_kept(const storage::SubjectKeyring& table, const KeepingDraft& draft);

/// What is still kept of somebody, in words.
struct Kept {
  storage::KeyName key;
  std::optional<storage::Day> until;  ///< The first day on which it may go.
  std::string class_name, basis;      ///< Of a class that is defined.
  u128 hold = 0;
  std::string reference;  ///< Of the hold.
};
std::vector<Kept> describe_kept(const storage::SubjectKeyring& table, u128 subject,
                                const std::vector<storage::KeptKey>& kept);

/// To forget somebody: its keys that may go are named to be destroyed, and the rest is kept until
/// it may go too. `epoch`: the one whose key is destroyed with them.
struct Forgetting {
  std::vector<KeepingCommand> commands;  ///< The first names the subject.
  std::vector<storage::KeyName> erased;
  std::vector<Kept> kept;
  std::uint32_t keys_destroyed = 0;
  std::uint32_t epoch = 0;  ///< 0 if no key is destroyed.
};
Forgetting forget(const storage::SubjectKeyring& table, u128 subject, std::uint32_t epoch);

/// Of a class whose time is up.
KeepingCommand expiry(const storage::DueKeys::Expired& due, std::uint32_t epoch);

/// Retention classes of keys, ascending, each once.
std::vector<std::uint8_t> classes_of(const std::vector<storage::KeyName>& keys);

}  // namespace meridian::door
