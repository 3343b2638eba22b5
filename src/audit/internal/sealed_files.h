// Sealed files that nothing else in a verification reads from end to end.
#pragma once

#include "audit/internal/findings.h"
#include "storage/sealed_file.h"
#include "storage/state_store.h"

namespace meridian::audit::internal {

/// Every frame of the runs of all indexes opens: of those that the newest checkpoint of `states`
/// names. What was being merged when the server stopped is none of them, and need not be whole. If
/// `states` is null, or a manifest does not open: of whatever stands there.
void check_indexes(const storage::SealedContext& context, const storage::StateStore* states,
                   Findings& findings);

}  // namespace meridian::audit::internal
