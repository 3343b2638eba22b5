// Personal data is given only for what it is read for, and once that is owed to the records
// (docs/security/policy.md).
//
// What nobody is told apart for, in the clear, is not recorded. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/backend.h"
#include "base/result.h"

namespace meridian::api {

/// Key of gRPC metadata; HTTP has the header `Meridian-Purpose`.
inline constexpr std::string_view purpose_key = "meridian-purpose";

/// What was said before anything is read. Empty: nothing. Errors: invalid_argument.
Status check_given_purpose(std::string_view purpose);

/// Before `events` are given to `asker`: those with personal data are owed. `subject`: the opaque
/// id of whom they are asked about, or 0. Errors: permission_denied if a purpose is needed;
/// resource_exhausted, unavailable: they must not be given.
Status owe_reading(Backend& backend, const Asker& asker, const std::string& purpose,
                   const std::vector<cell::ReadEvent>& events, u128 subject = 0);

}  // namespace meridian::api
