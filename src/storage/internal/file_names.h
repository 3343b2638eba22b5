// Names of numbered files: 16 lower-case hexadecimal digits and a suffix. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meridian::storage {

/// "0000000000000012.wal" for (18, ".wal").
std::string numbered_name(std::uint64_t number, std::string_view suffix);
/// The number in a name made by numbered_name with that suffix; none for any other name.
std::optional<std::uint64_t> number_of(std::string_view name, std::string_view suffix);

}  // namespace meridian::storage
