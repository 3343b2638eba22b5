// The SHA256_* calls are deprecated in OpenSSL 3 in favour of EVP, which allocates a context and
// looks up a provider per digest. They are kept for speed, and are used in this file only.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/sha256.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <new>
#include <type_traits>

#include "base/assert.h"

namespace meridian::crypto {
namespace {

constexpr std::size_t block_size = 64;

static_assert(sizeof(SHA256_CTX) == 112);
static_assert(alignof(SHA256_CTX) <= 8);
static_assert(std::is_trivially_copyable_v<SHA256_CTX>, "Sha256 copies it as bytes");

SHA256_CTX* context(std::array<Byte, 112>& state) {
  return std::launder(reinterpret_cast<SHA256_CTX*>(state.data()));
}

}  // namespace

Sha256::Sha256() {
  ::new (static_cast<void*>(state_.data())) SHA256_CTX;
  int started = SHA256_Init(context(state_));
  ASSERT(started == 1);
}

Sha256& Sha256::update(Bytes bytes) {
  SHA256_Update(context(state_), bytes.data(), bytes.size());  // cannot fail
  return *this;
}

Digest Sha256::finish() {
  Digest digest;
  SHA256_Final(digest.data(), context(state_));  // cannot fail; cleanses the block buffer
  return digest;
}

Digest sha256(Bytes bytes) { return Sha256().update(bytes).finish(); }

// RFC 2104 section 2: H(key ^ opad, H(key ^ ipad, text)); both first blocks are hashed here, once.
HmacKey::HmacKey(Bytes key) {
  std::array<Byte, block_size> block{};
  if (key.size() > block_size) {
    Digest digest = sha256(key);
    std::ranges::copy(digest, block.begin());
    OPENSSL_cleanse(digest.data(), digest.size());
  } else {
    std::ranges::copy(key, block.begin());
  }
  for (Byte& byte : block) byte ^= 0x36;
  inner_.update(block);
  for (Byte& byte : block) byte ^= 0x36 ^ 0x5c;
  outer_.update(block);
  OPENSSL_cleanse(block.data(), block.size());
}

HmacKey::~HmacKey() {
  OPENSSL_cleanse(&inner_, sizeof inner_);
  OPENSSL_cleanse(&outer_, sizeof outer_);
}

Digest HmacKey::mac(Bytes message) const { return mac({message}); }

Digest HmacKey::mac(std::initializer_list<Bytes> parts) const {
  Sha256 inner = inner_;
  for (Bytes part : parts) inner.update(part);
  Digest digest = inner.finish();
  return Sha256(outer_).update(digest).finish();
}

}  // namespace meridian::crypto
