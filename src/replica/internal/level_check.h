// What a feature level has not yet is not proposed: a version that runs the cell's level only may
// not know such a command at all.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "ledger/entry.h"

namespace meridian::replica {

/// Errors: failed_precondition naming what needs which level. Cost: O(runs); below the level of
/// required signatures also O(accounts).
Status check_level(const ledger::Request& request, std::uint32_t level);

}  // namespace meridian::replica
