// What the client takes from the machine: time and random bytes. The only door of clients/cpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace meridian::client {

using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

/// For deadlines and pauses.
Time now();
/// Milliseconds since 1970, for ids only.
std::uint64_t wall_ms();
/// The kernel's. Stops the process if it has none.
void fill_from_system(std::span<std::byte> out);

}  // namespace meridian::client
