// Names of account and transfer flags, as command lines and JSON write them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace meridian::app {

/// Errors: invalid_argument listing the names there are.
Result<std::uint32_t> parse_account_flags(const std::vector<std::string>& names);
Result<std::uint32_t> parse_transfer_flags(const std::vector<std::string>& names);
/// "pending linked" for transfer flags.
std::string flag_words(std::uint32_t transfer_flags);
std::string flag_help(bool of_accounts);

}  // namespace meridian::app
