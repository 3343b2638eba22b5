#include "api/method_needs.h"

#include <algorithm>
#include <array>
#include <utility>

namespace meridian::api {

const Needs* needs_of_method(std::string_view path) {
  using enum mesh::Action;
  static const std::array methods = std::to_array<std::pair<std::string_view, Needs>>({
      {"/meridian.v1.Accounts/Create", accounts_create},
      {"/meridian.v1.Accounts/CreatePacked", accounts_create},
      {"/meridian.v1.Accounts/Lookup", accounts_read},
      {"/meridian.v1.Accounts/List", accounts_read},
      {"/meridian.v1.Accounts/Query", accounts_read},
      {"/meridian.v1.Accounts/Transfers", accounts_read},
      {"/meridian.v1.Accounts/Balances", accounts_read},
      {"/meridian.v1.Transfers/Create", transfers_create},
      {"/meridian.v1.Transfers/CreatePacked", transfers_create},
      {"/meridian.v1.Transfers/Lookup", accounts_read},
      {"/meridian.v1.Transfers/Query", accounts_read},
      {"/meridian.v1.Streams/Append", events_append},
      {"/meridian.v1.Streams/Delete", streams_delete},
      {"/meridian.v1.Streams/Read", events_read},
      {"/meridian.v1.Streams/Subscribe", events_read},
      {"/meridian.v1.Transactions/Transact",
       {transfers_create, events_append, accounts_create, streams_delete}},
      {"/meridian.v1.Transactions/Outcome", outcomes_read},
      {"/meridian.v1.Proofs/Checkpoint", proofs_read},
      {"/meridian.v1.Proofs/Receipt", proofs_read},
      {"/meridian.v1.Proofs/Record", records_read},
      {"/meridian.v1.Proofs/Signature", records_read},
      {"/meridian.v1.Proofs/Keys", proofs_read},
      {"/meridian.v1.Proofs/Witnesses", proofs_read},
      {"/meridian.v1.Feed/Follow", records_read},
      {"/meridian.v1.Subjects/Forget", subjects_forget},
      {"/meridian.v1.Subjects/Status", subjects_read},
      {"/meridian.v1.Subjects/Export", subjects_export},
      {"/meridian.v1.Subjects/Erasures", subjects_read},
      {"/meridian.v1.Subjects/SetRetention", retention_change},
      {"/meridian.v1.Subjects/SetResidency", retention_change},
      {"/meridian.v1.Subjects/PlaceHold", holds_change},
      {"/meridian.v1.Subjects/ReleaseHold", holds_change},
      {"/meridian.v1.Subjects/Keeping", subjects_read},
      {"/meridian.v1.Schemas/Set", schemas_change},
      {"/meridian.v1.Schemas/List", schemas_read},
      {"/meridian.v1.Admin/Status", status_read},
      {"/meridian.v1.Admin/Settle", status_read},
      {"/meridian.v1.Admin/Metrics", metrics_read},
      {"/meridian.v1.Members/List", members_read},
      {"/meridian.v1.Members/Change", members_change},
      {"/meridian.v1.Upgrade/Status", upgrade_read},
      {"/meridian.v1.Upgrade/Activate", upgrade_activate},
      {"/meridian.v1.Policy/Show", policy_read},
      {"/meridian.v1.Policy/Propose", policy_propose},
      {"/meridian.v1.Policy/Approve", policy_approve},
      {"/meridian.v1.Acts/List",
       {policy_read, members_change, upgrade_activate, subjects_forget, keys_rotate, recovery_run,
        retention_change}},
      {"/meridian.v1.Acts/Propose",
       {members_change, upgrade_activate, subjects_forget, keys_rotate, recovery_run,
        retention_change}},
      {"/meridian.v1.Acts/Approve",
       {members_change, upgrade_activate, subjects_forget, keys_rotate, recovery_run,
        retention_change}},
      // Who is named in it, by those who signed it; the service looks.
      {"/meridian.v1.Acts/BreakGlass", status_read},
      {"/meridian.v1.Readings/List", records_read},
      {"/meridian.v1.Issuances/Head", {issuances_record, records_read}},
      {"/meridian.v1.Issuances/Record", issuances_record},
      {"/meridian.v1.Issuances/List", records_read},
      {"/meridian.v1.Keys/List", keys_read},
      {"/meridian.v1.Keys/Rotate", keys_rotate},
      {"/grpc.health.v1.Health/Check", status_read},
      {"/grpc.health.v1.Health/Watch", status_read},
      {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", status_read},
  });
  const auto* const found = std::ranges::find(methods, path, [](const auto& m) { return m.first; });
  return found == methods.end() ? nullptr : &found->second;
}

mesh::Action needs_of_tile(std::string_view path) {
  return path.starts_with("/log/tile/entries/") ? mesh::Action::records_read
                                                : mesh::Action::proofs_read;
}

}  // namespace meridian::api
