// Ed25519 signatures (RFC 8032). Deterministic. Cost: sign 30 us, verify 80 us: sign tree heads,
// never transfers. A key object belongs to one thread at a time.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace meridian::crypto {

using Ed25519PublicKey = std::array<Byte, 32>;
using Ed25519Signature = std::array<Byte, 64>;

class Ed25519PrivateKey {
 public:
  /// From the 32-byte seed of RFC 8032 (asserted size).
  explicit Ed25519PrivateKey(Bytes seed);
  ~Ed25519PrivateKey();
  Ed25519PrivateKey(Ed25519PrivateKey&&) noexcept;
  Ed25519PrivateKey& operator=(Ed25519PrivateKey&&) noexcept;

  const Ed25519PublicKey& public_key() const { return public_key_; }
  Ed25519Signature sign(Bytes message) const;

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
  Ed25519PublicKey public_key_{};
};

/// A private key wherever it lies: in memory, or in an HSM. One thread at a time.
class Ed25519Signer {
 public:
  virtual ~Ed25519Signer() = default;

  virtual const Ed25519PublicKey& public_key() const = 0;
  /// Errors: of where the key lies; none in memory.
  virtual Result<Ed25519Signature> sign(Bytes message) const = 0;
};
/// As Ed25519PrivateKey(seed).
std::unique_ptr<Ed25519Signer> make_ed25519_signer(Bytes seed);

bool verify_ed25519(const Ed25519PublicKey& key, Bytes message, const Ed25519Signature& signature);

}  // namespace meridian::crypto
