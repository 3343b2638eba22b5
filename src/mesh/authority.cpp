#include "mesh/authority.h"

#include <fmt/format.h>
#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "io/unix_time.h"
#include "mesh/internal/certificate_builder.h"
#include "mesh/internal/openssl.h"
#include "mesh/internal/time_text.h"
#include "mesh/trust.h"

namespace meridian::mesh {
namespace {

using internal::CertificateSpec;
using internal::GeneralName;
using internal::NameConstraints;
using internal::Request;

constexpr std::int64_t lifetime_max = 50LL * 366 * 86400;  // of roots and CAs: well before 2100

/// 128 random bits but the first, which is the sign, and the second, so that none is short.
std::array<Byte, 16> random_serial(io::Entropy& entropy) {
  std::array<Byte, 16> serial{};
  entropy.fill(serial);
  serial[0] = static_cast<Byte>((serial[0] & 0x7f) | 0x40);
  return serial;
}

Error refuse_request(std::string_view what) {
  return internal::openssl_failure(Code::invalid_argument,
                                   fmt::format("certificate request: {}", what));
}

/// The checked request, whose key is its owner's.
Result<Request> read_csr(Bytes der) {
  if (der.size() > certificate_request_size_max) return refuse_request("more than 16 KiB");
  const Byte* at = der.data();
  Request request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  if (request == nullptr || at != der.data() + der.size())
    return refuse_request("not one PKCS#10 request in DER");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (!internal::is_p256(key))
    return refuse_request(
        fmt::format("for {}, and must be for a key on P-256", internal::describe_key(key)));
  if (X509_REQ_verify(request.get(), key) != 1)
    return refuse_request("not signed by the key that it is for");
  ERR_clear_error();
  return request;
}

NameConstraints constraints_to(const std::string& trust_domain) {
  using Type = GeneralName::Type;
  return {.permitted = {{Type::uri, trust_domain}},
          .excluded = {{Type::dns, ""},
                       {Type::ip, std::string(8, '\0')},   // 0.0.0.0/0
                       {Type::ip, std::string(32, '\0')},  // ::/0
                       {Type::email, ""}}};
}

Status check_parameters(std::string_view common_name, std::int64_t lifetime_seconds) {
  if (common_name.empty() || common_name.size() > 64)  // RFC 5280 appendix A.1: ub-common-name
    return fail(Code::invalid_argument, "CA certificate: its common name has 1 to 64 bytes");
  if (lifetime_seconds <= 0 || lifetime_seconds > lifetime_max)
    return fail(Code::invalid_argument, "CA certificate: it lives 1 s to 50 years");
  return {};
}

}  // namespace

Result<Buffer> make_csr(const crypto::P256PrivateKey& key, std::string_view common_name) {
  Request request(X509_REQ_new());
  ASSERT(request != nullptr);
  int version = X509_REQ_set_version(request.get(), X509_REQ_VERSION_1);
  ASSERT(version == 1);
  if (!common_name.empty()) {
    std::string_view shown = common_name.substr(0, 64);
    // A name that is not UTF-8 is left out: it is for people.
    X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(request.get()), NID_commonName,
                               MBSTRING_UTF8, as_bytes(shown).data(),
                               static_cast<int>(shown.size()), -1, 0);
  }
  int set = X509_REQ_set_pubkey(request.get(), key.handle());
  ASSERT(set == 1);
  const int size = X509_REQ_sign(request.get(), key.handle(), EVP_sha256());
  ERR_clear_error();
  ASSERT(size > 0 || key.is_elsewhere());
  if (size <= 0)
    return fail(Code::unavailable,
                "the key that should sign the request is in a token, and the token does not sign");
  return internal::to_der(i2d_X509_REQ, request.get());
}

Result<crypto::Digest> check_csr(Bytes csr_der) {
  Request request = TRY(read_csr(csr_der));
  return crypto::sha256(internal::to_der(i2d_X509_PUBKEY, X509_REQ_get_X509_PUBKEY(request.get())));
}

Result<CertificateAndKey> make_root(const RootParameters& parameters, io::Clock& clock,
                                    io::Entropy& entropy) {
  TRY(check_parameters(parameters.common_name, parameters.lifetime_seconds));
  std::int64_t now = io::unix_seconds(clock);
  CertificateSpec spec;
  spec.common_name = parameters.common_name;
  spec.serial = random_serial(entropy);
  spec.not_before = now - backdate_seconds;
  spec.not_after = now + parameters.lifetime_seconds;
  spec.basic_constraints = "critical,CA:TRUE,pathlen:1";
  spec.key_usage = "critical,keyCertSign,cRLSign";
  crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
  Certificate certificate =
      TRY(internal::build_certificate(spec, key.handle(), nullptr, key.handle()));
  return CertificateAndKey{std::move(certificate), std::move(key)};
}

Result<Certificate> make_regional(const CertificateAndKey& root, Bytes csr_der,
                                  const RegionalParameters& parameters, io::Clock& clock,
                                  io::Entropy& entropy) {
  TRY(check_parameters(parameters.common_name, parameters.lifetime_seconds));
  if (!is_trust_domain(parameters.trust_domain))
    return fail(Code::invalid_argument, "CA certificate: not a trust domain");
  if (root.certificate.spki_digest() != root.key.spki_digest())
    return fail(Code::invalid_argument, "CA certificate: the root's key is another's");
  Request request = TRY(read_csr(csr_der));
  std::int64_t now = io::unix_seconds(clock);
  CertificateSpec spec;
  spec.common_name = parameters.common_name;
  spec.serial = random_serial(entropy);
  spec.not_before = now - backdate_seconds;
  spec.not_after = now + parameters.lifetime_seconds;
  if (spec.not_after > root.certificate.not_after())
    return fail(Code::invalid_argument,
                fmt::format("CA certificate: it would outlive the root, which ends at {}",
                            internal::utc_text(root.certificate.not_after())));
  spec.basic_constraints = "critical,CA:TRUE,pathlen:0";
  spec.key_usage = "critical,keyCertSign,cRLSign";
  spec.name_constraints = constraints_to(parameters.trust_domain);
  Certificate certificate = TRY(internal::build_certificate(
      spec, X509_REQ_get0_pubkey(request.get()), &root.certificate, root.key.handle()));
  // Checked as its bundle will be, so that a root that cannot do it is found out at the ceremony.
  TRY(check_authority_form(certificate, parameters.trust_domain));
  TRY(check_authority_chain(certificate, std::span(&root.certificate, 1)));
  return certificate;
}

SpiffeId authority_id(std::string_view trust_domain) {
  return {std::string(trust_domain), "/ca/server"};
}

Authority::Authority(Certificate certificate, crypto::P256PrivateKey key, std::string trust_domain,
                     io::Clock& clock, io::Entropy& entropy)
    : certificate_(std::move(certificate)),
      key_(std::move(key)),
      trust_domain_(std::move(trust_domain)),
      clock_(&clock),
      entropy_(&entropy) {}

Result<Authority> Authority::open(Certificate certificate, crypto::P256PrivateKey key,
                                  std::string_view trust_domain, io::Clock& clock,
                                  io::Entropy& entropy) {
  if (!is_trust_domain(trust_domain)) return fail(Code::invalid_argument, "CA: not a trust domain");
  TRY(check_authority_form(certificate, trust_domain));
  if (certificate.spki_digest() != key.spki_digest())
    return fail(Code::invalid_argument,
                fmt::format("CA: {} is for another key", certificate.describe()));
  return Authority(std::move(certificate), std::move(key), std::string(trust_domain), clock,
                   entropy);
}

Result<Certificate> Authority::issue(Bytes csr_der, const SpiffeId& id,
                                     std::int64_t lifetime_seconds,
                                     const std::optional<PersonEvidence>& evidence) {
  std::string uri = format_spiffe_id(id);
  Result<SpiffeId> parsed = parse_spiffe_id(uri);
  if (!parsed.has_value() || *parsed != id)
    return fail(Code::invalid_argument, "certificate: the id is no SPIFFE id");
  if (id.trust_domain != trust_domain_ || id.path.empty())
    return fail(
        Code::permission_denied,
        fmt::format("certificate: {} is nobody of {}, for which this CA is", uri, trust_domain_));
  if (id.path == "/ca" || id.path.starts_with("/ca/"))
    return fail(Code::permission_denied, "certificate: names below /ca are not issued");
  if (evidence && kind_of(id) != IdKind::person)
    return fail(Code::invalid_argument, fmt::format("certificate: {} is no person", uri));
  return issue_to(csr_der, uri, lifetime_seconds, evidence);
}

Result<Certificate> Authority::issue_own(Bytes csr_der, std::int64_t lifetime_seconds) {
  return issue_to(csr_der, format_spiffe_id(authority_id(trust_domain_)), lifetime_seconds,
                  std::nullopt);
}

Result<Certificate> Authority::issue_to(Bytes csr_der, const std::string& uri,
                                        std::int64_t lifetime_seconds,
                                        const std::optional<PersonEvidence>& evidence) {
  if (lifetime_seconds < 1 || lifetime_seconds > svid_lifetime_max)
    return fail(Code::out_of_range, fmt::format("certificate: it lives 1 s to {} s, not {} s",
                                                svid_lifetime_max, lifetime_seconds));
  std::int64_t now = io::unix_seconds(*clock_);
  if (now < certificate_.not_before() || now >= certificate_.not_after())
    return fail(
        Code::failed_precondition,
        fmt::format("certificate: the CA is valid from {} to {}, and by this clock it is {}",
                    internal::utc_text(certificate_.not_before()),
                    internal::utc_text(certificate_.not_after()), internal::utc_text(now)));
  Request request = TRY(read_csr(csr_der));
  CertificateSpec spec;  // without a subject: the name is the id, and critical (RFC 5280 4.2.1.6)
  spec.serial = random_serial(*entropy_);
  // Not before the CA's own beginning, which strict readers would refuse for a minute.
  spec.not_before = std::max(now - backdate_seconds, certificate_.not_before());
  spec.not_after = std::min(now + lifetime_seconds, certificate_.not_after());
  spec.alternative_names = {{GeneralName::Type::uri, uri}};
  spec.alternative_names_critical = true;
  spec.basic_constraints = "critical,CA:FALSE";
  spec.key_usage = "critical,digitalSignature";
  spec.extended_key_usage = "serverAuth,clientAuth";
  if (evidence) {
    Buffer value = TRY(encode_person_evidence(*evidence));
    spec.private_extensions.push_back({person_evidence_oid, std::move(value)});
  }
  return internal::build_certificate(spec, X509_REQ_get0_pubkey(request.get()), &certificate_,
                                     key_.handle());
}

}  // namespace meridian::mesh
