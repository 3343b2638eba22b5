#include "api/http_target.h"

#include <fmt/format.h>

#include <algorithm>

namespace meridian::api {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return fail(Code::invalid_argument, "target: a '%' without two hexadecimal digits after it");
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0;;) {
    std::size_t end = text.find(separator, at);
    parts.push_back(text.substr(at, end == std::string_view::npos ? end : end - at));
    if (end == std::string_view::npos) return parts;
    at = end + 1;
  }
}

}  // namespace

Result<HttpTarget> parse_http_target(std::string_view target) {
  if (target.size() > target_size_max) {
    return fail(Code::invalid_argument, fmt::format("target: {} bytes, at most {} are allowed",
                                                    target.size(), target_size_max));
  }
  if (!target.starts_with('/')) {
    return fail(Code::invalid_argument, "target: must be a path that begins with '/'");
  }
  HttpTarget parsed;
  std::size_t question = target.find('?');
  parsed.path = target.substr(0, question);
  if (parsed.path != "/") {
    for (std::string_view part : split(std::string_view(parsed.path).substr(1), '/')) {
      if (part.empty()) return fail(Code::invalid_argument, "target: an empty path segment");
      parsed.segments.push_back(TRY(decode(part, false)));
    }
  }
  if (question == std::string_view::npos || question + 1 == target.size()) return parsed;
  for (std::string_view part : split(target.substr(question + 1), '&')) {
    std::size_t equals = part.find('=');
    std::string key = TRY(decode(part.substr(0, equals), true));
    std::string value;
    if (equals != std::string_view::npos) value = TRY(decode(part.substr(equals + 1), true));
    if (key.empty()) return fail(Code::invalid_argument, "target: a parameter without a name");
    auto same = [&](const auto& pair) { return pair.first == key; };
    if (std::ranges::any_of(parsed.query, same)) {
      return fail(Code::invalid_argument,
                  fmt::format("parameter {}: given twice", key.substr(0, 64)));
    }
    parsed.query.emplace_back(std::move(key), std::move(value));
  }
  return parsed;
}

const std::string* QueryFields::find(std::string_view key) {
  asked_.push_back(key);
  for (const auto& [name, value] : target_.query) {
    if (name == key) return &value;
  }
  return nullptr;
}

void QueryFields::refuse(std::string_view key, std::string why) {
  if (status_) status_ = fail(Code::invalid_argument, fmt::format("parameter {}: {}", key, why));
}

std::string QueryFields::text(std::string_view key) {
  const std::string* value = find(key);
  return value == nullptr ? std::string() : *value;
}

u128 QueryFields::id(std::string_view key) {
  const std::string* value = find(key);
  if (value == nullptr) return 0;
  Result<u128> id = parse_decimal(*value);
  if (!id) refuse(key, "not a decimal number from 0 to 2^128-1");
  return id.value_or(0);
}

std::uint64_t QueryFields::number(std::string_view key, std::uint64_t max) {
  u128 value = id(key);
  if (value > max) {
    refuse(key, fmt::format("{} is above {}", to_decimal(value), max));
    return 0;
  }
  return low64(value);
}

bool QueryFields::flag(std::string_view key) {
  const std::string* value = find(key);
  if (value == nullptr || *value == "false" || *value == "0") return false;
  if (value->empty() || *value == "true" || *value == "1") return true;
  refuse(key, "expected true or false");
  return false;
}

Status QueryFields::finish() {
  for (const auto& [name, value] : target_.query) {
    if (std::ranges::find(asked_, name) == asked_.end()) {
      refuse(name.substr(0, 64), "there is no such parameter here; see docs/api.md");
    }
  }
  return status_;
}

Result<u128> parse_segment_id(std::string_view segment, std::string_view what) {
  Result<u128> id = parse_decimal(segment);
  if (id) return id;
  return fail(Code::invalid_argument,
              fmt::format("{}: not a decimal number from 0 to 2^128-1", what));
}

Result<std::uint64_t> parse_segment_number(std::string_view segment, std::string_view what) {
  u128 value = TRY(parse_segment_id(segment, what));
  if (high64(value) != 0) {
    return fail(Code::invalid_argument, fmt::format("{}: above 2^64-1", what));
  }
  return low64(value);
}

}  // namespace meridian::api
