#include "crypto/aead.h"

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
Nonce nonce_of(std::string_view text) {
  Nonce nonce{};
  std::ranges::copy(unhex(text), nonce.begin());
  return nonce;
}
Buffer random_bytes(std::mt19937& random, std::size_t size) {
  Buffer bytes(size);
  for (Byte& byte : bytes) byte = static_cast<Byte>(random());
  return bytes;
}

struct Vector {
  std::string_view key, nonce, aad, plain, cipher, tag;
};
// McGrew and Viega, "The Galois/Counter Mode of Operation" (submitted to NIST), appendix B, test
// cases 13 to 16.
constexpr Vector vectors[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18",
     "d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
     "b094dac5d93471bdec1a502270e3cc6c"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

TEST(AeadKey, published_gcm_vectors_seal_and_open_in_either_order) {
  for (const Vector& vector : vectors) {
    AeadKey key(unhex(vector.key));
    Nonce nonce = nonce_of(vector.nonce);
    Buffer aad = unhex(vector.aad), plain = unhex(vector.plain), sealed = unhex(vector.cipher);
    Buffer tag = unhex(vector.tag);
    sealed.insert(sealed.end(), tag.begin(), tag.end());
    for (int round = 0; round < 2; ++round) {
      Buffer opened(plain.size());
      ASSERT_TRUE(key.open(nonce, aad, sealed, opened));
      EXPECT_EQ(opened, plain);
      Buffer out(plain.size() + aead_tag_size);
      key.seal(nonce, aad, plain, out);
      EXPECT_EQ(to_hex(out), to_hex(sealed));
    }
  }
}

TEST(AeadKey, every_flipped_bit_and_every_cut_is_refused_and_nothing_is_left_in_the_output) {
  std::mt19937 random(5);
  AeadKey key(random_bytes(random, aead_key_size));
  Nonce nonce = nonce_of("00112233445566778899aabb");
  Buffer aad = random_bytes(random, 20), plain = random_bytes(random, 45);
  Buffer sealed(plain.size() + aead_tag_size);
  key.seal(nonce, aad, plain, sealed);
  auto refused = [&](const Nonce& n, Bytes a, Bytes s) {
    Buffer out(s.size() < aead_tag_size ? 0 : s.size() - aead_tag_size, 0xCC);
    bool opened = key.open(n, a, s, out);
    return !opened && out == Buffer(out.size(), 0);
  };
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Buffer bad = sealed;
    bad[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    EXPECT_TRUE(refused(nonce, aad, bad)) << bit;
  }
  for (std::size_t bit = 0; bit < aad.size() * 8; ++bit) {
    Buffer bad = aad;
    bad[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    EXPECT_TRUE(refused(nonce, bad, sealed)) << bit;
  }
  for (std::size_t bit = 0; bit < nonce.size() * 8; ++bit) {
    Nonce bad = nonce;
    bad[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    EXPECT_TRUE(refused(bad, aad, sealed)) << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_TRUE(refused(nonce, aad, Bytes(sealed).first(size))) << size;
  Buffer out(plain.size());
  EXPECT_TRUE(key.open(nonce, aad, sealed, out)) << "a refusal must not harm the key";
  EXPECT_EQ(out, plain);
  EXPECT_EQ(ERR_peek_error(), 0UL) << "refusals leave nothing in OpenSSL's error queue";
}

TEST(AeadKey, random_messages_come_back_in_place_and_beside) {
  std::mt19937 random(6);
  AeadKey first(random_bytes(random, aead_key_size));
  AeadKey key = std::move(first);
  for (int round = 0; round < 500; ++round) {
    Nonce nonce{};
    for (Byte& byte : nonce) byte = static_cast<Byte>(random());
    Buffer aad = random_bytes(random, random() % 60);
    Buffer plain = random_bytes(random, random() % 50 == 0 ? random() % 100'000 : random() % 600);
    Buffer beside(plain.size() + aead_tag_size);
    key.seal(nonce, aad, plain, beside);
    Buffer in_place = plain;
    in_place.resize(plain.size() + aead_tag_size);
    key.seal(nonce, aad, Bytes(in_place).first(plain.size()), in_place);
    ASSERT_EQ(in_place, beside);
    ASSERT_TRUE(key.open(nonce, aad, in_place, MutableBytes(in_place).first(plain.size())));
    in_place.resize(plain.size());
    ASSERT_EQ(in_place, plain);
  }
}

TEST(AeadKey, another_key_does_not_open) {
  AeadKey one(Buffer(aead_key_size, 1)), other(Buffer(aead_key_size, 2));
  Buffer sealed(8 + aead_tag_size), out(8);
  one.seal({}, {}, Buffer(8, 3), sealed);
  EXPECT_FALSE(other.open({}, {}, sealed, out));
}

TEST(WrapKey, rfc_3394_section_4_6_wraps_256_bits_under_256_bits) {
  Buffer wrapping = unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  Buffer key = unhex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f");
  WrappedKey wrapped = wrap_key(wrapping, key);
  EXPECT_EQ(to_hex(wrapped),
            "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21");
  auto unwrapped = unwrap_key(wrapping, wrapped);
  ASSERT_TRUE(unwrapped.has_value()) << unwrapped.error().message;
  EXPECT_TRUE(equal(unwrapped->bytes(), key));
}

TEST(WrapKey, a_flipped_bit_or_another_wrapping_key_is_data_loss) {
  std::mt19937 random(9);
  Buffer wrapping = random_bytes(random, 32), key = random_bytes(random, 32);
  WrappedKey wrapped = wrap_key(wrapping, key);
  for (std::size_t bit = 0; bit < wrapped.size() * 8; ++bit) {
    WrappedKey bad = wrapped;
    bad[bit / 8] ^= static_cast<Byte>(1U << bit % 8);
    auto unwrapped = unwrap_key(wrapping, bad);
    ASSERT_FALSE(unwrapped.has_value()) << bit;
    EXPECT_EQ(unwrapped.error().code, Code::data_loss);
  }
  for (int round = 0; round < 200; ++round) {
    auto other = unwrap_key(random_bytes(random, 32), wrapped);
    ASSERT_FALSE(other.has_value());
    EXPECT_TRUE(equal(unwrap_key(wrapping, wrapped)->bytes(), key));
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

}  // namespace
}  // namespace meridian::crypto
