// Members of the cell, between replica/ and both interfaces. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "meridian/v1/ledger.pb.h"
#include "replica/group_report.h"
#include "replica/group_state.h"

namespace meridian::api {

inline constexpr std::size_t member_steps_max = 16;

/// Errors: invalid_argument naming the field.
Result<std::vector<replica::MemberStep>> parse_steps(const v1::ChangeMembersRequest& request);
/// {"steps":[{"add":{"id","region","peer_address"}},{"promote":"4"},{"remove":"1"}]}
Result<std::vector<replica::MemberStep>> parse_steps_json(std::string_view body);

/// Everybody, this replica among the others, by id.
void fill(const replica::GroupReport& report, u128 cell, v1::MembersReply& reply);
nlohmann::ordered_json members_json(const replica::GroupReport& report, u128 cell);
/// "learner", "voter", "leaving"; empty for none.
std::string_view name(replica::GroupReport::Part part);

/// What another than the leader says to who asks for the leader's view.
Error not_the_leader(const replica::GroupReport& report);
/// What a node says that is alone.
Error no_group();

}  // namespace meridian::api
