#include "api/convert_policy.h"

#include "api/convert.h"

namespace meridian::api {
namespace {

void fill_state(const Backend& backend, const cell::PolicyKeeper::View& view,
                const mesh::Policy* policy, v1::PolicyState& out) {
  if (policy != nullptr) out.set_digest(policy->digest().data(), policy->digest().size());
  out.set_on_record(view.is_on_record);
  out.set_bootstrap(backend.access.is_bootstrap());
  out.set_version(view.version);
  for (const mesh::SignedGlass& one : backend.access.glasses())
    out.add_glass(mesh::format_glass(one.glass));
}

nlohmann::ordered_json state_json(const Backend& backend, const cell::PolicyKeeper::View& view,
                                  const mesh::Policy* policy) {
  nlohmann::ordered_json out{{"digest", policy != nullptr ? to_hex(policy->digest()) : ""},
                             {"on_record", view.is_on_record},
                             {"version", std::to_string(view.version)},
                             {"bootstrap", backend.access.is_bootstrap()}};
  for (const mesh::SignedGlass& one : backend.access.glasses())
    out["glass"].push_back(mesh::format_glass(one.glass));
  return out;
}

cell::PolicyKeeper::View view_of(const Backend& backend) {
  return backend.policies != nullptr ? backend.policies->view() : cell::PolicyKeeper::View();
}

}  // namespace

void fill_state(const Backend& backend, v1::PolicyState& out) {
  fill_state(backend, view_of(backend), backend.access.policy().get(), out);
}

void fill_policy(const Backend& backend, v1::PolicyReply& out) {
  const cell::PolicyKeeper::View view = view_of(backend);
  const std::shared_ptr<const mesh::Policy> policy = backend.access.policy();
  out.set_cell(format_u128(backend.cell_id));
  fill_state(backend, view, policy.get(), *out.mutable_state());
  if (policy) out.set_policy(policy->text());
  for (const mesh::PolicyHistory::Proposal& one : view.open) {
    v1::PolicyProposal& to = *out.add_open();
    to.set_hash(one.hash.data(), one.hash.size());
    to.set_statement(mesh::format_statement(one.statement));
    to.set_policy(one.policy->text());
    to.set_ends(one.ends_s);
  }
}

nlohmann::ordered_json policy_state_json(const Backend& backend) {
  return state_json(backend, view_of(backend), backend.access.policy().get());
}

nlohmann::ordered_json policy_json(const Backend& backend) {
  const cell::PolicyKeeper::View view = view_of(backend);
  const std::shared_ptr<const mesh::Policy> policy = backend.access.policy();
  nlohmann::ordered_json out = state_json(backend, view, policy.get());
  out["policy"] = policy ? policy->text() : "";
  out["open"] = nlohmann::ordered_json::array();
  for (const mesh::PolicyHistory::Proposal& one : view.open)
    out["open"].push_back({{"hash", to_hex(one.hash)},
                           {"statement", mesh::format_statement(one.statement)},
                           {"policy", one.policy->text()},
                           {"ends", std::to_string(one.ends_s)}});
  return out;
}

}  // namespace meridian::api
