// Private keys on P-256 (FIPS 186-5, SEC 2 secp256r1): what X.509 certificates of ours are made
// for.
//
// Made by OpenSSL's generator, from the kernel's randomness; never from io::Entropy, as a key that
// a seed repeats is nobody's secret. A value: copies share one immutable key. Thread-safe. The key
// itself is on OpenSSL's heap: cleansed when the last copy goes, not locked (see secret.h).
// Cost: generate 20 us, sign (through mesh/ and TLS) 20 us, verify 60 us.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace meridian::crypto {

inline constexpr std::size_t p256_point_size = 65;      ///< Uncompressed: 04 x y.
inline constexpr std::size_t p256_signature_size = 64;  ///< r s

class P256PrivateKey {
 public:
  static P256PrivateKey generate();
  /// r and s of the signature over a SHA-256 digest.
  using DigestSigner = std::function<Result<Buffer>(Bytes digest)>;
  /// A key whose private half is elsewhere, as in an HSM: `sign` is asked for each signature, in
  /// whatever thread signs. What cannot be signed there fails as OpenSSL's signing fails.
  /// Errors: invalid_argument if `point` (p256_point_size bytes) is not on the curve.
  static Result<P256PrivateKey> elsewhere(Bytes point, DigestSigner sign);
  bool is_elsewhere() const { return is_elsewhere_; }

  /// Unencrypted PKCS#8 (RFC 5958), nothing behind it.
  /// Errors: invalid_argument if it is damaged, or of another type or curve.
  static Result<P256PrivateKey> from_pkcs8(Bytes der);
  /// "-----BEGIN PRIVATE KEY-----", one key. Errors: as from_pkcs8.
  static Result<P256PrivateKey> from_pem(std::string_view pem);

  /// Of a key that is here (asserted), as pem().
  Secret pkcs8() const;
  Secret pem() const;
  /// SHA-256 of the public key's SubjectPublicKeyInfo (DER).
  Digest spki_digest() const;
  /// Same key pair.
  bool operator==(const P256PrivateKey& other) const;

  /// For code that hands it to OpenSSL; never null, must not be changed.
  evp_pkey_st* handle() const { return key_.get(); }

 private:
  explicit P256PrivateKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

  std::shared_ptr<evp_pkey_st> key_;
  bool is_elsewhere_ = false;
};

}  // namespace meridian::crypto
