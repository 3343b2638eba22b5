#include "door/canonical_json.h"

#include <gtest/gtest.h>

namespace meridian::door {
namespace {

std::string written(std::string_view text) {
  const Result<std::string> canonical = canonical_json(text);
  return canonical ? *canonical : "refused: " + canonical.error().message;
}

TEST(CanonicalJson, what_means_the_same_is_one_text) {
  EXPECT_EQ(written(" { \"b\" : [ 1 , {} , [] ],\n\t\"a\":null}\r\n"),
            R"({"a":null,"b":[1,{},[]]})");
  EXPECT_EQ(written(R"({"b":{"d":true,"c":false},"a":"x"})"),
            R"({"a":"x","b":{"c":false,"d":true}})");
  EXPECT_EQ(written(R"("\u0041\/\u00e9\ud83d\ude00")"), "\"A/\u00e9\U0001F600\"");
  EXPECT_EQ(written(R"("\u0001\u001F\u007f\b\f\n\r\t\"\\")"),
            "\"\\u0001\\u001f\x7f\\b\\f\\n\\r\\t\\\"\\\\\"");
  EXPECT_EQ(written("null"), "null");
}

TEST(CanonicalJson, numbers_stay_as_they_were_written) {
  EXPECT_EQ(written("[1.0,1,1e5,-0,123456789012345678901234567890.10]"),
            "[1.0,1,1e5,-0,123456789012345678901234567890.10]");
}

TEST(CanonicalJson, names_are_ordered_by_their_bytes) {
  // UTF-16, which RFC 8785 orders by, has U+1F600 (d83d) before U+FB33.
  EXPECT_EQ(written("{\"\U0001F600\":1,\"\uFB33\":2,\"\\u0061\":3,\"\":4,\"B\":5}"),
            "{\"\":4,\"B\":5,\"a\":3,\"\uFB33\":2,\"\U0001F600\":1}");
}

TEST(CanonicalJson, the_canonical_text_is_its_own) {
  const std::string once = written(R"({"z":[{"y":"\u0000"},2.50],"":{"b":1,"a":[[]]}})");
  EXPECT_EQ(once, R"({"":{"a":[[]],"b":1},"z":[{"y":"\u0000"},2.50]})");
  EXPECT_EQ(written(once), once);
}

TEST(CanonicalJson, what_may_mean_two_things_is_refused) {
  EXPECT_NE(written(R"({"a":1,"b":2,"\u0061":3})").find("a name twice"), std::string::npos);
  EXPECT_NE(written(R"([{"a":{"b":1,"b":1}}])").find("a name twice"), std::string::npos);
  EXPECT_NE(written("").find("no JSON"), std::string::npos);
  EXPECT_NE(written("{} {}").find("no JSON"), std::string::npos);
  EXPECT_NE(written("\"\xff\"").find("no JSON"), std::string::npos);
  for (const char* half : {R"("\ud800")", R"("\udc00")", R"({"\udfff":1})", R"(["a\udc00b"])"})
    EXPECT_NE(written(half).find("no JSON"), std::string::npos) << half;
  EXPECT_EQ(written("\"\ud7ff\ue000\""), "\"\ud7ff\ue000\"") << "those beside them are whole";
  const std::string deep = std::string(32, '[') + std::string(32, ']');
  EXPECT_EQ(written(deep), deep);
  EXPECT_NE(written('[' + deep + ']').find("too deep"), std::string::npos);
}

}  // namespace
}  // namespace meridian::door
