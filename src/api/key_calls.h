// What both interfaces do to list keys and to turn them over. Thread-safe; callbacks come on the
// calling thread or an internal executor.
#pragma once

#include <functional>

#include "api/backend.h"
#include "api/convert_keys.h"

namespace meridian::api {

/// Errors: unavailable (the server is stopping, or keeps no keys); of the disk.
void list_keys(Backend& backend, std::function<void(Result<v1::NodeKeysReply>)> done);

/// A dangerous act (second_person.h). Errors: its; unavailable naming who leads instead;
/// failed_precondition if it is under way already.
void rotate_key(Backend& backend, const Asker& asker, const KeyRotation& what,
                std::function<void(Result<Rotated>)> done);

}  // namespace meridian::api
