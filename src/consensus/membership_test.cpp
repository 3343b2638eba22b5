#include "consensus/membership.h"

#include <gtest/gtest.h>

namespace meridian::consensus {
namespace {

std::string one_region_each(std::uint64_t id) { return "region-" + std::to_string(id); }
std::string two_in_the_first(std::uint64_t id) { return id <= 2 ? "us-east" : "eu-west"; }

TEST(membership, a_region_with_a_majority_is_refused_by_name) {
  const Membership three{{1, 2, 3}, {}, {}, {}};
  EXPECT_TRUE(check_placement(three, one_region_each));
  const Status refused = check_placement(three, two_in_the_first);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("us-east"), std::string::npos);
}

TEST(membership, the_half_being_left_is_checked_too) {
  const Membership joint{{2, 3, 4}, {}, {1, 2, 3}, {}};
  const auto region = [](std::uint64_t id) -> std::string {
    return id == 1 || id == 2 ? "us-east" : id == 3 ? "eu-west" : "ap-south";
  };
  const Status refused = check_placement(joint, region);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("being left"), std::string::npos);
}

TEST(membership, half_of_the_voters_are_no_majority) {
  const Membership four{{1, 2, 3, 4}, {}, {}, {}};
  EXPECT_TRUE(check_placement(four, two_in_the_first));
}

TEST(membership, what_was_encoded_is_decoded) {
  const Membership joint{{1, 2, 9}, {5, 7}, {1, 2, 3}, {3}};
  const Result<Membership> decoded = decode_membership(encode_membership(joint));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, joint);
}

TEST(membership, every_cut_and_every_extension_is_refused) {
  const Buffer bytes = encode_membership({{1, 2, 3}, {4}, {}, {}});
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_membership(Bytes(bytes).first(size))) << size;
  Buffer longer = bytes;
  longer.push_back(0);
  EXPECT_FALSE(decode_membership(longer));
}

TEST(membership, a_quorum_of_both_halves_decides) {
  const Membership joint{{3, 4, 5}, {}, {1, 2, 3}, {}};
  const auto matched = [](std::uint64_t id) -> std::uint64_t { return id <= 2 ? 100 : id * 10; };
  EXPECT_EQ(quorum_index(joint, matched), 40u);
}

TEST(membership, global_needs_a_second_region_and_a_quorum) {
  const Membership three{{1, 2, 3}, {}, {}, {}};
  const auto matched = [](std::uint64_t id) -> std::uint64_t { return 100 - id * 10; };
  EXPECT_EQ(global_index(three, one_region_each, matched), 80u);
  EXPECT_EQ(global_index(three, two_in_the_first, matched), 70u);
  EXPECT_EQ(global_index(
                three, [](std::uint64_t) { return std::string("one"); }, matched),
            0u);
}

}  // namespace
}  // namespace meridian::consensus
