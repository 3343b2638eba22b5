// Keys from passphrases: scrypt (RFC 7914). Pure; thread-safe. Slow on purpose: at the cost a key
// store uses (2^17, 8, 1) 0.4 s and 128 MiB.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret.h"

namespace meridian::crypto {

struct ScryptCost {
  std::uint8_t log2_n;
  std::uint8_t r;
  std::uint8_t p;
  bool operator==(const ScryptCost&) const = default;
};
/// 32 bytes. Memory: 128 * r * 2^log2_n bytes. Errors: invalid_argument if that is above 1 GiB, a
/// parameter is zero or p above 16 (parameters come from a file); resource_exhausted if the memory
/// is not to be had.
Result<Secret> scrypt(Bytes passphrase, Bytes salt, ScryptCost cost);

}  // namespace meridian::crypto
