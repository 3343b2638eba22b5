// The one text of a JSON document that is signed (docs/formats/signature.md): names in the order of
// their bytes, no white space, numbers as they were written. Pure. Depth and time are bounded.
#pragma once

#include <string>
#include <string_view>

#include "meridian/answers.h"

namespace meridian::client {

/// Errors: invalid_argument for what is no JSON in UTF-8, nests deeper than 32 levels, or has a
/// name twice in an object.
Result<std::string> canonical_json(std::string_view text);

}  // namespace meridian::client
