#include "crypto/sealed_box.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <string_view>

#include "base/assert.h"
#include "crypto/aead.h"

namespace meridian::crypto {
namespace {

constexpr std::size_t key_size = 32;
constexpr std::string_view label = "meridian/sealed-box/1";

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeKeyContext {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
struct FreeKdf {
  void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
};
struct FreeKdfContext {
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};
using KeyHandle = std::unique_ptr<EVP_PKEY, FreeKey>;

OSSL_PARAM octets(const char* name, Bytes bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<Byte*>(bytes.data()), bytes.size());
}

/// HKDF over the shared secret, bound to both public keys. Empty if the shared secret is zero.
Secret box_key(EVP_PKEY* own, const ExchangePublicKey& other, const ExchangePublicKey& once,
               const ExchangePublicKey& reader) {
  const KeyHandle peer(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, other.data(), other.size()));
  const std::unique_ptr<EVP_PKEY_CTX, FreeKeyContext> exchange(EVP_PKEY_CTX_new(own, nullptr));
  ASSERT(peer != nullptr && exchange != nullptr);
  std::array<Byte, key_size> shared{};
  std::size_t size = shared.size();
  if (EVP_PKEY_derive_init(exchange.get()) != 1 ||
      EVP_PKEY_derive_set_peer(exchange.get(), peer.get()) != 1 ||
      EVP_PKEY_derive(exchange.get(), shared.data(), &size) != 1) {
    ERR_clear_error();  // TLS on this thread would take it for its own failure
    return Secret();
  }
  Buffer info = to_buffer(as_bytes(label));
  info.insert(info.end(), once.begin(), once.end());
  info.insert(info.end(), reader.begin(), reader.end());

  const std::unique_ptr<EVP_KDF, FreeKdf> hkdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  ASSERT(hkdf != nullptr);
  const std::unique_ptr<EVP_KDF_CTX, FreeKdfContext> context(EVP_KDF_CTX_new(hkdf.get()));
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                               octets(OSSL_KDF_PARAM_KEY, shared),
                               octets(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
  std::array<Byte, key_size> key{};
  const int done = EVP_KDF_derive(context.get(), key.data(), key.size(), params);
  ASSERT(done == 1);
  Secret out{Bytes(key)};
  cleanse(shared);
  cleanse(key);
  return out;
}

}  // namespace

struct ExchangeKey::Handle {
  KeyHandle key;
};

ExchangeKey::ExchangeKey(Bytes secret) : handle_(std::make_unique<Handle>()) {
  ASSERT(secret.size() == key_size);
  handle_->key.reset(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, secret.data(), secret.size()));
  ASSERT(handle_->key != nullptr);
  std::size_t size = public_key_.size();
  const int got = EVP_PKEY_get_raw_public_key(handle_->key.get(), public_key_.data(), &size);
  ASSERT(got == 1 && size == public_key_.size());
}
ExchangeKey::~ExchangeKey() = default;
ExchangeKey::ExchangeKey(ExchangeKey&&) noexcept = default;
ExchangeKey& ExchangeKey::operator=(ExchangeKey&&) noexcept = default;

Result<Secret> ExchangeKey::open(const SealedBox& box, Bytes aad) const {
  ExchangePublicKey once;
  std::copy_n(box.begin(), once.size(), once.begin());
  const Secret key = box_key(handle_->key.get(), once, once, public_key_);
  std::array<Byte, key_size> plain{};
  const bool opened = key.bytes().size() == key_size &&
                      AeadKey(key.bytes()).open({}, aad, Bytes(box).subspan(key_size), plain);
  if (!opened) return fail(Code::data_loss, "a sealed box was not made for this key");
  Secret out{Bytes(plain)};
  cleanse(plain);
  return out;
}

Result<SealedBox> seal_box(const ExchangePublicKey& reader, Bytes secret, Bytes aad, Bytes once) {
  ASSERT(secret.size() == key_size && once.size() == key_size);
  const KeyHandle own(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, once.data(), once.size()));
  ASSERT(own != nullptr);
  ExchangePublicKey shown;
  std::size_t size = shown.size();
  const int got = EVP_PKEY_get_raw_public_key(own.get(), shown.data(), &size);
  ASSERT(got == 1);
  const Secret key = box_key(own.get(), reader, shown, reader);
  if (key.bytes().size() != key_size)
    return fail(Code::invalid_argument, "nothing can be sealed for this public key: it is weak");
  SealedBox box;
  std::copy(shown.begin(), shown.end(), box.begin());
  AeadKey(key.bytes()).seal({}, aad, secret, MutableBytes(box).subspan(key_size));
  return box;
}

}  // namespace meridian::crypto
