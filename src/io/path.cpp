#include "io/path.h"

#include <fmt/format.h>

namespace meridian::io {

Result<std::vector<std::string_view>> split_path(std::string_view path) {
  if (path.size() > path_size_max) {
    return fail(Code::invalid_argument, fmt::format("path of {} bytes: at most {} are allowed",
                                                    path.size(), path_size_max));
  }
  std::vector<std::string_view> names;
  if (path.empty()) return names;
  for (std::size_t begin = 0; begin <= path.size();) {
    std::size_t end = path.find('/', begin);
    if (end == std::string_view::npos) end = path.size();
    std::string_view name = path.substr(begin, end - begin);
    if (name.empty() || name == "." || name == ".." || name.size() > path_name_size_max ||
        name.find('\0') != std::string_view::npos) {
      return fail(
          Code::invalid_argument,
          fmt::format("path '{}': '{}' is not a name; a path is relative to the disk's root, "
                      "names joined by '/', without '.', '..' or NUL, at most {} bytes each",
                      path, name, path_name_size_max));
    }
    names.push_back(name);
    begin = end + 1;
  }
  return names;
}

std::string_view parent_path(std::string_view path) {
  std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

}  // namespace meridian::io
