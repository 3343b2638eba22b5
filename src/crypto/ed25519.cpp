#include "crypto/ed25519.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <utility>

#include "base/assert.h"

namespace meridian::crypto {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using KeyHandle = std::unique_ptr<EVP_PKEY, FreeKey>;
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

Context make_context() {
  Context context(EVP_MD_CTX_new());
  ASSERT(context != nullptr);
  return context;
}

}  // namespace

struct Ed25519PrivateKey::Handle {
  KeyHandle key;
};

Ed25519PrivateKey::Ed25519PrivateKey(Bytes seed) : handle_(std::make_unique<Handle>()) {
  ASSERT(seed.size() == 32);
  handle_->key.reset(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  ASSERT(handle_->key != nullptr);
  std::size_t size = public_key_.size();
  int got = EVP_PKEY_get_raw_public_key(handle_->key.get(), public_key_.data(), &size);
  ASSERT(got == 1);
  ASSERT(size == public_key_.size());
}
Ed25519PrivateKey::~Ed25519PrivateKey() = default;
Ed25519PrivateKey::Ed25519PrivateKey(Ed25519PrivateKey&&) noexcept = default;
Ed25519PrivateKey& Ed25519PrivateKey::operator=(Ed25519PrivateKey&&) noexcept = default;

Ed25519Signature Ed25519PrivateKey::sign(Bytes message) const {
  Context context = make_context();
  int ready = EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, handle_->key.get());
  ASSERT(ready == 1);
  Ed25519Signature signature;
  std::size_t size = signature.size();
  int done = EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size());
  ASSERT(done == 1);
  ASSERT(size == signature.size());
  return signature;
}

namespace {

class MemorySigner final : public Ed25519Signer {
 public:
  explicit MemorySigner(Bytes seed) : key_(seed) {}
  const Ed25519PublicKey& public_key() const override { return key_.public_key(); }
  Result<Ed25519Signature> sign(Bytes message) const override { return key_.sign(message); }

 private:
  Ed25519PrivateKey key_;
};

}  // namespace

std::unique_ptr<Ed25519Signer> make_ed25519_signer(Bytes seed) {
  return std::make_unique<MemorySigner>(seed);
}

bool verify_ed25519(const Ed25519PublicKey& key, Bytes message, const Ed25519Signature& signature) {
  KeyHandle handle(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  Context context = make_context();
  bool valid = handle != nullptr &&
               EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, handle.get()) == 1 &&
               EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                                message.size()) == 1;
  if (!valid) ERR_clear_error();  // TLS on this thread would take it for its own failure
  return valid;
}

}  // namespace meridian::crypto
