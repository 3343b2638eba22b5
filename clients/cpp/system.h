// What the client takes from the machine: time, random bytes, its identity. The only door of
// clients/cpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace meridian::client {

using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

/// For deadlines and pauses.
Time now();
/// Milliseconds since 1970, for ids only.
std::uint64_t wall_ms();
/// The kernel's. Stops the process if it has none.
void fill_from_system(std::span<std::byte> out);
/// Nothing if it cannot be read.
std::optional<std::string> read_file(const std::string& path);

}  // namespace meridian::client
