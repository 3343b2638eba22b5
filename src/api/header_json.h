// A stored record's header as readable JSON (ledger/describe.h), for both interfaces. Pure.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace meridian::api {

/// Errors: data_loss if `header` is not one (it came from the ledger).
Result<std::string> header_json_text(Bytes header);

}  // namespace meridian::api
