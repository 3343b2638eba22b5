#include "api/read_wish.h"

#include <gtest/gtest.h>

namespace meridian::api {
namespace {

TEST(ReadWish, says_whether_and_how_new_a_local_state_must_be) {
  EXPECT_FALSE(parse_read_wish("")->local);
  EXPECT_TRUE(parse_read_wish("local")->local);
  EXPECT_FALSE(parse_read_wish("local")->staleness_max.has_value());
  EXPECT_EQ(parse_read_wish("local max-staleness-ms=250")->staleness_max, io::milliseconds(250));
  EXPECT_EQ(parse_read_wish("local max-staleness-ms=0")->staleness_max, io::milliseconds(0));
}

TEST(ReadWish, anything_else_is_refused_and_says_what_is_right) {
  for (const char* text :
       {"LOCAL", "local ", "local max-staleness-ms=", "local max-staleness-ms=-1",
        "local max-staleness-ms=3600001", "local max-staleness-ms=1s",
        "local max-staleness-ms=99999999999999999999999", "linearizable"}) {
    const auto wish = parse_read_wish(text);
    ASSERT_FALSE(wish.has_value()) << text;
    EXPECT_EQ(wish.error().code, Code::invalid_argument);
    EXPECT_NE(wish.error().message.find("local max-staleness-ms=N"), std::string::npos);
  }
}

}  // namespace
}  // namespace meridian::api
