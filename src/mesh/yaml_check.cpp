#include "mesh/yaml_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>

namespace meridian::mesh {

Error bad_yaml(const YAML::Node& at, std::string_view what) {
  const int line = at.Mark().line;
  return {Code::invalid_argument,
          line < 0 ? std::string(what) : fmt::format("line {}: {}", line + 1, what)};
}

Status check_yaml_text(std::string_view yaml) {
  std::size_t line = 1;
  for (const char c : yaml) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') ++line;
    if ((byte < 0x20 && c != '\n' && c != '\r') || byte >= 0x7f)
      return fail(
          Code::invalid_argument,
          fmt::format("line {}: the byte 0x{:02x} is no printable ASCII character. write others as "
                      "\\u00fc between double quotes",
                      line, byte));
  }
  return {};
}

Status check_yaml_keys(const YAML::Node& node, const std::set<std::string_view>& known,
                       std::string_view example) {
  if (!node.IsMap())
    return bad_yaml(node, fmt::format("here stand keys with values, such as `{}`", example));
  std::set<std::string> seen;
  for (const auto& pair : node) {
    if (!pair.first.IsScalar() || !known.contains(pair.first.Scalar()))
      return bad_yaml(pair.first, fmt::format("there is no key '{}' here: {}",
                                              pair.first.IsScalar() ? pair.first.Scalar() : "?",
                                              fmt::join(known, ", ")));
    if (!seen.insert(pair.first.Scalar()).second)
      return bad_yaml(pair.first, fmt::format("'{}' stands here twice", pair.first.Scalar()));
  }
  return {};
}

}  // namespace meridian::mesh
