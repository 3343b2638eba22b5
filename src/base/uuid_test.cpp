#include "base/uuid.h"

#include <gtest/gtest.h>

namespace meridian {
namespace {

constexpr std::string_view text = "5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c11";
constexpr u128 id = make_u128(0x111c9b6f3b5f8e9c, 0x464aff915e0f8f5d);

TEST(Uuid, its_bytes_stand_in_the_order_in_which_they_are_stored) {
  EXPECT_EQ(format_uuid(id), text);
  EXPECT_TRUE(parse_uuid(text) == id);
}

TEST(Uuid, hyphens_may_be_left_out_and_case_does_not_count) {
  EXPECT_TRUE(parse_uuid("5d8f0f5e91ff4a469c8e5f3b6f9b1c11") == id);
  EXPECT_TRUE(parse_uuid("5D8F0F5E-91FF-4A46-9C8E-5F3B6F9B1C11") == id);
}

TEST(Uuid, anything_else_is_none) {
  for (const std::string_view other :
       {"", "5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c1", "5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c1g",
        "5d8f0f5e9-1ff-4a46-9c8e-5f3b6f9b1c11", "5d8f0f5e-91ff-4a46-9c8e-5f3b6f9b1c111",
        "----5d8f0f5e91ff4a469c8e5f3b6f9b1c11", "5d8f0f5e-91ff4a469c8e5f3b6f9b1c11"})
    EXPECT_FALSE(parse_uuid(other).has_value()) << other;
}

}  // namespace
}  // namespace meridian
