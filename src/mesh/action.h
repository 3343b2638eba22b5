// What a caller can ask for, and what is special about it: the vocabulary of policies.
//
// Pure. A new call of an interface gets an action here, or uses one that means the same to who
// grants it. Names are what policies and audit records say, for ever; numbers stand in records of
// denials (docs/formats/entry.md), so a new action comes last.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace meridian::mesh {

enum class Action : std::uint8_t {
  transfers_create,
  accounts_create,
  accounts_read,  ///< Balances, and the transfers of an account.
  events_append,
  streams_delete,
  events_read,    ///< Opens payloads: personal data.
  records_read,   ///< Headers of all records: who did what when, in opaque ids.
  outcomes_read,  ///< What became of a command whose id the caller knows.
  proofs_read,    ///< Receipts, checkpoints, keys that verify them.
  subjects_read,
  subjects_export,
  subjects_forget,
  holds_change,
  status_read,
  metrics_read,
  members_read,
  members_change,
  upgrade_read,
  upgrade_activate,
  keys_read,
  keys_rotate,
  policy_read,
  policy_propose,
  policy_approve,
  recovery_run,
  schemas_read,
  schemas_change,
  retention_change,  ///< How long classes of personal data are kept, and where they live.
  issuances_record,  ///< What an authority issued: its journal.
};
inline constexpr std::size_t action_count = static_cast<std::size_t>(Action::issuances_record) + 1;
using Actions = std::bitset<action_count>;

/// What a grant of it must say besides the cells.
enum class Scope : std::uint8_t { cell, ledger, stream };

struct ActionInfo {
  std::string_view name;  ///< "transfers.create"
  Scope scope = Scope::cell;
  /// A person does it, with a second one who approves.
  bool is_dangerous = false;
  /// Kept on record each time that it was allowed.
  bool is_recorded = false;
};
const ActionInfo& info(Action action);
/// What no program may do whatever its grants: dangerous acts, and approving them.
bool needs_person(Action action);
/// As it stands in records: 1 and up.
inline constexpr std::uint32_t number_of(Action action) {
  return static_cast<std::uint32_t>(action) + 1;
}
std::optional<Action> action_named(std::string_view name);

inline constexpr std::size_t index_of(Action action) { return static_cast<std::size_t>(action); }
inline constexpr Action action_at(std::size_t index) { return static_cast<Action>(index); }

/// What people are, in words that auditors know. A role is a set of actions and no more.
enum class Role : std::uint8_t { writer, reader, auditor, regulator, operator_, privacy_officer };
inline constexpr std::size_t role_count = 6;
std::string_view name(Role role);  ///< "privacy officer"
std::optional<Role> role_named(std::string_view name);
const Actions& actions_of(Role role);

}  // namespace meridian::mesh
