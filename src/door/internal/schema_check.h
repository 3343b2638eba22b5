// Whether a JSON Schema is one that is checked as it says: RapidJSON passes over what it does not
// know or cannot use, and a rule that is passed over protects nobody.
#pragma once

#include <rapidjson/document.h>

#include "base/result.h"

namespace meridian::door::internal {

/// Errors: invalid_argument naming the place and what to write.
Status check_schema(const rapidjson::Document& schema);

}  // namespace meridian::door::internal
