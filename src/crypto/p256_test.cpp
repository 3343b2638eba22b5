#include "crypto/p256.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <string>

namespace meridian::crypto {
namespace {

TEST(P256, a_key_survives_pkcs8_and_pem) {
  P256PrivateKey key = P256PrivateKey::generate();
  Secret der = key.pkcs8();
  Secret pem = key.pem();
  EXPECT_TRUE(as_text(pem.bytes()).starts_with("-----BEGIN PRIVATE KEY-----\n"));
  Result<P256PrivateKey> from_der = P256PrivateKey::from_pkcs8(der.bytes());
  Result<P256PrivateKey> from_pem = P256PrivateKey::from_pem(as_text(pem.bytes()));
  ASSERT_TRUE(from_der.has_value()) << from_der.error().message;
  ASSERT_TRUE(from_pem.has_value()) << from_pem.error().message;
  EXPECT_EQ(*from_der, key);
  EXPECT_EQ(*from_pem, key);
  EXPECT_EQ(from_pem->spki_digest(), key.spki_digest());
}

TEST(P256, two_keys_differ) {
  P256PrivateKey a = P256PrivateKey::generate();
  P256PrivateKey b = P256PrivateKey::generate();
  EXPECT_FALSE(a == b);
  EXPECT_NE(a.spki_digest(), b.spki_digest());
}

TEST(P256, damaged_cut_and_lengthened_keys_are_refused) {
  Secret der = P256PrivateKey::generate().pkcs8();
  Buffer bytes = to_buffer(der.bytes());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(P256PrivateKey::from_pkcs8(Bytes(bytes).first(size)).has_value()) << size;
  bytes.push_back(0);
  EXPECT_FALSE(P256PrivateKey::from_pkcs8(bytes).has_value());
  EXPECT_FALSE(P256PrivateKey::from_pem("").has_value());
  EXPECT_FALSE(P256PrivateKey::from_pem(std::string_view()).has_value());
  EXPECT_FALSE(P256PrivateKey::from_pkcs8({}).has_value());
  EXPECT_FALSE(P256PrivateKey::from_pem("-----BEGIN PRIVATE KEY-----\n").has_value());
  EXPECT_EQ(ERR_peek_error(), 0UL) << "refusals leave nothing in OpenSSL's error queue";
}

TEST(P256, keys_of_other_curves_and_types_are_refused_with_the_reason) {
  for (EVP_PKEY* other : {EVP_EC_gen("P-384"), EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")}) {
    ASSERT_NE(other, nullptr);
    PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(other);
    Byte* der = nullptr;
    int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    ASSERT_GT(size, 0);
    Result<P256PrivateKey> read = P256PrivateKey::from_pkcs8({der, static_cast<std::size_t>(size)});
    ASSERT_FALSE(read.has_value());
    EXPECT_NE(read.error().message.find("P-256"), std::string::npos) << read.error().message;
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);
    EVP_PKEY_free(other);
  }
}

}  // namespace
}  // namespace meridian::crypto
