// A secret of 32 bytes for one reader, who is known by a public key: X25519 (RFC 7748) with a key
// of the writer's that is used once, HKDF-SHA-256 (RFC 5869) over both public keys, AES-256-GCM.
// The shape of HPKE's base mode (RFC 9180), which this OpenSSL does not have. It says nothing of
// who wrote it: that is the signature's or the log's part.
//
//   box = one-time public key(32) ‖ AES-256-GCM(secret)(32) ‖ tag(16)
//
// Values; an ExchangeKey may be used by several threads. Cost: 0.1 ms either way.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace meridian::crypto {

using ExchangePublicKey = std::array<Byte, 32>;
inline constexpr std::size_t sealed_box_size = 80;
using SealedBox = std::array<Byte, sealed_box_size>;

class ExchangeKey {
 public:
  /// `secret` has 32 random bytes (asserted).
  explicit ExchangeKey(Bytes secret);
  ~ExchangeKey();
  ExchangeKey(ExchangeKey&&) noexcept;
  ExchangeKey& operator=(ExchangeKey&&) noexcept;

  const ExchangePublicKey& public_key() const { return public_key_; }
  /// Errors: data_loss if `box` was not made for this key with the same `aad`.
  Result<Secret> open(const SealedBox& box, Bytes aad) const;

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
  ExchangePublicKey public_key_{};
};

/// `secret` and `once` have 32 bytes (asserted); `once` is random and never used again. Errors:
/// invalid_argument if `reader` is a point that makes every shared secret zero.
Result<SealedBox> seal_box(const ExchangePublicKey& reader, Bytes secret, Bytes aad, Bytes once);

}  // namespace meridian::crypto
