// What a process holds to be known and to know others: its certificate and key, trust bundles,
// deny list. All of it is replaced while connections are open.
//
// Each replacement makes a new immutable snapshot; a check works on one snapshot throughout. What
// is replaced is checked first: a process never puts on a certificate that its peers would refuse.
// Refusals are counted by reason: meridian_mesh_refusals_total{reason="expired"}.
// Thread-safe. Cost: own() and check() under 1 us, verify() 200 us. Objects made from it (TLS
// contexts) hold a reference: it outlives them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/p256.h"
#include "io/clock.h"
#include "mesh/certificate.h"
#include "mesh/deny_list.h"
#include "mesh/svid.h"
#include "mesh/trust.h"
#include "metrics/registry.h"

namespace meridian::mesh {

/// A certificate, the key it is for, and which of a process's certificates it is.
struct OwnIdentity {
  std::uint64_t version;  ///< Counts up from 1 at each replacement.
  SpiffeId id;
  CertificateChain chain;  ///< Leaf first; what is shown to peers.
  crypto::P256PrivateKey key;
  std::string chain_pem;
  crypto::Secret key_pem;  ///< PKCS#8, for libraries that read text (gRPC).
};

class Credentials {
 public:
  Credentials(io::Clock& clock, metrics::Registry& metrics);

  /// The newest certificate with its key; null before the first.
  std::shared_ptr<const OwnIdentity> own() const;
  TrustBundles bundles() const;
  DenyLists deny_lists() const;
  /// Seconds since 1970 by the clock that checks use.
  std::int64_t now() const;

  /// Checks and counts. Errors: permission_denied with a message for the operator.
  Result<PeerIdentity> verify(std::span<const Bytes> chain_der, const WantedPeer& wanted) const;
  /// The same, with the reason beside the message.
  tl::expected<PeerIdentity, Refusal> verify_or_refusal(std::span<const Bytes> chain_der,
                                                        const WantedPeer& wanted) const;
  /// For open connections, every few seconds: check_still() of what is held now; counts.
  Status check(const PeerIdentity& peer) const;

  /// From now on new connections show `chain`, whose leaf is for `key`.
  /// Errors: invalid_argument if the key is another's; permission_denied if peers would refuse it,
  /// by the bundles held and the clock (deny lists are not asked: they are for peers to use).
  Status replace_own(CertificateChain chain, crypto::P256PrivateKey key);
  void replace_bundles(TrustBundles bundles);
  /// For its domain. Errors: failed_precondition if its number is lower than that of the list held.
  Status replace_deny_list(DenyList deny_list);

 private:
  struct Snapshot {
    std::shared_ptr<const OwnIdentity> own;
    TrustBundles bundles;
    DenyLists deny_lists;
  };
  std::shared_ptr<const Snapshot> snapshot() const;
  void count(const Refusal& refusal) const;

  io::Clock& clock_;
  std::array<metrics::Counter*, refusal_reason_count> refusals_{};
  metrics::Gauge& own_not_after_;
  mutable std::mutex mutex_;  // guards the pointer, never held while checking
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace meridian::mesh
