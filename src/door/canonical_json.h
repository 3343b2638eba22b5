// One text for what a JSON document says, so that it can be signed, taken apart by a schema, put
// together again and still be compared (docs/formats/signature.md).
//
// As RFC 8785, but for two things: numbers stay as they were written, as no digit of them may be
// lost, and names are ordered by the bytes of their UTF-8. Pure. Cost: about 7 ns per byte.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace meridian::door {

/// Errors: invalid_argument for what is no JSON in UTF-8, is nested deeper than event_depth_max, or
/// has a name twice in one object: which counts is not known.
Result<std::string> canonical_json(std::string_view text);

}  // namespace meridian::door
