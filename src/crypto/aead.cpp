#include "crypto/aead.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <algorithm>
#include <climits>
#include <utility>

#include "base/assert.h"

namespace meridian::crypto {
namespace {

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }  // cleanses
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

/// Looked up once: an implicit fetch costs more than sealing 256 bytes. Never freed.
const EVP_CIPHER* fetch(const char* name) {
  const EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, name, nullptr);
  ASSERT(cipher != nullptr);
  return cipher;
}
const EVP_CIPHER* gcm() {
  static const EVP_CIPHER* const cipher = fetch("AES-256-GCM");
  return cipher;
}
const EVP_CIPHER* key_wrap() {
  static const EVP_CIPHER* const cipher = fetch("AES-256-WRAP");
  return cipher;
}

Context make_context() {
  Context context(EVP_CIPHER_CTX_new());
  ASSERT(context != nullptr);
  return context;
}

int int_size(Bytes bytes) {
  ASSERT(bytes.size() <= INT_MAX - aead_tag_size);
  return static_cast<int>(bytes.size());
}

/// Feeds additional data, then `in`, through a context whose key and nonce are set.
bool run(EVP_CIPHER_CTX* context, Bytes aad, Bytes in, Byte* out) {
  int written = 0;
  if (!aad.empty() && EVP_CipherUpdate(context, nullptr, &written, aad.data(), int_size(aad)) != 1)
    return false;
  return in.empty() || EVP_CipherUpdate(context, out, &written, in.data(), int_size(in)) == 1;
}

}  // namespace

/// One context serves both directions: GCM encrypts counters either way, so the key schedule is
/// the same and only the nonce is set per message.
struct AeadKey::Contexts {
  Context context;
};

AeadKey::AeadKey(Bytes key) : contexts_(std::make_unique<Contexts>(Contexts{make_context()})) {
  ASSERT(key.size() == aead_key_size);
  int ready = EVP_CipherInit_ex2(contexts_->context.get(), gcm(), key.data(), nullptr, 1, nullptr);
  ASSERT(ready == 1);
}
void AeadKey::rekey(Bytes key) {
  ASSERT(key.size() == aead_key_size);
  int ready =
      EVP_CipherInit_ex2(contexts_->context.get(), nullptr, key.data(), nullptr, 1, nullptr);
  ASSERT(ready == 1);
}
AeadKey::~AeadKey() = default;
AeadKey::AeadKey(AeadKey&&) noexcept = default;
AeadKey& AeadKey::operator=(AeadKey&&) noexcept = default;

void AeadKey::seal(const Nonce& nonce, Bytes aad, Bytes plaintext, MutableBytes out) {
  ASSERT(out.size() == plaintext.size() + aead_tag_size);
  EVP_CIPHER_CTX* context = contexts_->context.get();
  int ready = EVP_CipherInit_ex2(context, nullptr, nullptr, nonce.data(), 1, nullptr);
  ASSERT(ready == 1);
  bool sealed = run(context, aad, plaintext, out.data());
  ASSERT(sealed);
  Byte* tag = out.data() + plaintext.size();
  int written = 0;
  int finished = EVP_CipherFinal_ex(context, tag, &written);
  ASSERT(finished == 1);
  int tagged = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, aead_tag_size, tag);
  ASSERT(tagged == 1);
}

bool AeadKey::open(const Nonce& nonce, Bytes aad, Bytes sealed, MutableBytes out) {
  if (sealed.size() < aead_tag_size) {
    cleanse(out);
    return false;
  }
  Bytes ciphertext = sealed.first(sealed.size() - aead_tag_size);
  ASSERT(out.size() == ciphertext.size());
  std::array<Byte, aead_tag_size> tag;  // before `out`, which may be the same bytes, is written
  std::ranges::copy(sealed.last(aead_tag_size), tag.begin());
  EVP_CIPHER_CTX* context = contexts_->context.get();
  int ready = EVP_CipherInit_ex2(context, nullptr, nullptr, nonce.data(), 0, nullptr);
  ASSERT(ready == 1);
  int tagged = EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, aead_tag_size, tag.data());
  ASSERT(tagged == 1);
  int written = 0;
  if (run(context, aad, ciphertext, out.data()) &&
      EVP_CipherFinal_ex(context, tag.data(), &written) == 1)
    return true;
  cleanse(out);
  ERR_clear_error();  // TLS on this thread would take what is left there for its own failure
  return false;
}

WrappedKey wrap_key(Bytes wrapping_key, Bytes key) {
  ASSERT(wrapping_key.size() == aead_key_size);
  ASSERT(key.size() == aead_key_size);
  Context context = make_context();
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  int ready =
      EVP_CipherInit_ex2(context.get(), key_wrap(), wrapping_key.data(), nullptr, 1, nullptr);
  ASSERT(ready == 1);
  WrappedKey wrapped;
  int written = 0;
  int done = EVP_CipherUpdate(context.get(), wrapped.data(), &written, key.data(), int_size(key));
  ASSERT(done == 1);
  ASSERT(written == static_cast<int>(wrapped.size()));
  return wrapped;
}

Result<Secret> unwrap_key(Bytes wrapping_key, const WrappedKey& wrapped) {
  ASSERT(wrapping_key.size() == aead_key_size);
  Context context = make_context();
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  int ready =
      EVP_CipherInit_ex2(context.get(), key_wrap(), wrapping_key.data(), nullptr, 0, nullptr);
  ASSERT(ready == 1);
  std::array<Byte, sizeof(WrappedKey)> plain;  // OpenSSL may use the last block as scratch
  int written = 0;
  bool opened = EVP_CipherUpdate(context.get(), plain.data(), &written, wrapped.data(),
                                 int_size(wrapped)) == 1 &&
                written == static_cast<int>(aead_key_size);
  if (!opened) {
    cleanse(plain);
    ERR_clear_error();
    return fail(Code::data_loss,
                "a wrapped key does not open: it was wrapped under another key, or is damaged");
  }
  Secret key(Bytes(plain).first(aead_key_size));
  cleanse(plain);
  return key;
}

}  // namespace meridian::crypto
