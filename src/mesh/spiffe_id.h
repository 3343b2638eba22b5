// SPIFFE ids (https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md): who a peer is.
//
// `spiffe://eu-west.bank.example/node/<cell uuid>/<raft id>`. The trust domain is a region's; the
// first segment of the path is the kind. One text stands for one id: what the standard leaves to
// normalising (upper case, percent signs, empty segments) is refused, so ids compare as texts.
// Pure; values. Cost: parsing is O(size), at most spiffe_id_size_max.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/u128.h"

namespace meridian::mesh {

inline constexpr std::size_t spiffe_id_size_max = 2048;
inline constexpr std::size_t trust_domain_size_max = 255;

struct SpiffeId {
  std::string trust_domain;  ///< "eu-west.bank.example"
  std::string path;          ///< "/node/…", or empty: the trust domain itself.
  auto operator<=>(const SpiffeId&) const = default;
};

/// What the first segment of a path says. A name that is not listed is `other`: it can be known to
/// a policy, and no code takes it for one of these.
enum class IdKind : std::uint8_t {
  node,       ///< /node/<cell uuid>/<raft id>: one replica.
  service,    ///< /service/<name>: a program that calls.
  person,     ///< /person/<name>
  gateway,    ///< /gateway/<name>: what answers for callers of another region or network.
  witness,    ///< /witness/<name>
  authority,  ///< /ca/<name>: a certificate authority, as it calls and answers.
  other,
};
std::string_view name(IdKind kind);

/// True for lower-case letters, digits, '-', '_' and single inner dots; at most 255 bytes.
/// Stricter than the standard by the dots: ".example" would be a suffix to a name constraint.
bool is_trust_domain(std::string_view text);

/// Errors: invalid_argument naming what is wrong.
Result<SpiffeId> parse_spiffe_id(std::string_view uri);
/// "spiffe://domain/path". Asserts nothing: an id that parse_spiffe_id gave is given back.
std::string format_spiffe_id(const SpiffeId& id);

IdKind kind_of(const SpiffeId& id);

/// Which replica a node's id names.
struct NodeName {
  u128 cell;
  std::uint64_t member;  ///< Raft id, not 0.
  bool operator==(const NodeName&) const = default;
};
/// Nothing unless the path is exactly /node/<uuid, lower case>/<decimal without leading zeros>.
std::optional<NodeName> node_of(const SpiffeId& id);
/// The id of a replica. Asserts a trust domain and a member that is not 0.
SpiffeId node_id(std::string_view trust_domain, const NodeName& node);

}  // namespace meridian::mesh
