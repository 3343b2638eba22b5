// Times as people read them, for messages about certificates. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace meridian::mesh::internal {

/// "2026-11-29 21:05:09 UTC"; seconds since 1970, before it negative.
std::string utc_text(std::int64_t unix_seconds);
/// The largest unit that fits, rounded down: "42 s", "59 min", "2 h", "31 days".
std::string span_text(std::int64_t seconds);

}  // namespace meridian::mesh::internal
