// Lines of text that a person signs with the key of their certificate: what proposals of policies
// and of acts, and their approvals, have in common. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/p256.h"
#include "crypto/sha256.h"
#include "mesh/certificate.h"

namespace meridian::mesh {

/// ECDSA over SHA-256, DER.
Buffer sign(const crypto::P256PrivateKey& key, std::string_view text);
bool is_signed_by(const Certificate& certificate, std::string_view text, Bytes signature);

/// What a person hands in.
struct SignedText {
  std::string text;         ///< A statement or an approval.
  std::string certificate;  ///< PEM; the leaf.
  Buffer signature;
};
/// Who the certificate names. Errors: invalid_argument, permission_denied.
Result<std::string> claimed_signer(const SignedText& given);
/// That the certificate is of `id`, and its key signed. Errors: the same.
Status check_signature(const SignedText& given, const std::string& id);
/// A name in two regions is one person. What is no id is nobody apart.
bool is_one_person(const std::string& id, const std::string& other);

// --- lines of a text ---
/// The rest of a line that begins with `key` and a space; moves past it. Errors: invalid_argument.
Result<std::string_view> take_line(std::string_view& text, std::string_view key);
Result<crypto::Digest> parse_digest(std::string_view hex);
/// Seconds since 1970.
Result<std::int64_t> parse_seconds(std::string_view text);

}  // namespace meridian::mesh
