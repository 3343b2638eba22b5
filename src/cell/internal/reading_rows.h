// Rows of readings as JSON values: of a record, and of the file of what has no record yet.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "cell/reading.h"

namespace meridian::cell::internal {

using ReadingJson = nlohmann::ordered_json;

ReadingJson reading_rows(const std::vector<Reading>& readings);
/// Errors: invalid_argument.
Result<std::vector<Reading>> readings_of(const ReadingJson& list);

/// The opaque id that `object` has under this name, or 0 if there is none.
Result<u128> reading_id(const ReadingJson& object, const char* name);
Error no_readings(std::string_view what);

}  // namespace meridian::cell::internal
