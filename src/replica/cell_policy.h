// The policy file of a cell: whoever trusts its voters, each under its own keys.
//
// A receipt then proves what a majority of them cosigned; `global` is computed from their regions
// (proof/policy.h). It is worth what the way it was got is worth: compare it with what another
// replica gives. Pure.
#pragma once

#include <vector>

#include "proof/policy.h"
#include "replica/replica.h"

namespace meridian::replica {

/// Errors: invalid_argument if a vkey is none or a region cannot stand in a policy.
Result<proof::Policy> make_policy(const std::vector<Replica::VoterKeys>& voters);

}  // namespace meridian::replica
