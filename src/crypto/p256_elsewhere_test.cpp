#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>
#include <memory>

#include "crypto/p256.h"

namespace meridian::crypto {
namespace {

Buffer point_of(const P256PrivateKey& key) {
  std::array<Byte, 128> point{};
  std::size_t size = 0;
  EVP_PKEY_get_octet_string_param(key.handle(), "encoded-pub-key", point.data(), point.size(),
                                  &size);
  return to_buffer(Bytes(point).first(size));
}

/// r and s as a token gives them.
Buffer raw_signature(const P256PrivateKey& key, Bytes digest) {
  std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new(key.handle(), nullptr), EVP_PKEY_CTX_free);
  std::array<Byte, 128> der{};
  std::size_t size = der.size();
  if (EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_sign(context.get(), der.data(), &size, digest.data(), digest.size()) != 1)
    return {};
  const Byte* at = der.data();
  std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)), ECDSA_SIG_free);
  Buffer raw(p256_signature_size);
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + 32, 32);
  return raw;
}

bool signs_for(const P256PrivateKey& signing, const P256PrivateKey& expected) {
  std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> request(X509_REQ_new(), X509_REQ_free);
  if (X509_REQ_set_pubkey(request.get(), signing.handle()) != 1) return false;
  if (X509_REQ_sign(request.get(), signing.handle(), EVP_sha256()) <= 0) return false;
  return X509_REQ_verify(request.get(), expected.handle()) == 1;
}

TEST(P256Elsewhere, signs_by_asking_and_is_otherwise_the_same_key) {
  const P256PrivateKey held = P256PrivateKey::generate();
  int asked = 0;
  const Result<P256PrivateKey> key =
      P256PrivateKey::elsewhere(point_of(held), [&](Bytes digest) -> Result<Buffer> {
        ++asked;
        return raw_signature(held, digest);
      });
  ASSERT_TRUE(key.has_value());
  EXPECT_TRUE(key->is_elsewhere());
  EXPECT_EQ(key->spki_digest(), held.spki_digest());
  EXPECT_TRUE(*key == held);
  EXPECT_FALSE(*key == P256PrivateKey::generate());
  EXPECT_TRUE(signs_for(*key, held));
  EXPECT_EQ(asked, 1);
}

TEST(P256Elsewhere, who_cannot_sign_there_does_not_sign_at_all) {
  const P256PrivateKey held = P256PrivateKey::generate();
  const Result<P256PrivateKey> away = P256PrivateKey::elsewhere(
      point_of(held), [](Bytes) { return Result<Buffer>(Code::unavailable, "it is away"); });
  const Result<P256PrivateKey> wrong =
      P256PrivateKey::elsewhere(point_of(held), [](Bytes) -> Result<Buffer> { return Buffer(12); });
  EXPECT_FALSE(signs_for(*away, held));
  EXPECT_FALSE(signs_for(*wrong, held));
}

TEST(P256Elsewhere, what_is_no_point_is_no_key) {
  const auto never = [](Bytes) { return Result<Buffer>(Code::internal, "asked"); };
  EXPECT_FALSE(P256PrivateKey::elsewhere({}, never).has_value());
  Buffer point = point_of(P256PrivateKey::generate());
  point.back() ^= 1;
  EXPECT_FALSE(P256PrivateKey::elsewhere(point, never).has_value());
}

}  // namespace
}  // namespace meridian::crypto
