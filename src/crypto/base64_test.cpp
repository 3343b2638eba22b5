#include "crypto/base64.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace meridian::crypto {
namespace {

TEST(Base64, rfc_4648_vectors_go_both_ways) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (auto [plain, coded] : vectors) {
    EXPECT_EQ(to_base64(as_bytes(plain)), coded);
    Result<Buffer> decoded = from_base64(coded);
    ASSERT_TRUE(decoded.has_value()) << coded;
    EXPECT_EQ(as_text(*decoded), plain);
  }
}

TEST(Base64, anything_but_the_one_canonical_text_is_refused) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zm9v\n", " Zm9v", "Zm9v    ", "Zm9-",
                           "Zg==Zg==", "====", "Z===", "Zm9v\nZm9", "\tm9v", "Zm=v", "=m9v"}) {
    EXPECT_FALSE(from_base64(text).has_value()) << text;
  }
}

TEST(Base64, of_all_four_character_texts_each_value_has_exactly_one) {
  // Every text over a small alphabet that holds each kind of character.
  const std::string alphabet = std::string("ABQgw/+= \n") + '\0';
  std::set<Buffer> seen;
  for (char a : alphabet)
    for (char b : alphabet)
      for (char c : alphabet)
        for (char d : alphabet) {
          Result<Buffer> decoded = from_base64(std::string{a, b, c, d});
          if (decoded.has_value()) {
            EXPECT_TRUE(seen.insert(*decoded).second);
          }
        }
  EXPECT_GT(seen.size(), 1000U);
}

TEST(Base64url, one_text_stands_for_given_bytes) {
  EXPECT_EQ(to_base64url(Buffer{0xFB, 0xEF, 0xFF, 0xFE}), "--___g");
  EXPECT_EQ(*from_base64url("--___g"), (Buffer{0xFB, 0xEF, 0xFF, 0xFE}));
  for (const char* wrong : {"--___h", "--___g==", "++//", "A", "AAAAA", "A A=", "\n"})
    EXPECT_FALSE(from_base64url(wrong).has_value()) << wrong;
  EXPECT_EQ(*from_base64url(""), Buffer{});
}

}  // namespace
}  // namespace meridian::crypto
