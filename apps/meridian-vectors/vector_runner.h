// Runs one case of test vectors against a real ledger: rows become entries, are encoded, decoded
// and applied; queries read the headers that this gave.
//
// Time goes as in the tests that the vectors come from: one nanosecond per operation and one per
// row, and pending transfers expire when nothing else happens. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "vector_file.h"

namespace meridian::vectors {

/// What differed, in words: "step 2 (create_transfers), row 3: expected x, got y".
using Mismatches = std::vector<std::string>;

/// Empty if the case passes. Errors: invalid_argument if the case cannot be run (it names an
/// account or transfer that does not exist where one is needed, or a time past the end of time).
Result<Mismatches> run_case(const Case& one);

}  // namespace meridian::vectors
