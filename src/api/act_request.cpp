#include "api/act_request.h"

#include <array>
#include <nlohmann/json.hpp>

#include "ledger/describe.h"

namespace meridian::api {
namespace {

using Json = nlohmann::ordered_json;
using Kind = consensus::MemberChange::Kind;

constexpr std::array<std::string_view, 6> methods = {
    "/meridian.v1.Members/Change",  "/meridian.v1.Upgrade/Activate",
    "/meridian.v1.Subjects/Forget", "/meridian.v1.Subjects/SetRetention",
    "/meridian.v1.Keys/Rotate",     "/meridian.v1.Subjects/SetResidency"};

/// On one line, in ASCII.
std::string canonical(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

Json step_json(const replica::MemberStep& step) {
  const std::string id = std::to_string(step.member.id);
  switch (step.change) {
    case Kind::learner:
      return {{"add", Json{{"id", id},
                           {"region", step.member.region},
                           {"peer_address", step.member.address}}}};
    case Kind::voter: return {{"promote", id}};
    case Kind::remove: return {{"remove", id}};
  }
  return {};
}

}  // namespace

mesh::ActRequest change_of_members(const std::vector<replica::MemberStep>& steps) {
  Json list = Json::array();
  for (const replica::MemberStep& step : steps) list.push_back(step_json(step));
  return {mesh::Action::members_change, std::string(methods[0]),
          canonical(Json{{"steps", std::move(list)}})};
}

mesh::ActRequest activation_of(std::uint32_t level) {
  return {mesh::Action::upgrade_activate, std::string(methods[1]),
          canonical(Json{{"activate", level}})};
}

mesh::ActRequest forgetting_of(u128 subject) {
  return {mesh::Action::subjects_forget, std::string(methods[2]),
          canonical(Json{{"subject_id", ledger::opaque_hex(subject)}})};
}

mesh::ActRequest definition_of(const door::RetentionDraft& draft) {
  const storage::RetentionClass& retention = draft.retention;
  Json request{
      {"retention", retention.retention},
      {"name", storage::text_of(retention.name)},
      {"basis", storage::text_of(retention.basis)},
      {"by_month", retention.is_by_month},
      {"keep_at_least", to_text(retention.keep)},
      {"erase_at_latest", retention.erase.is_zero() ? std::string() : to_text(retention.erase)}};
  if (!draft.residency.empty()) request["residency"] = draft.residency;
  return {mesh::Action::retention_change, std::string(methods[3]), canonical(request)};
}

mesh::ActRequest residency_of(const door::ResidencyDraft& draft) {
  return {mesh::Action::retention_change, std::string(methods[5]),
          canonical(Json{{"name", draft.name}, {"regions", draft.regions}})};
}

mesh::ActRequest rotation_of(const KeyRotation& what) {
  Json request{{"key", what.key}};
  if (what.replica) request["replica"] = std::to_string(*what.replica);
  if (!what.jurisdiction.empty()) request["jurisdiction"] = what.jurisdiction;
  return {mesh::Action::keys_rotate, std::string(methods[4]), canonical(request)};
}

std::span<const std::string_view> dangerous_methods() { return methods; }

}  // namespace meridian::api
