// The rule for paths below a disk's root, shared by every io::Disk.
//
// A path is one or more names joined by '/', relative, at most 4095 bytes; "" is the root itself.
// Refused as invalid_argument: a leading, trailing or doubled '/', the names "." and "..", a NUL
// byte, a name above 255 bytes. Pure.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace meridian::io {

inline constexpr std::size_t path_size_max = 4095;
inline constexpr std::size_t path_name_size_max = 255;

/// The names of `path`, outermost first; views into it. Empty for the root.
Result<std::vector<std::string_view>> split_path(std::string_view path);

/// The path of the directory that holds `path`: "a/b" for "a/b/c", "" for "a".
std::string_view parent_path(std::string_view path);

}  // namespace meridian::io
