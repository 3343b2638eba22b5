#include "crypto/key_wrapper.h"

#include <gtest/gtest.h>

namespace meridian::crypto {
namespace {

TEST(KeyWrapper, wraps_as_rfc_3394_does_and_opens_nothing_else) {
  const Buffer kek(aead_key_size, Byte{1}), key(aead_key_size, Byte{2});
  const auto wrapper = make_key_wrapper(kek);
  const Result<WrappedKey> wrapped = wrapper->wrap(key);
  ASSERT_TRUE(wrapped.has_value());
  EXPECT_EQ(*wrapped, wrap_key(kek, key));
  const Result<Secret> opened = wrapper->unwrap(*wrapped);
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(to_buffer(opened->bytes()), key);
  WrappedKey changed = *wrapped;
  changed[7] ^= 1;
  EXPECT_EQ(wrapper->unwrap(changed).error().code, Code::data_loss);
  EXPECT_EQ(make_key_wrapper(key)->unwrap(*wrapped).error().code, Code::data_loss);
}

}  // namespace
}  // namespace meridian::crypto
