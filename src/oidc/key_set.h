// The keys of a provider (JWK Set, RFC 7517), and the check of what is signed with them (JWS,
// RFC 7515), by cjose.
//
// The caller says which algorithms are taken, before a key is looked for; a key is used for its own
// kind alone. So a token cannot choose to be unsigned, nor have a public key taken for a shared
// secret. Values; thread-safe. Cost: 100 us for a signature.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/sha256.h"
#include "oidc/settings.h"

// NOLINTNEXTLINE(bugprone-reserved-identifier): cjose's own name for its key
struct _cjose_jwk_int;

namespace meridian::oidc {

inline constexpr std::size_t token_size_max = 16 * 1024;
inline constexpr std::size_t keys_max = 64;
inline constexpr std::size_t rsa_bits_min = 2'048;
inline constexpr std::size_t rsa_bits_max = 8'192;

/// What the header of a token says.
struct TokenHead {
  Algorithm algorithm{};
  std::optional<std::string> key_id;
};
/// Errors: permission_denied unless it is a signed token (compact JWS) in one of `algorithms`.
Result<TokenHead> read_token_head(std::string_view token, std::span<const Algorithm> algorithms);

/// Which token it is: SHA-256 of what is signed, header and content. Not of the whole text, as a
/// signature can be written in several ways (unused bits of base64; ECDSA's s and n - s).
crypto::Digest token_digest(std::string_view token);

class KeySet {
 public:
  /// Keys that cannot sign tokens for us (other kinds, other uses, too small) are left out.
  /// Errors: invalid_argument if it is no key set, or has more than keys_max.
  static Result<KeySet> parse(std::string_view json);

  /// The token's content, if one of these keys signed it. Errors: not_found if the key that it
  /// names is not here (nor, without a name, exactly one that could be); permission_denied.
  Result<std::string> verify(std::string_view token, const TokenHead& head) const;

  std::size_t size() const { return keys_.size(); }

 private:
  struct Key {
    std::shared_ptr<const _cjose_jwk_int> key;
    std::string id;  ///< Empty: it has none.
    std::vector<Algorithm> algorithms;
  };
  static std::optional<Key> read_key(const std::string& json, const std::string& use,
                                     const std::string& algorithm, const std::string& id);

  std::vector<Key> keys_;
};

}  // namespace meridian::oidc
