// A PKCS#11 token (OASIS PKCS#11 v2.40; Ed25519 as in 3.0): an HSM, or SoftHSM. Keys are made, used
// and destroyed inside it and cannot leave it (one kind is brought in, and cannot leave either);
// what a key is asked to do goes through the interfaces of crypto/, so that nobody else sees where
// it lies.
//
// The module is loaded and asked directly, by the header of Debian's p11-kit; no OpenSSL engine is
// between (its interface has no EdDSA). The URI is RFC 7512's, read by p11-kit. A resource; any
// thread may call, one call at a time reaches the token. A session that the token dropped is opened
// anew once per call; the PIN stays in locked memory for that. A PIN that was refused is never
// tried again: a token locks itself after a few.
// Cost: the token's; SoftHSM 40 us to wrap or unwrap a key, 0.2 ms to sign (and check) with
// Ed25519.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ed25519.h"
#include "crypto/key_wrapper.h"
#include "crypto/p256.h"
#include "crypto/secret.h"

namespace meridian::token {

/// Of a URI like "pkcs11:token=ledger;serial=1234?module-path=/usr/lib/softhsm/libsofthsm2.so": it
/// names one token, and the library that reaches it.
struct TokenAddress {
  std::string uri;
};

enum class Origin : std::uint8_t {
  made,   ///< Inside, and never anywhere else.
  given,  ///< Brought in; it does not come out again.
};

class Token {
 public:
  static constexpr std::size_t label_size_max = 128;

  /// Loads the module, finds the token and logs in. Errors, each with what to do:
  /// invalid_argument (the URI); not_found (module or token); permission_denied (the PIN);
  /// failed_precondition (the token lacks a mechanism that is needed, or is not initialised);
  /// unavailable.
  static Result<std::shared_ptr<Token>> open(const TokenAddress& address, crypto::Secret pin);
  virtual ~Token() = default;

  // Keys go by label. Errors of all: not_found; unavailable (the token is away: nothing was done);
  // failed_precondition (the key could leave the token, or is of another type).

  /// Makes a key inside. `label` has 1 to label_size_max characters. Errors: already_exists;
  /// failed_precondition if this token would let it out (it is destroyed again).
  virtual Status make_wrapping_key(std::string_view label) = 0;  ///< AES-256, for AES-KW only.
  /// Brings in an AES-256 key, for AES-KW only, which is sensitive and not extractable from then
  /// on. Errors: as of the others here.
  virtual Status give_wrapping_key(std::string_view label, Bytes key) = 0;
  virtual Status make_ed25519(std::string_view label) = 0;
  virtual Status make_p256(std::string_view label) = 0;
  /// Every object of that label. Errors: not_found.
  virtual Status destroy(std::string_view label) = 0;
  /// Of the keys inside whose label begins with `prefix`; sorted.
  virtual Result<std::vector<std::string>> labels(std::string_view prefix) = 0;

  /// What they give shares the token, and may outlive this pointer to it.
  virtual Result<std::shared_ptr<const crypto::KeyWrapper>> wrapper(
      std::string_view label, Origin origin = Origin::made) = 0;
  virtual Result<std::unique_ptr<crypto::Ed25519Signer>> ed25519(std::string_view label) = 0;
  virtual Result<crypto::P256PrivateKey> p256(std::string_view label) = 0;

  /// "token ledger (SoftHSM v2, serial 1234)".
  virtual const std::string& display() const = 0;
};

}  // namespace meridian::token
