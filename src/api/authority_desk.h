// What the server of a certificate authority asks (authority_server.h): who owns keys, journal and
// tokens answers it, in one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "mesh/certificate.h"
#include "mesh/spiffe_id.h"
#include "mesh/svid.h"

namespace meridian::api {

/// What somebody holds of a trust domain; 0: nothing.
struct HeldTrust {
  std::string trust_domain;
  std::uint64_t bundle_sequence = 0;
  std::uint64_t deny_list_number = 0;
  bool operator==(const HeldTrust&) const = default;
};
struct TrustNote {
  std::string trust_domain, note;
  bool operator==(const TrustNote&) const = default;
};
struct TrustNotes {
  std::vector<TrustNote> bundles;  ///< Of each domain in the order of their sequence.
  std::vector<TrustNote> deny_lists;
  bool is_empty() const { return bundles.empty() && deny_lists.empty(); }
  bool operator==(const TrustNotes&) const = default;
};

/// What who signs in needs to know of the identity provider.
struct SignInTerms {
  std::string issuer, client_id;
  std::vector<std::string> scopes;      ///< Beside `openid`.
  std::vector<std::string> acr_values;  ///< That ask for a second factor.
  std::string ca_pem;                   ///< Of its TLS; empty: whom everybody's system believes.
  bool operator==(const SignInTerms&) const = default;
};

/// Each is called on one executor, one at a time, but for sign_in: that has one of its own.
struct AuthorityDesk {
  struct JoinAsk {
    std::string token;
    mesh::SpiffeId id;
    Buffer csr;
  };
  std::function<Result<mesh::CertificateChain>(const JoinAsk&)> join;
  struct SignInAsk {
    std::string id_token;
    Buffer nonce_random;
    Buffer csr;
  };
  /// For who showed a certificate that is good.
  std::function<Result<mesh::CertificateChain>(const mesh::PeerIdentity& caller, Bytes csr)> renew;
  /// What is newer than `held`.
  std::function<TrustNotes(const std::vector<HeldTrust>& held)> newer;
  /// Several times a second: looks after what changed. True if newer() may answer otherwise now.
  std::function<bool()> tick;
  /// Both are none where nobody signs in.
  std::optional<SignInTerms> sign_in_terms{};
  /// May wait for the provider. Thread-safe beside the others.
  std::function<Result<mesh::CertificateChain>(const SignInAsk&)> sign_in{};
};

}  // namespace meridian::api
