// A key of OpenSSL whose private half is somewhere else: an EC_KEY of a method of ours, which asks
// for each signature. X.509 and TLS take it as any other. EC_KEY_METHOD is deprecated in favour of
// providers, which cannot be registered for one key; OpenSSL 3 keeps it for this very use.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/assert.h"
#include "crypto/p256.h"

namespace meridian::crypto {

namespace {

using Signing = P256PrivateKey::DigestSigner;

void free_signing(void*, void* signing, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Signing*>(signing);
}

/// Where an EC_KEY of ours keeps its Signing. Taken once, never given back, as OpenSSL's is.
int signing_index() {
  static const int index =
      CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_EC_KEY, 0, nullptr, nullptr, nullptr, free_signing);
  ASSERT(index > 0);
  return index;
}

ECDSA_SIG* sign_elsewhere(const unsigned char* digest, int size, const BIGNUM*, const BIGNUM*,
                          EC_KEY* key) {
  const auto* signing = static_cast<const Signing*>(EC_KEY_get_ex_data(key, signing_index()));
  if (signing == nullptr || size != static_cast<int>(sizeof(Digest))) return nullptr;
  const Result<Buffer> made = (*signing)(Bytes(digest, static_cast<std::size_t>(size)));
  if (!made || made->size() != p256_signature_size) {
    ERR_raise_data(ERR_LIB_EC, EC_R_INVALID_DIGEST, "%s",
                   made ? "a signature of the wrong size" : made.error().message.c_str());
    return nullptr;
  }
  constexpr int half = p256_signature_size / 2;
  ECDSA_SIG* signature = ECDSA_SIG_new();
  BIGNUM* r = BN_bin2bn(made->data(), half, nullptr);
  BIGNUM* s = BN_bin2bn(made->data() + half, half, nullptr);
  ASSERT(signature != nullptr && r != nullptr && s != nullptr);
  const int set = ECDSA_SIG_set0(signature, r, s);
  ASSERT(set == 1);
  return signature;
}

const EC_KEY_METHOD* method() {
  static const EC_KEY_METHOD* const made = [] {
    EC_KEY_METHOD* fresh = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    ASSERT(fresh != nullptr);
    int (*sign)(int, const unsigned char*, int, unsigned char*, unsigned int*, const BIGNUM*,
                const BIGNUM*, EC_KEY*) = nullptr;
    int (*setup)(EC_KEY*, BN_CTX*, BIGNUM**, BIGNUM**) = nullptr;
    EC_KEY_METHOD_get_sign(fresh, &sign, &setup, nullptr);  // `sign` encodes what the last gives
    EC_KEY_METHOD_set_sign(fresh, sign, setup, sign_elsewhere);
    return fresh;
  }();
  return made;
}

struct FreeEcKey {
  void operator()(EC_KEY* key) const { EC_KEY_free(key); }
};

}  // namespace

Result<P256PrivateKey> P256PrivateKey::elsewhere(Bytes point, DigestSigner sign) {
  std::unique_ptr<EC_KEY, FreeEcKey> key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  ASSERT(key != nullptr);
  const int is_set = EC_KEY_set_method(key.get(), method());
  ASSERT(is_set == 1);
  if (point.size() != p256_point_size ||
      EC_KEY_oct2key(key.get(), point.data(), point.size(), nullptr) != 1) {
    ERR_clear_error();
    return fail(Code::invalid_argument, "public key: no point of the curve P-256");
  }
  const int kept =
      EC_KEY_set_ex_data(key.get(), signing_index(), new DigestSigner(std::move(sign)));
  ASSERT(kept == 1);
  std::shared_ptr<EVP_PKEY> whole(EVP_PKEY_new(), EVP_PKEY_free);
  ASSERT(whole != nullptr);
  const int assigned = EVP_PKEY_assign_EC_KEY(whole.get(), key.release());
  ASSERT(assigned == 1);
  P256PrivateKey result(std::move(whole));
  result.is_elsewhere_ = true;
  return result;
}

}  // namespace meridian::crypto
