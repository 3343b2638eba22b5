// Words for how a replica stands in its group, the same in every interface.
#pragma once

#include <string_view>

#include "replica/group_report.h"

namespace meridian::api {

/// "follower", "pre_candidate", "candidate", "leader".
std::string_view name(consensus::Role role);
/// "probe", "replicate", "snapshot".
std::string_view name(consensus::PeerProgress::State state);

}  // namespace meridian::api
