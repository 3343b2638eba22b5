// X.509 certificates as values (RFC 5280): parsed once by OpenSSL, compared by their bytes.
//
// Parsing says that the bytes are one certificate and nothing about trust: that is svid.h's work.
// Values: copies share one immutable parse. Thread-safe.
// Cost: parse 100 us; copy 10 ns; accessors are O(1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/sha256.h"
#include "mesh/spiffe_id.h"

struct x509_st;  // OpenSSL's X509

namespace meridian::mesh {

inline constexpr std::size_t certificate_size_max = 16 * 1024;
/// Certificates in one chain or PEM text: a leaf, its CA, and what an outside PKI may have between.
inline constexpr std::size_t chain_length_max = 8;

class Certificate {
 public:
  /// Errors: invalid_argument unless `der` is exactly one certificate.
  static Result<Certificate> from_der(Bytes der);

  Bytes der() const;
  std::string pem() const;
  /// The serial number in lower-case hexadecimal, two digits per byte: as in `openssl x509 -serial`
  /// but for the case.
  const std::string& serial() const;
  std::int64_t not_before() const;  ///< Seconds since 1970: the first second it is valid.
  std::int64_t not_after()
      const;  ///< Seconds since 1970: the first second it is over (as OpenSSL has it).
  const crypto::Digest& fingerprint() const;  ///< SHA-256 of der().
  const crypto::Digest& spki_digest() const;  ///< SHA-256 of its SubjectPublicKeyInfo.
  /// The id in its subject alternative name, if that is exactly one URI and a SPIFFE id.
  /// Unverified.
  const std::optional<SpiffeId>& claimed_id() const;
  /// The id, or the subject, or the serial number: to name it in a message.
  std::string describe() const;

  bool operator==(const Certificate& other) const;

  /// For code that hands it to OpenSSL; never null, must not be changed.
  x509_st* handle() const;

 private:
  struct Parsed;
  explicit Certificate(std::shared_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}

  std::shared_ptr<const Parsed> parsed_;
};

/// Leaf first, each signed by the next.
using CertificateChain = std::vector<Certificate>;

/// All CERTIFICATE blocks of a text, in its order; what stands around blocks is skipped.
/// Errors: invalid_argument if there is none, more than chain_length_max, or a damaged one.
Result<CertificateChain> parse_pem_chain(std::string_view pem);
std::string format_pem_chain(std::span<const Certificate> chain);
/// Errors: invalid_argument if empty, longer than chain_length_max, or one is damaged.
Result<CertificateChain> parse_der_chain(std::span<const Bytes> chain);

}  // namespace meridian::mesh
