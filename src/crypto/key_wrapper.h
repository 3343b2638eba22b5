// Wraps 32-byte keys under one key-encryption key (AES-256-KW, RFC 3394), wherever that key lies:
// in memory, or in an HSM. The bytes are the same either way.
//
// Several threads may share one. What holds a wrapper holds its key: in memory it is cleansed when
// the last wrapper goes.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/aead.h"
#include "crypto/secret.h"

namespace meridian::crypto {

class KeyWrapper {
 public:
  virtual ~KeyWrapper() = default;

  /// `key` has 32 bytes (asserted). Errors: of where the key lies; none in memory.
  virtual Result<WrappedKey> wrap(Bytes key) const = 0;
  /// Errors: data_loss if it was not wrapped under this key; others as wrap().
  virtual Result<Secret> unwrap(const WrappedKey& wrapped) const = 0;
};

/// Of a copy of `wrapping_key` (32 bytes, asserted), in locked memory.
std::shared_ptr<const KeyWrapper> make_key_wrapper(Bytes wrapping_key);

}  // namespace meridian::crypto
