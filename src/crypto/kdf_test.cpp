#include "crypto/kdf.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace meridian::crypto {
namespace {

std::string scrypt_hex(std::string_view passphrase, std::string_view salt, ScryptCost cost) {
  auto key = scrypt(as_bytes(passphrase), as_bytes(salt), cost);
  return key.has_value() ? to_hex(key->bytes()) : key.error().message;
}

// RFC 7914 section 12. Its outputs are 64 bytes; PBKDF2 blocks are 32, so ours is their first half.
TEST(Scrypt, rfc_7914_vectors_give_the_published_keys) {
  EXPECT_EQ(scrypt_hex("", "", {4, 1, 1}),
            "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442");
  EXPECT_EQ(scrypt_hex("password", "NaCl", {10, 8, 16}),
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162");
  EXPECT_EQ(scrypt_hex("pleaseletmein", "SodiumChloride", {14, 8, 1}),
            "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2");
}

TEST(Scrypt, an_empty_span_is_an_empty_passphrase) {
  auto key = scrypt({}, {}, {4, 1, 1});
  ASSERT_TRUE(key.has_value()) << key.error().message;
  EXPECT_EQ(to_hex(key->bytes()), scrypt_hex("", "", {4, 1, 1}));
}

TEST(Scrypt, costs_from_a_damaged_file_are_refused_before_memory_is_taken) {
  for (ScryptCost cost : {ScryptCost{0, 8, 1},
                          {17, 0, 1},
                          {17, 8, 0},
                          {17, 8, 17},
                          {21, 8, 1},
                          {255, 255, 16},
                          {63, 1, 1},
                          {16, 1, 1},
                          {32, 8, 1}}) {
    auto key = scrypt(as_bytes("a"), as_bytes("b"), cost);
    ASSERT_FALSE(key.has_value()) << int{cost.log2_n};
    EXPECT_EQ(key.error().code, Code::invalid_argument);
  }
}

}  // namespace
}  // namespace meridian::crypto
