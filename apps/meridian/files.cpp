#include "files.h"

#include <filesystem>

namespace meridian::app {

std::string below_root(std::string_view path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::weakly_canonical(
      std::filesystem::absolute(std::filesystem::path(path), error), error);
  std::string text = real.string();
  while (text.ends_with('/')) text.pop_back();
  return text.starts_with('/') ? text.substr(1) : text;
}

Result<std::string> read_input(std::string_view path, std::uint64_t size_max) {
  const std::unique_ptr<io::Disk> disk = TRY(io::os_disk("/"));
  const Buffer bytes = TRY(io::read_file(*disk, below_root(path), size_max));
  return std::string(as_text(bytes));
}

Status write_output(std::string_view path, std::string_view content) {
  const std::unique_ptr<io::Disk> disk = TRY(io::os_disk("/"));
  return io::replace_file(*disk, below_root(path), as_bytes(content));
}

Result<std::unique_ptr<io::Disk>> open_directory(std::string_view path) {
  return io::os_disk("/" + below_root(path));
}

Result<std::unique_ptr<io::Disk>> open_existing_directory(std::string_view path) {
  const std::unique_ptr<io::Disk> root = TRY(io::os_disk("/"));
  if (!TRY(root->exists(below_root(path))))
    return fail(Code::not_found, "there is no directory " + std::string(path));
  return open_directory(path);
}

}  // namespace meridian::app
