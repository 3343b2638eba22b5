// The one place where dangerous acts are let through: by the approval of a second person, recorded
// as used before the act is begun, or by a broken glass, and that is recorded as well
// (docs/security/policy.md).
//
// Fails closed: who is nobody, whom the policy does not give the act, and a replica that cannot
// record the use, begin nothing. In the clear, where nobody is told apart, everything is allowed.
// Thread-safe; `then` comes on the calling thread or an internal executor.
#pragma once

#include <functional>

#include "api/backend.h"
#include "base/result.h"
#include "mesh/act.h"

namespace meridian::api {

/// `then` is called once; without an error the act is to be begun, once, by who asked. Errors:
/// permission_denied saying what is missing and what comes next; unavailable (another replica
/// leads).
void begin_act(Backend& backend, const Asker& asker, mesh::ActRequest what,
               std::function<void(Status)> then);

/// Whether dangerous acts of this caller need a second person, by the policy in force.
bool needs_second_person(const Backend& backend, const Asker& asker);

}  // namespace meridian::api
