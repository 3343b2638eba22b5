// What an ID token has to say before it is believed (OpenID Connect Core section 3.1.3.7), once its
// signature is known to be the provider's (key_set.h).
//
// Clocks may differ by token_leeway_seconds. The nonce ties a token to one key: who steals a token
// gets nothing for a key of theirs. Pure; `now` is given.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/sha256.h"
#include "mesh/person_evidence.h"
#include "oidc/settings.h"

namespace meridian::oidc {

inline constexpr std::int64_t token_leeway_seconds = 60;
/// A token is brought at once; one that was made longer ago is not taken, whenever it ends.
inline constexpr std::int64_t token_age_max_seconds = 600;

inline constexpr std::size_t nonce_random_size = 32;
/// base64url of the SHA-256 of the public key's digest and random bytes: made by who asks for a
/// certificate, and again by who issues it, from the request's own key.
std::string sign_in_nonce(const crypto::Digest& spki_digest, Bytes random);

/// Who signed in, and how.
struct SignedIn {
  std::string name;          ///< "ada": whose certificate it will be.
  crypto::Digest subject{};  ///< SHA-256 of the issuer, LF, and `sub`.
  mesh::PersonEvidence evidence;
  bool operator==(const SignedIn&) const = default;
};

/// `content`: of a token whose signature is right. Errors: permission_denied saying what is wrong.
Result<SignedIn> judge_id_token(std::string_view content, const Settings& settings,
                                std::string_view nonce, std::int64_t now);

}  // namespace meridian::oidc
