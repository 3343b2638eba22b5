#include "crypto/sha256.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <random>
#include <string>

namespace meridian::crypto {
namespace {

std::string hex(const Digest& digest) { return to_hex(digest); }
Buffer filled(std::size_t size, Byte value) { return Buffer(size, value); }

TEST(Sha256, fips_180_4_examples_hash_to_the_published_digests) {
  EXPECT_EQ(hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(sha256(filled(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, any_split_into_updates_gives_what_evp_gives_for_the_whole) {
  std::mt19937 random(7);
  for (std::size_t size = 0; size < 400; ++size) {
    Buffer message(size);
    for (Byte& byte : message) byte = static_cast<Byte>(random());
    Digest whole;
    ASSERT_EQ(EVP_Digest(message.data(), size, whole.data(), nullptr, EVP_sha256(), nullptr), 1);
    EXPECT_EQ(sha256(message), whole);
    Sha256 parts;
    for (std::size_t at = 0; at < size;) {
      std::size_t step = std::min<std::size_t>(size - at, random() % 90);
      if (step == 1)
        parts.update(message[at]);
      else
        parts.update(Bytes(message).subspan(at, step));
      at += step;
    }
    EXPECT_EQ(parts.finish(), whole);
  }
}

TEST(Sha256, a_copy_goes_its_own_way) {
  Sha256 one;
  one.update(as_bytes("ab"));
  Sha256 other = one;
  EXPECT_EQ(one.update(as_bytes("c")).finish(), sha256(as_bytes("abc")));
  EXPECT_EQ(other.update(as_bytes("d")).finish(), sha256(as_bytes("abd")));
}

TEST(HmacKey, rfc_4231_cases_give_the_published_macs) {
  EXPECT_EQ(hex(HmacKey(filled(20, 0x0b)).mac(as_bytes("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex(HmacKey(as_bytes("Jefe")).mac(as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(HmacKey(filled(20, 0xaa)).mac(filled(50, 0xdd))),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  Buffer counting;
  for (Byte byte = 1; byte <= 25; ++byte) counting.push_back(byte);
  EXPECT_EQ(hex(HmacKey(counting).mac(filled(50, 0xcd))),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
  HmacKey long_key(filled(131, 0xaa));
  EXPECT_EQ(hex(long_key.mac(as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(hex(long_key.mac(as_bytes(
                "This is a test using a larger than block-size key and a larger than block-size "
                "data. The key needs to be hashed before being used by the HMAC algorithm."))),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST(HmacKey, macs_of_random_keys_and_parts_are_those_of_evp) {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    Buffer key(random() % 140), a(random() % 200), b(random() % 200);
    for (Buffer* buffer : {&key, &a, &b})
      for (Byte& byte : *buffer) byte = static_cast<Byte>(random());
    Buffer joined = a;
    joined.insert(joined.end(), b.begin(), b.end());
    Digest expected;
    unsigned size = 0;
    const Byte nothing = 0;
    ASSERT_NE(HMAC(EVP_sha256(), key.empty() ? &nothing : key.data(), static_cast<int>(key.size()),
                   joined.data(), joined.size(), expected.data(), &size),
              nullptr);
    HmacKey mine(key);
    EXPECT_EQ(mine.mac(joined), expected);
    EXPECT_EQ(mine.mac({a, b}), expected);
    EXPECT_EQ(HmacKey(mine).mac({joined}), expected) << "the key is kept for more than one message";
  }
}

}  // namespace
}  // namespace meridian::crypto
