#include "mesh/action.h"

#include <algorithm>
#include <array>

namespace meridian::mesh {
namespace {

constexpr std::array<ActionInfo, action_count> infos = {{
    {"transfers.create", Scope::ledger},
    {"accounts.create", Scope::ledger},
    {"accounts.read", Scope::ledger},
    {"events.append", Scope::stream},
    {"streams.delete", Scope::stream},
    {"events.read", Scope::stream, false, true},
    {"records.read"},
    {"outcomes.read"},
    {"proofs.read"},
    {"subjects.read"},
    {"subjects.export", Scope::cell, false, true},
    {"subjects.forget", Scope::cell, true, true},
    {"holds.change", Scope::cell, false, true},
    {"status.read"},
    {"metrics.read"},
    {"members.read"},
    {"members.change", Scope::cell, true, true},
    {"upgrade.read"},
    {"upgrade.activate", Scope::cell, true, true},
    {"keys.read"},
    {"keys.rotate", Scope::cell, true, true},
    {"policy.read"},
    {"policy.propose", Scope::cell, true, true},
    {"policy.approve", Scope::cell, false, true},
    {"recovery.run", Scope::cell, true, true},
    {"schemas.read"},
    {"schemas.change", Scope::cell, false, true},
    {"retention.change", Scope::cell, true, true},
    {"issuances.record"},
}};
static_assert(!infos.back().name.empty());

constexpr std::array<std::string_view, role_count> role_names = {
    "writer", "reader", "auditor", "regulator", "operator", "privacy officer"};

Actions set_of(std::initializer_list<Action> actions) {
  Actions set;
  for (const Action action : actions) set.set(index_of(action));
  return set;
}

/// In the order of Role.
std::array<Actions, role_count> make_roles() {
  using enum Action;
  const Actions seen_by_all = set_of({outcomes_read, proofs_read, status_read, schemas_read});
  const Actions auditor =
      seen_by_all | set_of({records_read, accounts_read, subjects_read, metrics_read, members_read,
                            upgrade_read, keys_read, policy_read});
  return {seen_by_all | set_of({transfers_create, accounts_create, events_append, streams_delete}),
          seen_by_all | set_of({accounts_read, events_read}),
          auditor,
          auditor | set_of({events_read}),
          set_of({status_read, metrics_read, members_read, members_change, upgrade_read,
                  upgrade_activate, keys_read, keys_rotate, policy_read, policy_propose,
                  policy_approve, recovery_run, schemas_read, schemas_change}),
          set_of({status_read, schemas_read, proofs_read, subjects_read, subjects_export,
                  subjects_forget, holds_change, retention_change, policy_read})};
}

}  // namespace

const ActionInfo& info(Action action) { return infos[index_of(action)]; }

bool needs_person(Action action) {
  return info(action).is_dangerous || action == Action::policy_approve;
}

std::optional<Action> action_named(std::string_view name) {
  const auto* const found = std::ranges::find(infos, name, &ActionInfo::name);
  if (found == infos.end()) return std::nullopt;
  return action_at(static_cast<std::size_t>(found - infos.begin()));
}

std::string_view name(Role role) { return role_names[static_cast<std::size_t>(role)]; }

std::optional<Role> role_named(std::string_view name) {
  const auto* const found = std::ranges::find(role_names, name);
  if (found == role_names.end()) return std::nullopt;
  return static_cast<Role>(found - role_names.begin());
}

const Actions& actions_of(Role role) {
  static const std::array<Actions, role_count> roles = make_roles();
  return roles[static_cast<std::size_t>(role)];
}

}  // namespace meridian::mesh
