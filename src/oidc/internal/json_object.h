// JSON of providers, read strictly: one object, no name twice (readers differ in which they take),
// no deep nesting. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace meridian::oidc::internal {

inline constexpr std::size_t json_size_max = 1 << 20;
inline constexpr int json_depth_max = 16;

/// Errors: invalid_argument, beginning with `what`.
Result<nlohmann::json> parse_object(std::string_view text, std::string_view what);

/// Nothing if it is missing. Errors: invalid_argument if it is there and something else.
Result<std::optional<std::string>> string_in(const nlohmann::json& object, const char* key);
/// A string, or a list of strings; empty if it is missing.
Result<std::vector<std::string>> strings_in(const nlohmann::json& object, const char* key);
/// A NumericDate (RFC 7519 section 2) in whole seconds.
Result<std::optional<std::int64_t>> seconds_in(const nlohmann::json& object, const char* key);

}  // namespace meridian::oidc::internal
