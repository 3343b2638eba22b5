// The target of an HTTP request, taken apart: path segments and query parameters, percent-decoded.
//
// Strict: one parameter once, no empty segments, no broken escapes, and parameters that nobody asks
// for are errors. Pure; bytes from strangers.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace meridian::api {

inline constexpr std::size_t target_size_max = 4'096;

struct HttpTarget {
  std::string path;                                        ///< As sent, without the query.
  std::vector<std::string> segments;                       ///< Decoded.
  std::vector<std::pair<std::string, std::string>> query;  ///< Decoded; '+' is a space.
};

/// Errors: invalid_argument naming what is malformed.
Result<HttpTarget> parse_http_target(std::string_view target);

/// Reads query parameters into values and keeps the first error; see internal/json_fields.h.
class QueryFields {
 public:
  explicit QueryFields(const HttpTarget& target) : target_(target) {}

  bool has(std::string_view key) { return find(key) != nullptr; }
  std::string text(std::string_view key);
  u128 id(std::string_view key);
  std::uint64_t number(std::string_view key,
                       std::uint64_t max = std::numeric_limits<std::uint64_t>::max());
  /// "true", "1" or nothing after the key; "false" or "0".
  bool flag(std::string_view key);
  void refuse(std::string_view key, std::string why);
  Status finish();

 private:
  const std::string* find(std::string_view key);

  const HttpTarget& target_;
  std::vector<std::string_view> asked_;
  Status status_;
};

/// A number that is a whole path segment. Errors: invalid_argument naming `what`.
Result<std::uint64_t> parse_segment_number(std::string_view segment, std::string_view what);
Result<u128> parse_segment_id(std::string_view segment, std::string_view what);

}  // namespace meridian::api
