// The ledger's status codes, as the packed replies carry them: names, and which are for good.
#pragma once

#include <cstdint>
#include <string_view>

#include "meridian/records.h"

namespace meridian::client {

inline constexpr std::uint32_t status_created = 0xFFFF'FFFF;
inline constexpr std::uint32_t status_linked_event_failed = 1;  ///< Of every kind.
std::uint32_t status_exists(Kind kind);

/// "exceeds_credits"; "unknown" for a code newer than this library.
std::string_view status_name(Kind kind, std::uint32_t status);

/// True if a command refused so can never be created later under the same id with the same fields,
/// by an attempt that is still on its way: the reason cannot pass, or the ledger remembers the id.
/// Of a chain's linked_event_failed only the member that broke it can tell.
bool is_final(Kind kind, std::uint32_t status);

}  // namespace meridian::client
