#include "api/listen_address.h"

#include <gtest/gtest.h>

namespace meridian::api {
namespace {

TEST(ListenAddress, malformed_addresses_are_refused_with_an_example) {
  for (const char* text : {"", "7400", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
                           "127.0.0.1:74x", "example.org:7400", "[::1:7400", "[nonsense]:1",
                           "127.1:7400", "0x7f.0.0.1:1", "[127.0.0.1]:1", ":7400"}) {
    Result<ListenAddress> address = parse_listen_address(text);
    ASSERT_FALSE(address.has_value()) << text;
    EXPECT_EQ(address.error().code, Code::invalid_argument);
    EXPECT_NE(address.error().message.find("127.0.0.1:7400"), std::string::npos);
  }
}

TEST(ListenAddress, nothing_hides_behind_a_zero_byte) {
  using std::string_view_literals::operator""sv;
  for (std::string_view text : {"127.0.0.1\0:1"sv, "[::1\0x]:80"sv, "[::1]\0:80"sv}) {
    EXPECT_FALSE(parse_listen_address(text).has_value());
  }
}

TEST(ListenAddress, with_identities_of_dev_only_loopback_is_listened_to) {
  for (const char* text :
       {"127.0.0.1:7400", "127.9.9.9:1", "[::1]:0", "localhost:80", "[::ffff:127.0.0.1]:7"}) {
    Result<ListenAddress> address = parse_listen_address(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_TRUE(check_may_listen(*address, true).has_value()) << text;
  }
  for (const char* text : {"0.0.0.0:7400", "10.0.0.1:1", "[::]:0", "[fe80::1]:80", "128.0.0.1:1",
                           "[::ffff:10.0.0.1]:7"}) {
    Result<ListenAddress> address = parse_listen_address(text);
    ASSERT_TRUE(address.has_value()) << text;
    Status status = check_may_listen(*address, true);
    ASSERT_FALSE(status.has_value()) << text;
    EXPECT_EQ(status.error().code, Code::permission_denied);
    EXPECT_TRUE(check_may_listen(*address, false).has_value()) << text;
  }
}

TEST(ListenAddress, text_forms_round_trip) {
  for (const char* text : {"127.0.0.1:7400", "[::1]:0", "10.1.2.3:65535"}) {
    EXPECT_EQ(format_listen_address(*parse_listen_address(text)), text);
  }
  EXPECT_EQ(format_listen_address(*parse_listen_address("localhost:9")), "127.0.0.1:9");
}

}  // namespace
}  // namespace meridian::api
