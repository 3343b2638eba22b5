// Secret bytes: kept in memory that is locked against swap, left out of core dumps and cleansed
// when released. Movable, not copyable; never printed. One thread at a time unless const.
//
// Small secrets share pages of a process-wide pool (a page each would use up RLIMIT_MEMLOCK after
// 2,000 keys). It is the one hidden global of this module: memory, like the heap, without policy.
// If the kernel refuses to lock, secrets still work and secret_memory() says how much is not
// locked: programs report it at the start. Key schedules inside OpenSSL contexts (AeadKey,
// Ed25519PrivateKey) live on OpenSSL's heap: cleansed, not locked; keep core dumps off for those.
// Cost: about 50 ns to make and release a 32-byte secret.
#pragma once

#include <cstddef>

#include "base/bytes.h"

namespace meridian::crypto {

class Secret {
 public:
  Secret() = default;
  /// A copy of `bytes` (the caller cleanses the original).
  explicit Secret(Bytes bytes);
  ~Secret();
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  Secret copy() const { return Secret(bytes()); }
  Bytes bytes() const { return {data_, size_}; }
  bool empty() const { return size_ == 0; }

 private:
  Byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// What the pool holds now: all of its pages, and those the kernel would not lock.
struct SecretMemory {
  std::size_t mapped;
  std::size_t unlocked;
};
SecretMemory secret_memory();

/// Overwrites memory so that the compiler cannot leave it out.
void cleanse(MutableBytes bytes);
/// Compares without telling by its time where two secrets differ.
bool equal_constant_time(Bytes a, Bytes b);

}  // namespace meridian::crypto
