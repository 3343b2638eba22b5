// JSON Web Signatures (RFC 7515) by keys of X.509-SVIDs: ES256, with the certificates in `x5c`
// (docs/formats/signature.md).
//
// Two forms of one signature: detached, `header..signature` (appendix F), as it travels beside what
// was signed; and compact, `header.payload.signature`, as it is kept. Reading is strict: one
// base64url text for given bytes, and of the header the members that we know, each once. What a
// certificate is worth is not asked here (svid.h). Pure; thread-safe.
// Cost: of signatures that of crypto/p256.h; a header is read in the time of its certificates
// (certificate.h), so who sees the same one again and again remembers what it read.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/p256.h"
#include "mesh/certificate.h"

namespace meridian::mesh {

inline constexpr std::size_t detached_jws_size_max = 12 << 10;
inline constexpr std::size_t jws_certificates_max = 4;

/// `chain` is leaf first, and `key` that of the leaf.
std::string sign_detached_jws(std::span<const Certificate> chain, const crypto::P256PrivateKey& key,
                              std::string_view payload);

/// The two parts of a detached one, as they are written.
struct DetachedJws {
  std::string header, signature;
};
/// Errors: invalid_argument. Looks at size and shape only.
Result<DetachedJws> split_detached_jws(std::string_view text);
/// The certificates that a header names, leaf first. Errors: invalid_argument.
Result<CertificateChain> read_jws_header(std::string_view header);

/// As it is kept: with its payload.
std::string attach_payload(const DetachedJws& jws, std::string_view payload);
/// Whether the key of `leaf` signed header and payload of `compact`. Never fails otherwise: what is
/// no JWS is not signed.
bool is_jws_signed_by(const Certificate& leaf, std::string_view compact);

/// A compact one, read and verified by the key of its own first certificate.
struct SignedJws {
  CertificateChain chain;
  std::string payload;
};
/// Errors: invalid_argument if it has another form; permission_denied if its signature is wrong.
Result<SignedJws> open_jws(std::string_view compact);

}  // namespace meridian::mesh
