// uri     = "spiffe://" domain *( "/" segment )
// domain  = label *( "." label )            label   = 1*( a-z / 0-9 / "-" / "_" )
// segment = 1*( A-Z / a-z / 0-9 / "-" / "_" / "." ), neither "." nor ".."
#include "mesh/spiffe_id.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/uuid.h"

namespace meridian::mesh {
namespace {

constexpr std::string_view scheme = "spiffe://";
constexpr std::array<std::pair<std::string_view, IdKind>, 6> kinds = {{
    {"node", IdKind::node},
    {"service", IdKind::service},
    {"person", IdKind::person},
    {"gateway", IdKind::gateway},
    {"witness", IdKind::witness},
    {"ca", IdKind::authority},
}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_domain_char(char c) { return is_lower(c) || is_digit(c) || c == '-' || c == '_'; }
bool is_segment_char(char c) { return is_domain_char(c) || (c >= 'A' && c <= 'Z') || c == '.'; }

Error refuse(std::string_view what) {
  return fail(Code::invalid_argument, fmt::format("SPIFFE id: {}", what));
}

Status check_path(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // the '/'
    std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    if (segment.empty()) return refuse("an empty path segment, or a slash at the end");
    if (segment == "." || segment == "..") return refuse("a path segment of dots");
    if (!std::ranges::all_of(segment, is_segment_char))
      return refuse("a character in the path that is none of A-Z a-z 0-9 . - _");
  }
  return {};
}

}  // namespace

std::string_view name(IdKind kind) {
  for (const auto& [text, known] : kinds)
    if (known == kind) return text;
  return "other";
}

bool is_trust_domain(std::string_view text) {
  if (text.empty() || text.size() > trust_domain_size_max) return false;
  if (text.front() == '.' || text.back() == '.') return false;
  if (text.find("..") != std::string_view::npos) return false;
  return std::ranges::all_of(text, [](char c) { return is_domain_char(c) || c == '.'; });
}

Result<SpiffeId> parse_spiffe_id(std::string_view uri) {
  if (uri.size() > spiffe_id_size_max) return refuse("more than 2048 bytes");
  if (!uri.starts_with(scheme)) return refuse("does not begin with \"spiffe://\"");
  std::string_view rest = uri.substr(scheme.size());
  std::string_view domain = rest.substr(0, rest.find('/'));
  std::string_view path = rest.substr(domain.size());
  if (!is_trust_domain(domain))
    return refuse(
        "the trust domain is not 1 to 255 characters of a-z 0-9 - _ with single dots between");
  TRY(check_path(path));
  return SpiffeId{std::string(domain), std::string(path)};
}

std::string format_spiffe_id(const SpiffeId& id) {
  return fmt::format("{}{}{}", scheme, id.trust_domain, id.path);
}

IdKind kind_of(const SpiffeId& id) {
  if (id.path.empty()) return IdKind::other;
  std::string_view path = std::string_view(id.path).substr(1);
  std::size_t end = path.find('/');
  if (end == std::string_view::npos) return IdKind::other;  // a kind alone names nobody
  for (const auto& [text, kind] : kinds)
    if (path.substr(0, end) == text) return kind;
  return IdKind::other;
}

std::optional<NodeName> node_of(const SpiffeId& id) {
  constexpr std::string_view prefix = "/node/";
  constexpr std::size_t uuid_size = 36;
  std::string_view path = id.path;
  if (!path.starts_with(prefix)) return std::nullopt;
  path.remove_prefix(prefix.size());
  if (path.size() < uuid_size + 2 || path[uuid_size] != '/') return std::nullopt;
  std::string_view uuid = path.substr(0, uuid_size);
  std::optional<u128> cell = parse_uuid(uuid);
  std::string_view member = path.substr(uuid_size + 1);
  if (!cell.has_value() || format_uuid(*cell) != uuid || member.front() == '0') return std::nullopt;
  Result<u128> number = parse_decimal(member);
  if (!number.has_value() || high64(*number) != 0) return std::nullopt;
  return NodeName{*cell, low64(*number)};
}

SpiffeId node_id(std::string_view trust_domain, const NodeName& node) {
  ASSERT(is_trust_domain(trust_domain));
  ASSERT(node.member != 0);
  return {std::string(trust_domain),
          fmt::format("/node/{}/{}", format_uuid(node.cell), node.member)};
}

}  // namespace meridian::mesh
