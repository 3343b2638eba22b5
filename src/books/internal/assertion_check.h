// Checks the balance assertions of a whole journal in order of date. See book.h for the rules.
#pragma once

#include <string_view>

#include "base/result.h"

namespace meridian::books {

/// Errors: failed_precondition naming the line of the first assertion, by date, that fails. The
/// text has been read without error before.
Status check_assertions(std::string_view text, std::string_view file_name);

}  // namespace meridian::books
