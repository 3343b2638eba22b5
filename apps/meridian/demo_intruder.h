// Who knocks at a server of the demo with a certificate of their own making: shows it, believes any
// server, and says what they are told.
#pragma once

#include <string>

#include "base/result.h"

namespace meridian::app {

/// What the server at `address` answers the identity of `directory`, which asks for the status.
/// Errors: internal if it was let in.
Result<std::string> knock(const std::string& address, const std::string& directory);

}  // namespace meridian::app
