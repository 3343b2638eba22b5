// Calls to a certificate authority (proto/meridian/v1/authority.proto), as who joins, renews or
// keeps its trust makes them.
//
// Each call is a connection of its own: they are minutes apart, and a new one shows the certificate
// of now. The server must be the authority of the trust domain by its own certificate; only
// fetch_bundles() takes any, as what it gets is believed for its signatures.
// Calls block; cancel() ends one from another thread. The process begins with require_tls13().
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/authority_desk.h"
#include "base/bytes.h"
#include "base/result.h"
#include "io/clock.h"
#include "mesh/authority.h"
#include "mesh/certificate.h"
#include "mesh/credentials.h"

namespace grpc {
class ClientContext;
}

namespace meridian::api {

class AuthorityClient {
 public:
  static constexpr io::Duration call_patience = io::seconds(10);
  /// Longer than the authority waits for an identity provider.
  static constexpr io::Duration sign_in_patience = io::seconds(40);
  /// Longer than AuthorityServer::trust_patience.
  static constexpr io::Duration trust_patience = io::seconds(30);
  static constexpr int receive_bytes_max = 32 << 20;

  explicit AuthorityClient(std::string address) : address_(std::move(address)) {}

  /// From whoever answers there. Errors: unavailable; deadline_exceeded.
  Result<TrustNotes> fetch_bundles(const std::vector<HeldTrust>& held);

  // To the authority of `trust_domain`, which the bundles of `credentials` name. Errors of all:
  // unavailable, also with what is wrong with its certificate; deadline_exceeded;
  // permission_denied with the authority's reason.
  Result<mesh::CertificateChain> join(const mesh::Credentials& credentials,
                                      const AuthorityDesk::JoinAsk& ask);
  /// failed_precondition if nobody signs in there.
  Result<SignInTerms> sign_in_terms(const mesh::Credentials& credentials,
                                    std::string_view trust_domain);
  /// unavailable also if the identity provider does not answer the authority.
  Result<mesh::CertificateChain> sign_in(const mesh::Credentials& credentials,
                                         std::string_view trust_domain,
                                         const AuthorityDesk::SignInAsk& ask);
  Result<mesh::CertificateChain> renew(const mesh::Credentials& credentials,
                                       std::string_view trust_domain, Bytes csr);
  /// Waits for news, for twenty seconds at most: then there are none.
  Result<TrustNotes> wait_for_trust(const mesh::Credentials& credentials,
                                    std::string_view trust_domain,
                                    const std::vector<HeldTrust>& held);

  /// Thread-safe: ends the call under way, and every later one at once.
  void cancel();

  const std::string& address() const { return address_; }

 private:
  class Running;

  const std::string address_;
  std::mutex mutex_;
  grpc::ClientContext* running_ = nullptr;
  bool is_cancelled_ = false;
};

}  // namespace meridian::api
