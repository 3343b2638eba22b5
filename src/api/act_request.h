// Requests for dangerous acts in the one way in which a proposal may write them, for servers that
// compare and for commands that propose. Both interfaces mean the same act by the same text. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "api/convert_keys.h"
#include "base/u128.h"
#include "door/keeping_commands.h"
#include "mesh/act.h"
#include "replica/group_state.h"

namespace meridian::api {

/// {"steps":[{"add":{"id":"4","region":"eu","peer_address":"…"}},{"promote":"4"},{"remove":"1"}]}
mesh::ActRequest change_of_members(const std::vector<replica::MemberStep>& steps);
/// {"activate":2}
mesh::ActRequest activation_of(std::uint32_t level);
/// {"subject_id":"…"}: no name of a person comes into a record.
mesh::ActRequest forgetting_of(u128 subject);
/// {"retention":3,"name":"tax","basis":"AO 147","by_month":false,"keep_at_least":"10y",
/// "erase_at_latest":""}
/// With "residency":"eu" behind them if it names a jurisdiction.
mesh::ActRequest definition_of(const door::RetentionDraft& draft);
/// {"name":"eu","regions":["eu-west","eu-north"]}
mesh::ActRequest residency_of(const door::ResidencyDraft& draft);
/// {"key":"storage"}; of one of several replicas {"key":"storage","replica":"2"};
/// {"key":"residency","jurisdiction":"eu"}
mesh::ActRequest rotation_of(const KeyRotation& what);

/// The methods of the gRPC interface that do dangerous acts; a test sees that none is missing.
std::span<const std::string_view> dangerous_methods();

}  // namespace meridian::api
