// Checks that a chain of certificates is a SPIFFE X.509-SVID of who it claims to be
// (https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md, RFC 5280 section 6).
//
// The trust domain in the leaf's only name chooses the bundle; the chain must end at one of its
// authorities. Stricter than the standard: one name, P-256, client and server authentication.
// A refusal is a value: a reason that programs and metrics tell apart, and a message for whoever
// operates the peer. Pure; `now` is given. Thread-safe.
// Cost: 150 us, two ECDSA verifications and OpenSSL's walk of the chain.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/sha256.h"
#include "mesh/certificate.h"
#include "mesh/deny_list.h"
#include "mesh/person_evidence.h"
#include "mesh/spiffe_id.h"
#include "mesh/trust.h"

namespace meridian::mesh {

enum class RefusalReason : std::uint8_t {
  no_certificate,        ///< The peer sent none.
  malformed,             ///< Not certificates, too many of them, or a broken extension.
  no_spiffe_id,          ///< No name, or its only name is no SPIFFE id with a path.
  several_sans,          ///< More than one name.
  not_a_leaf,            ///< A CA's certificate, or one that signs certificates.
  wrong_usage,           ///< Its key usage does not let it be a peer on this side.
  weak_key,              ///< Not on P-256, or a weak signature in its chain.
  unknown_trust_domain,  ///< No bundle for the domain.
  self_signed,           ///< By itself, or by a CA that it brought along and nobody here knows.
  outside_constraints,   ///< Its CA may not issue for that name.
  untrusted_chain,       ///< Does not end at an authority of its trust domain.
  not_yet_valid,
  expired,
  denied,      ///< On the deny list.
  wrong_kind,  ///< A good certificate of somebody else than wanted here.
};
inline constexpr std::size_t refusal_reason_count = 15;
/// As in metrics: "unknown_trust_domain".
std::string_view name(RefusalReason reason);

struct Refusal {
  RefusalReason reason;
  std::string message;  ///< What is wrong with whose certificate, and what to do.
};
/// permission_denied with the message.
Error to_error(const Refusal& refusal);

/// Who a peer is, of what was checked.
struct PeerIdentity {
  SpiffeId id;
  std::string serial;            ///< As Certificate::serial().
  crypto::Digest fingerprint{};  ///< Of the leaf.
  crypto::Digest authority{};    ///< Fingerprint of the authority that vouched for it.
  std::int64_t not_after = 0;    ///< Seconds since 1970; no connection outlives it.
  /// Of a person who signed in; none of others.
  std::optional<PersonEvidence> evidence{};
  bool operator==(const PeerIdentity&) const = default;
};

/// What the caller is prepared to talk to.
struct WantedPeer {
  enum class Side : std::uint8_t { client, server };
  Side side = Side::client;                   ///< What the peer is on this connection.
  std::vector<IdKind> kinds{};                ///< Empty: any.
  std::optional<SpiffeId> id{};               ///< Exactly this one.
  std::optional<std::string> trust_domain{};  ///< Exactly this one.
};

/// `chain` is leaf first; what follows the leaf may help to find the authority and is not trusted.
/// `now` in seconds since 1970.
[[nodiscard]] tl::expected<PeerIdentity, Refusal> check_peer(std::span<const Certificate> chain,
                                                             const TrustBundles& bundles,
                                                             const DenyLists& deny_lists,
                                                             std::int64_t now,
                                                             const WantedPeer& wanted);

/// The part that changes while a connection is open: that it is not over, that its authority is
/// still in the bundle, and that nobody denied it. Cost: 1 us.
[[nodiscard]] tl::expected<void, Refusal> check_still(const PeerIdentity& peer,
                                                      const TrustBundles& bundles,
                                                      const DenyLists& deny_lists,
                                                      std::int64_t now);

}  // namespace meridian::mesh
