// Policies, proposals and approvals as messages.
#pragma once

#include <nlohmann/json.hpp>

#include "api/backend.h"
#include "meridian/v1/ledger.pb.h"

namespace meridian::api {

/// Which policy is in force here.
void fill_state(const Backend& backend, v1::PolicyState& out);
void fill_policy(const Backend& backend, v1::PolicyReply& out);
nlohmann::ordered_json policy_state_json(const Backend& backend);
nlohmann::ordered_json policy_json(const Backend& backend);

}  // namespace meridian::api
