// What YAML that people write for us has in common: printable ASCII, each key known and once, and
// errors that name the line. Pure.
#pragma once

#include <yaml-cpp/yaml.h>

#include <set>
#include <string_view>

#include "base/result.h"

namespace meridian::mesh {

/// invalid_argument with the line of `at`, if it has one.
Error bad_yaml(const YAML::Node& at, std::string_view what);

/// Control characters are of no use there, and hide what it says. Errors: invalid_argument.
Status check_yaml_text(std::string_view yaml);

/// That it is a mapping whose keys are all among `known`, each once; `example` is one of its lines.
/// Errors: invalid_argument.
Status check_yaml_keys(const YAML::Node& node, const std::set<std::string_view>& known,
                       std::string_view example);

}  // namespace meridian::mesh
