#include "crypto/ed25519.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <random>
#include <string_view>
#include <utility>

namespace meridian::crypto {
namespace {

Buffer unhex(std::string_view text) {
  Buffer bytes;
  EXPECT_TRUE(from_hex(text, bytes));
  return bytes;
}

struct Vector {
  std::string_view seed, public_key, message, signature;
};
// RFC 8032 section 7.1, tests 1 to 3.
constexpr Vector vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a"},
};

TEST(Ed25519, rfc_8032_vectors_sign_and_verify) {
  for (const Vector& vector : vectors) {
    Ed25519PrivateKey key(unhex(vector.seed));
    EXPECT_EQ(to_hex(key.public_key()), vector.public_key);
    Buffer message = unhex(vector.message);
    Ed25519Signature signature = key.sign(message);
    EXPECT_EQ(to_hex(signature), vector.signature);
    EXPECT_TRUE(verify_ed25519(key.public_key(), message, signature));
  }
}

TEST(Ed25519, every_flipped_bit_of_key_message_and_signature_is_refused) {
  std::mt19937 random(4);
  Buffer seed(32), message(37);
  for (Byte& byte : seed) byte = static_cast<Byte>(random());
  for (Byte& byte : message) byte = static_cast<Byte>(random());
  Ed25519PrivateKey first(seed);
  Ed25519PrivateKey key = std::move(first);
  Ed25519Signature signature = key.sign(message);
  ASSERT_TRUE(verify_ed25519(key.public_key(), message, signature));
  for (std::size_t bit = 0; bit < signature.size() * 8; ++bit) {
    Ed25519Signature bad = signature;
    bad[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    EXPECT_FALSE(verify_ed25519(key.public_key(), message, bad)) << bit;
  }
  for (std::size_t bit = 0; bit < 256; ++bit) {
    Ed25519PublicKey bad = key.public_key();
    bad[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    EXPECT_FALSE(verify_ed25519(bad, message, signature)) << bit;
  }
  for (std::size_t bit = 0; bit < message.size() * 8; ++bit) {
    Buffer bad = message;
    bad[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    EXPECT_FALSE(verify_ed25519(key.public_key(), bad, signature)) << bit;
  }
  EXPECT_FALSE(verify_ed25519(key.public_key(), {}, signature));
  EXPECT_EQ(ERR_peek_error(), 0UL) << "refusals leave nothing in OpenSSL's error queue";
}

TEST(Ed25519, a_signature_with_the_group_order_added_to_s_is_refused) {
  // RFC 8032 section 5.1.7: S must be below L, or anyone could make a second valid signature.
  Ed25519PrivateKey key(unhex(vectors[0].seed));
  Ed25519Signature signature = key.sign({});
  Buffer order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    carry += unsigned{signature[32 + i]} + order[i];
    signature[32 + i] = static_cast<Byte>(carry);
    carry >>= 8;
  }
  EXPECT_FALSE(verify_ed25519(key.public_key(), {}, signature));
}

}  // namespace
}  // namespace meridian::crypto
