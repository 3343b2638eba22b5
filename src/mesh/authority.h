// A regional certificate authority: issues X.509-SVIDs of its trust domain, and how root and CAs
// themselves are made (docs/decisions/0025).
//
// Issuing here is cryptography and form alone. Who may have which id is for whoever calls to know,
// and each issuance is written down before its certificate is handed out (issuance_journal.h).
// One thread at a time. Cost: issue 400 us.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/p256.h"
#include "io/clock.h"
#include "io/entropy.h"
#include "mesh/certificate.h"
#include "mesh/person_evidence.h"
#include "mesh/spiffe_id.h"

namespace meridian::mesh {

/// How long before it was made a certificate begins: for clocks that are a little behind.
inline constexpr std::int64_t backdate_seconds = 60;
inline constexpr std::int64_t svid_lifetime_default = 3600;
/// A certificate that lives longer would need lists to be taken back.
inline constexpr std::int64_t svid_lifetime_max = 24 * 3600;
inline constexpr std::size_t certificate_request_size_max = 16 * 1024;

/// A PKCS#10 request (RFC 2986, DER), signed by `key`. The name in it is for people: what is issued
/// depends on who asked, not on what the request says. Errors: unavailable if the key is elsewhere
/// (an HSM) and does not sign.
Result<Buffer> make_csr(const crypto::P256PrivateKey& key, std::string_view common_name);
/// What a request proves: possession of the private key of its public key.
/// Returns the SPKI's digest. Errors: invalid_argument if it is damaged, or its signature is wrong,
/// or its key not on P-256.
Result<crypto::Digest> check_csr(Bytes csr_der);

struct CertificateAndKey {
  Certificate certificate;
  crypto::P256PrivateKey key;
};

struct RootParameters {
  std::string common_name;  ///< "Example Bank mesh root 1"; not empty.
  std::int64_t lifetime_seconds = 20LL * 365 * 86400;
};
/// A self-signed root, for a machine that is offline; its path length 1 lets regional CAs be below
/// it and nothing further. Errors: invalid_argument.
Result<CertificateAndKey> make_root(const RootParameters& parameters, io::Clock& clock,
                                    io::Entropy& entropy);

struct RegionalParameters {
  std::string trust_domain;
  std::string common_name;  ///< "CA 3 of eu-west.bank.example"; not empty.
  std::int64_t lifetime_seconds = 365LL * 86400;
};
/// The root signs a regional CA, constrained to its trust domain, for the key of `csr_der`.
/// Errors: as check_csr; invalid_argument if parameters are unusable or it would outlive the root;
/// permission_denied if `root` cannot sign CAs (its form is what check_authority_chain needs).
Result<Certificate> make_regional(const CertificateAndKey& root, Bytes csr_der,
                                  const RegionalParameters& parameters, io::Clock& clock,
                                  io::Entropy& entropy);

/// What an authority is as a server: "spiffe://DOMAIN/ca/server". Nobody is ever issued a name
/// below /ca but the authority itself, so who shows it holds the authority's key.
SpiffeId authority_id(std::string_view trust_domain);

class Authority {
 public:
  /// Errors: permission_denied unless `certificate` has the form of an authority of `trust_domain`
  /// (trust.h); invalid_argument if `key` is another's.
  static Result<Authority> open(Certificate certificate, crypto::P256PrivateKey key,
                                std::string_view trust_domain, io::Clock& clock,
                                io::Entropy& entropy);

  const std::string& trust_domain() const { return trust_domain_; }
  const Certificate& certificate() const { return certificate_; }

  /// A leaf for the key of `csr_der` in the name of `id`, valid from backdate_seconds ago for
  /// `lifetime_seconds` from now, and no longer than the authority itself.
  /// Errors: as check_csr; permission_denied if `id` is not in the domain, names nobody in it or is
  /// below /ca/; out_of_range for a lifetime of less than 1 s or above svid_lifetime_max;
  /// failed_precondition if the authority itself is not valid now.
  /// With `evidence` it is the certificate of a person who signed in: invalid_argument if `id` is
  /// no person's, or the evidence has not its form.
  Result<Certificate> issue(Bytes csr_der, const SpiffeId& id, std::int64_t lifetime_seconds,
                            const std::optional<PersonEvidence>& evidence = std::nullopt);
  /// The same in the name of authority_id().
  Result<Certificate> issue_own(Bytes csr_der, std::int64_t lifetime_seconds);

 private:
  Result<Certificate> issue_to(Bytes csr_der, const std::string& uri, std::int64_t lifetime_seconds,
                               const std::optional<PersonEvidence>& evidence);
  Authority(Certificate certificate, crypto::P256PrivateKey key, std::string trust_domain,
            io::Clock& clock, io::Entropy& entropy);

  Certificate certificate_;
  crypto::P256PrivateKey key_;
  std::string trust_domain_;
  io::Clock* clock_;
  io::Entropy* entropy_;
};

}  // namespace meridian::mesh
