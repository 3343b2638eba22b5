// What a leader checks of a change of members beside their placement (group_state.h): that the cell
// goes on after it. Pure.
#pragma once

#include <vector>

#include "base/result.h"
#include "consensus/membership.h"
#include "replica/group_report.h"
#include "replica/group_state.h"

namespace meridian::replica {

/// Entries that a learner may lack when it gets a vote: what is under way on a busy, distant link.
inline constexpr std::uint64_t promotion_lag_max = 256;

/// Whether a learner has come so far that it may vote. Errors: failed_precondition, saying what it
/// lacks.
Status check_promotion(const GroupReport::Peer& learner);

/// `next` is the membership after `steps`, `report` the leader's. Errors: failed_precondition: who
/// gets a vote is behind (check_promotion), or too few of the voters answer.
Status check_going_on(const consensus::Membership& next, const std::vector<MemberStep>& steps,
                      const GroupReport& report);

}  // namespace meridian::replica
