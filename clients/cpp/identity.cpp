#include "meridian/identity.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <optional>
#include <string_view>

#include "system.h"

namespace meridian::client {
namespace {

constexpr std::string_view end_of_key = "-----END PRIVATE KEY-----\n";
constexpr std::string_view end_of_certificate = "-----END CERTIFICATE-----\n";
constexpr std::string_view scheme = "spiffe://";

/// "eu.bank.example" of the one URI in a leaf's subjectAltName.
std::optional<std::string> trust_domain_of(const std::string& leaf) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(
      BIO_new_mem_buf(leaf.data(), static_cast<int>(leaf.size())), &BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr), &X509_free);
  if (!certificate) return std::nullopt;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  if (!names || sk_GENERAL_NAME_num(names.get()) != 1) return std::nullopt;
  const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), 0);
  if (name->type != GEN_URI) return std::nullopt;
  const ASN1_IA5STRING* bytes = name->d.uniformResourceIdentifier;
  std::string_view uri(reinterpret_cast<const char*>(ASN1_STRING_get0_data(bytes)),
                       static_cast<std::size_t>(ASN1_STRING_length(bytes)));
  if (!uri.starts_with(scheme)) return std::nullopt;
  uri.remove_prefix(scheme.size());
  return std::string(uri.substr(0, uri.find('/')));
}

}  // namespace

Result<TlsOptions> read_identity(const std::string& directory) {
  const std::string path = directory + "/identity.pem";
  const std::optional<std::string> read = read_file(path);
  if (!read)
    return Error{Code::not_found, path + ": cannot be read; `meridian join` makes an identity"};
  const std::string& text = *read;
  const std::size_t key_end = text.find(end_of_key);
  if (key_end == std::string::npos)
    return Error{Code::invalid_argument, path + ": begins with no private key in PEM"};
  TlsOptions tls;
  tls.private_key = text.substr(0, key_end + end_of_key.size());
  tls.certificate_chain = text.substr(tls.private_key.size());
  const std::size_t leaf_end = tls.certificate_chain.find(end_of_certificate);
  if (leaf_end == std::string::npos)
    return Error{Code::invalid_argument, path + ": holds no certificate behind the key"};
  const std::string leaf = tls.certificate_chain.substr(0, leaf_end + end_of_certificate.size());
  tls.authorities = tls.certificate_chain.substr(leaf.size());
  if (tls.authorities.empty())
    return Error{Code::invalid_argument, path + ": lacks the certificate of its authority"};
  const std::optional<std::string> domain = trust_domain_of(leaf);
  if (!domain)
    return Error{Code::invalid_argument, path + ": its certificate names no one SPIFFE id"};
  tls.trust_domain = *domain;
  return tls;
}

}  // namespace meridian::client
