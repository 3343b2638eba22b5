#include "mesh/internal/line_text.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/u128.h"

namespace meridian::mesh::internal {
namespace {

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  Result<u128> value = parse_decimal(text);
  if (!value.has_value() || high64(*value) != 0) return std::nullopt;
  return low64(*value);
}

std::optional<std::int64_t> parse_seconds(std::string_view text) {
  std::optional<std::uint64_t> value = parse_number(text);
  if (!value.has_value() || *value > std::uint64_t{1} << 62) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

std::optional<crypto::Digest> parse_digest(std::string_view text) {
  crypto::Digest digest{};
  Buffer bytes;
  if (text.size() != 2 * digest.size() || !is_hex(text) || !from_hex(text, bytes))
    return std::nullopt;
  std::ranges::copy(bytes, digest.begin());
  return digest;
}

bool is_serial(std::string_view text) {
  return !text.empty() && text.size() % 2 == 0 && text.size() <= 40 && is_hex(text);
}

}  // namespace meridian::mesh::internal
