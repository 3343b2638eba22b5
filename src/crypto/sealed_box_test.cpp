#include "crypto/sealed_box.h"

#include <gtest/gtest.h>

#include <random>
#include <string_view>

namespace meridian::crypto {
namespace {

Buffer unhex(std::string_view text) {
  Buffer bytes;
  EXPECT_TRUE(from_hex(text, bytes));
  return bytes;
}

class SealedBoxTest : public testing::Test {
 protected:
  Buffer random_bytes() {
    Buffer bytes(32);
    for (Byte& byte : bytes) byte = static_cast<Byte>(random_());
    return bytes;
  }
  SealedBox seal_for(const ExchangeKey& reader) {
    Result<SealedBox> box = seal_box(reader.public_key(), secret_, aad_, random_bytes());
    EXPECT_TRUE(box);
    return *box;
  }

  std::mt19937 random_{7};
  const Buffer secret_ = random_bytes();
  const Buffer aad_ = to_buffer(as_bytes("for replica 3"));
};

// RFC 7748 section 6.1.
TEST_F(SealedBoxTest, public_keys_are_those_of_the_standard) {
  const ExchangeKey alice(
      unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
  EXPECT_EQ(to_hex(alice.public_key()),
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
}

TEST_F(SealedBoxTest, opens_for_its_reader_alone) {
  const ExchangeKey reader(random_bytes()), other(random_bytes());
  const SealedBox box = seal_for(reader);
  const Result<Secret> opened = reader.open(box, aad_);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(equal(opened->bytes(), secret_));
  EXPECT_FALSE(other.open(box, aad_));
}

TEST_F(SealedBoxTest, no_changed_byte_opens) {
  const ExchangeKey reader(random_bytes());
  const SealedBox box = seal_for(reader);
  for (std::size_t i = 0; i < box.size(); ++i) {
    SealedBox changed = box;
    changed[i] ^= Byte{1};
    EXPECT_FALSE(reader.open(changed, aad_)) << i;
  }
  EXPECT_FALSE(reader.open(box, as_bytes("for replica 4")));
}

TEST_F(SealedBoxTest, two_boxes_of_one_secret_have_nothing_in_common) {
  const ExchangeKey reader(random_bytes());
  const SealedBox one = seal_for(reader), two = seal_for(reader);
  EXPECT_FALSE(equal(Bytes(one).first(32), Bytes(two).first(32)));
  EXPECT_FALSE(equal(Bytes(one).subspan(32), Bytes(two).subspan(32)));
}

TEST_F(SealedBoxTest, a_key_that_makes_all_secrets_zero_is_refused) {
  const Result<SealedBox> box = seal_box(ExchangePublicKey{}, secret_, aad_, random_bytes());
  ASSERT_FALSE(box);
  EXPECT_EQ(box.error().code, Code::invalid_argument);
  const ExchangeKey reader(random_bytes());
  EXPECT_FALSE(reader.open(SealedBox{}, aad_));
}

}  // namespace
}  // namespace meridian::crypto
