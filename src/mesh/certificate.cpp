#include "mesh/certificate.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <ctime>

#include "base/assert.h"
#include "mesh/internal/openssl.h"

namespace meridian::mesh {
namespace {

using internal::Bio;
using internal::X509Handle;

std::string serial_of(const X509* certificate) {
  // From the integer's bytes: a negative one (RFC 5280 forbids it) keeps its sign visible.
  const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
  Bytes bytes(ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial)));
  bool negative = (ASN1_STRING_type(serial) & V_ASN1_NEG) != 0;
  return (negative ? "-" : "") + to_hex(bytes);
}

std::optional<std::int64_t> seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return timegm(&parts);
}

std::optional<SpiffeId> id_of(X509* certificate) {
  internal::Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (names == nullptr || sk_GENERAL_NAME_num(names.get()) != 1) return std::nullopt;
  int type = 0;
  auto* uri = static_cast<ASN1_STRING*>(
      GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), 0), &type));
  if (type != GEN_URI) return std::nullopt;
  Bytes text(ASN1_STRING_get0_data(uri), static_cast<std::size_t>(ASN1_STRING_length(uri)));
  Result<SpiffeId> id = parse_spiffe_id(as_text(text));
  return id.has_value() ? std::optional(*std::move(id)) : std::nullopt;
}

Error refuse(std::string_view what) {
  return internal::openssl_failure(Code::invalid_argument, what);
}

}  // namespace

struct Certificate::Parsed {
  X509Handle handle;
  Buffer der;
  std::string serial;
  std::int64_t not_before = 0;
  std::int64_t not_after = 0;
  crypto::Digest fingerprint{};
  crypto::Digest spki_digest{};
  std::optional<SpiffeId> id;
};

Result<Certificate> Certificate::from_der(Bytes der) {
  if (der.size() > certificate_size_max) return refuse("certificate: more than 16 KiB");
  const Byte* at = der.data();
  X509Handle handle(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (handle == nullptr) return refuse("certificate: not an X.509 certificate in DER");
  if (at != der.data() + der.size()) return refuse("certificate: bytes behind it");
  std::optional<std::int64_t> not_before = seconds_of(X509_get0_notBefore(handle.get()));
  std::optional<std::int64_t> not_after = seconds_of(X509_get0_notAfter(handle.get()));
  if (!not_before.has_value() || !not_after.has_value())
    return refuse("certificate: its validity is not a time");
  auto parsed = std::make_shared<Parsed>();
  // What was signed and what is compared must be one encoding: OpenSSL keeps the signed part as it
  // came and writes the rest anew.
  parsed->der = internal::to_der(i2d_X509, handle.get());
  if (!equal(parsed->der, der)) return refuse("certificate: not in DER but another BER encoding");
  parsed->serial = serial_of(handle.get());
  parsed->not_before = *not_before;
  parsed->not_after = *not_after;
  parsed->fingerprint = crypto::sha256(der);
  parsed->spki_digest =
      crypto::sha256(internal::to_der(i2d_X509_PUBKEY, X509_get_X509_PUBKEY(handle.get())));
  parsed->id = id_of(handle.get());
  parsed->handle = std::move(handle);
  ERR_clear_error();
  return Certificate(std::shared_ptr<const Parsed>(std::move(parsed)));
}

Bytes Certificate::der() const { return parsed_->der; }
const std::string& Certificate::serial() const { return parsed_->serial; }
std::int64_t Certificate::not_before() const { return parsed_->not_before; }
std::int64_t Certificate::not_after() const { return parsed_->not_after; }
const crypto::Digest& Certificate::fingerprint() const { return parsed_->fingerprint; }
const crypto::Digest& Certificate::spki_digest() const { return parsed_->spki_digest; }
const std::optional<SpiffeId>& Certificate::claimed_id() const { return parsed_->id; }
x509_st* Certificate::handle() const { return parsed_->handle.get(); }

bool Certificate::operator==(const Certificate& other) const {
  return equal(parsed_->der, other.parsed_->der);
}

std::string Certificate::pem() const {
  Bio bio(BIO_new(BIO_s_mem()));
  ASSERT(bio != nullptr);
  int written = PEM_write_bio_X509(bio.get(), handle());
  ASSERT(written == 1);
  char* text = nullptr;
  long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string Certificate::describe() const {
  if (claimed_id().has_value()) return format_spiffe_id(*claimed_id());
  Bio bio(BIO_new(BIO_s_mem()));
  ASSERT(bio != nullptr);
  // RFC 2253 with everything unusual escaped: a name from outside cannot forge lines of a log.
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(handle()), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  long size = BIO_get_mem_data(bio.get(), &text);
  std::string_view subject(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  if (subject.empty()) return fmt::format("serial {}", serial());
  return fmt::format("\"{}\" (serial {})", subject.substr(0, 200), serial());
}

Result<CertificateChain> parse_pem_chain(std::string_view pem) {
  if (pem.size() > 2 * certificate_size_max * chain_length_max)
    return refuse("certificates: the PEM text is larger than any chain");
  Bio bio = internal::reading_bio(as_bytes(pem));
  CertificateChain chain;
  while (true) {
    char* label = nullptr;
    char* header = nullptr;
    Byte* data = nullptr;
    long size = 0;
    if (PEM_read_bio(bio.get(), &label, &header, &data, &size) != 1) {
      if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return refuse("certificates: damaged PEM");
      ERR_clear_error();
      break;
    }
    bool is_certificate = std::string_view(label) == PEM_STRING_X509;
    Buffer der = to_buffer({data, static_cast<std::size_t>(size)});
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, static_cast<std::size_t>(size));
    if (!is_certificate) continue;
    if (chain.size() == chain_length_max) return refuse("certificates: more than 8 in one chain");
    chain.push_back(TRY(Certificate::from_der(der)));
  }
  if (chain.empty()) return refuse("certificates: no block of the type CERTIFICATE");
  return chain;
}

std::string format_pem_chain(std::span<const Certificate> chain) {
  std::string pem;
  for (const Certificate& certificate : chain) pem += certificate.pem();
  return pem;
}

Result<CertificateChain> parse_der_chain(std::span<const Bytes> ders) {
  if (ders.empty()) return refuse("certificates: none was given");
  if (ders.size() > chain_length_max) return refuse("certificates: more than 8 in one chain");
  CertificateChain chain;
  chain.reserve(ders.size());
  for (Bytes der : ders) chain.push_back(TRY(Certificate::from_der(der)));
  return chain;
}

}  // namespace meridian::mesh
