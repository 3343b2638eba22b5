#include "mesh/spiffe_id.h"

#include <gtest/gtest.h>

#include <string>

namespace meridian::mesh {
namespace {

SpiffeId parsed(std::string_view text) {
  Result<SpiffeId> id = parse_spiffe_id(text);
  EXPECT_TRUE(id.has_value()) << text << ": " << (id.has_value() ? "" : id.error().message);
  return id.has_value() ? *id : SpiffeId{};
}

TEST(SpiffeId, what_the_standard_does_not_allow_is_refused) {
  for (std::string_view text : {"",
                                "spiffe://",
                                "spiffe:///node/a",
                                "Spiffe://a/b",
                                "SPIFFE://a/b",
                                "http://a/b",
                                "spiffe:/a/b",
                                "spiffe://a/",
                                "spiffe://a//b",
                                "spiffe://a/b/",
                                "spiffe://a/./b",
                                "spiffe://a/../b",
                                "spiffe://a/b/..",
                                "spiffe://A/b",
                                "spiffe://a%41/b",
                                "spiffe://a/b%20c",
                                "spiffe://a/b c",
                                "spiffe://a/b?c",
                                "spiffe://a/b#c",
                                "spiffe://a:80/b",
                                "spiffe://u@a/b",
                                "spiffe://.a/b",
                                "spiffe://a./b",
                                "spiffe://a..b/c",
                                "spiffe://a/b\n",
                                "spiffe://\xc3\xa4/b",
                                "spiffe://a/\xc3\xa4",
                                "spiffe://[::1]/b",
                                " spiffe://a/b",
                                "spiffe://a,b/c",
                                "spiffe://a/b,c"}) {
    Result<SpiffeId> id = parse_spiffe_id(text);
    ASSERT_FALSE(id.has_value()) << text;
    EXPECT_EQ(id.error().code, Code::invalid_argument);
    EXPECT_TRUE(id.error().message.starts_with("SPIFFE id: "));
  }
  EXPECT_FALSE(parse_spiffe_id(std::string_view("spiffe://a/b\0c", 14)).has_value());
}

TEST(SpiffeId, what_is_accepted_reads_back_the_same) {
  for (std::string_view text :
       {"spiffe://a", "spiffe://eu-west.bank.example/service/pay_ments.v2-A", "spiffe://1.2.3.4/x",
        "spiffe://a/...", "spiffe://a/.b/c..", "spiffe://a_b/-/_"}) {
    EXPECT_EQ(format_spiffe_id(parsed(text)), text);
  }
  EXPECT_EQ(parsed("spiffe://a").path, "");
}

TEST(SpiffeId, sizes_are_bounded_at_the_byte) {
  std::string domain(trust_domain_size_max, 'a');
  EXPECT_TRUE(parse_spiffe_id("spiffe://" + domain + "/b").has_value());
  EXPECT_FALSE(parse_spiffe_id("spiffe://" + domain + "a/b").has_value());
  std::string longest = "spiffe://a/";
  longest.resize(spiffe_id_size_max, 'b');
  EXPECT_TRUE(parse_spiffe_id(longest).has_value());
  EXPECT_FALSE(parse_spiffe_id(longest + "b").has_value());
}

TEST(SpiffeId, the_first_segment_is_the_kind) {
  EXPECT_EQ(kind_of(parsed("spiffe://a/node/x")), IdKind::node);
  EXPECT_EQ(kind_of(parsed("spiffe://a/service/x")), IdKind::service);
  EXPECT_EQ(kind_of(parsed("spiffe://a/person/x")), IdKind::person);
  EXPECT_EQ(kind_of(parsed("spiffe://a/gateway/x")), IdKind::gateway);
  EXPECT_EQ(kind_of(parsed("spiffe://a/witness/x/y")), IdKind::witness);
  EXPECT_EQ(kind_of(parsed("spiffe://a/ca/x")), IdKind::authority);
  for (std::string_view text : {"spiffe://a", "spiffe://a/node", "spiffe://a/Node/x",
                                "spiffe://a/nodes/x", "spiffe://a/x/node/y"})
    EXPECT_EQ(kind_of(parsed(text)), IdKind::other) << text;
}

TEST(SpiffeId, a_node_names_its_cell_and_member) {
  NodeName node{make_u128(0x1032547698badcfe, 0xefcdab8967452301), 18446744073709551615ULL};
  SpiffeId id = node_id("eu-west.bank.example", node);
  EXPECT_EQ(format_spiffe_id(id),
            "spiffe://eu-west.bank.example/node/01234567-89ab-cdef-fedc-ba9876543210/"
            "18446744073709551615");
  EXPECT_EQ(parsed(format_spiffe_id(id)), id);
  EXPECT_EQ(node_of(id), node);
}

TEST(SpiffeId, only_one_text_names_a_member) {
  const std::string uuid = "/node/01234567-89ab-cdef-fedc-ba9876543210";
  ASSERT_TRUE(node_of({"a", uuid + "/7"}).has_value());
  for (const std::string& path :
       {uuid, uuid + "/", uuid + "/0", uuid + "/07", uuid + "/7/8", uuid + "/x", uuid + "/-7",
        uuid + "/18446744073709551616", uuid + "0/7",
        std::string("/node/01234567-89AB-cdef-fedc-ba9876543210/7"),
        std::string("/node/0123456789abcdeffedcba9876543210/7"),
        std::string("/node/01234567-89ab-cdef-fedc_ba9876543210/7"),
        std::string("/service/01234567-89ab-cdef-fedc-ba9876543210/7")})
    EXPECT_FALSE(node_of({"a", path}).has_value()) << path;
}

}  // namespace
}  // namespace meridian::mesh
