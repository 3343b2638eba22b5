// Sealed files that nothing else in a verification reads from end to end.
#pragma once

#include <string>
#include <string_view>

#include "audit/internal/findings.h"
#include "storage/sealed_file.h"

namespace meridian::audit::internal {

/// Every frame of every sealed file of `directory` opens; `what` names it in findings.
void check_sealed_files(const storage::SealedContext& context, const std::string& directory,
                        std::string_view what, Findings& findings);

}  // namespace meridian::audit::internal
