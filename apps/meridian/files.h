// Files that a command line names: read whole, written whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "io/disk.h"

namespace meridian::app {

inline constexpr std::uint64_t input_bytes_max = std::uint64_t{4} << 30;

/// A path of the command line as a path below the disk "/".
std::string below_root(std::string_view path);
/// Errors: of the disk, with the path as it was given.
Result<std::string> read_input(std::string_view path, std::uint64_t size_max = input_bytes_max);
/// Replaces the file, so that it is there whole or not at all.
Status write_output(std::string_view path, std::string_view content);
/// A directory of the command line as a disk, made if missing.
Result<std::unique_ptr<io::Disk>> open_directory(std::string_view path);
/// Errors: not_found if it is not there.
Result<std::unique_ptr<io::Disk>> open_existing_directory(std::string_view path);

}  // namespace meridian::app
