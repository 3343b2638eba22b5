#include "oidc/internal/json_object.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

namespace meridian::oidc::internal {
namespace {

using nlohmann::json;

Error wrong(const char* key, std::string_view what) {
  return fail(Code::invalid_argument, fmt::format("`{}` is {}", key, what));
}

}  // namespace

Result<json> parse_object(std::string_view text, std::string_view what) {
  const auto refuse = [what](std::string_view why) {
    return fail(Code::invalid_argument, fmt::format("{}: {}", what, why));
  };
  if (text.size() > json_size_max) return refuse("more than 1 MiB");
  std::vector<std::set<std::string>> names;  // of the objects that are open
  bool is_doubled = false, is_deep = false;
  const auto look = [&](int depth, json::parse_event_t event, json& value) {
    is_deep = is_deep || depth > json_depth_max;
    if (event == json::parse_event_t::object_start) names.emplace_back();
    if (event == json::parse_event_t::object_end) names.pop_back();
    if (event == json::parse_event_t::key)
      is_doubled = !names.back().insert(value.get<std::string>()).second || is_doubled;
    return true;
  };
  json parsed = json::parse(text, look, false);
  if (parsed.is_discarded() || !parsed.is_object()) return refuse("not a JSON object");
  if (is_doubled) return refuse("it has a name twice");
  if (is_deep) return refuse("nested too deep");
  return parsed;
}

Result<std::optional<std::string>> string_in(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::optional<std::string>();
  if (!found->is_string()) return wrong(key, "no text");
  return std::optional(found->get<std::string>());
}

Result<std::vector<std::string>> strings_in(const json& object, const char* key) {
  const auto found = object.find(key);
  std::vector<std::string> all;
  if (found == object.end()) return all;
  if (found->is_string()) {
    all.push_back(found->get<std::string>());
    return all;
  }
  if (!found->is_array()) return wrong(key, "neither a text nor a list of texts");
  for (const json& one : *found) {
    if (!one.is_string()) return wrong(key, "a list of something else than texts");
    all.push_back(one.get<std::string>());
  }
  return all;
}

Result<std::optional<std::int64_t>> seconds_in(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::optional<std::int64_t>();
  constexpr double most = 9'007'199'254'740'992.0;  // 2^53: exact
  const double value = found->is_number() ? found->get<double>() : -1.0;
  if (!(value >= 0 && value < most)) return wrong(key, "no time");
  return std::optional(static_cast<std::int64_t>(std::floor(value)));
}

}  // namespace meridian::oidc::internal
