#include "replica/group_state.h"

#include <gtest/gtest.h>

namespace meridian::replica {
namespace {

using Kind = consensus::MemberChange::Kind;

GroupState three() {
  GroupConfig config;
  config.founders = {{1, "us-east", "a:1"}, {2, "eu-west", "b:1"}, {3, "ap-south", "c:1"}};
  return *founding_state(config);
}

TEST(group_state, what_was_encoded_is_decoded) {
  const GroupState state = three();
  const Result<GroupState> decoded = decode_group_state(encode_group_state(state));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, state);
}

TEST(group_state, every_cut_and_every_extension_is_refused) {
  Buffer bytes = encode_group_state(three());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_group_state(Bytes(bytes).first(size))) << size;
  bytes.push_back(0);
  EXPECT_FALSE(decode_group_state(bytes));
}

TEST(group_state, an_id_is_never_used_again) {
  GroupState state = three();
  Result<GroupState> added = after_steps(state, {{{4, "us-east", "d:1"}, Kind::learner}});
  ASSERT_TRUE(added) << added.error().message;
  Result<GroupState> removed = after_steps(*added, {{{4, "", ""}, Kind::remove}});
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(removed->membership.has(4));
  const Result<GroupState> again = after_steps(*removed, {{{4, "us-east", "e:1"}, Kind::learner}});
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("used before"), std::string::npos);
}

TEST(group_state, a_change_that_gives_a_region_the_majority_is_refused) {
  const GroupState state = *after_steps(three(), {{{4, "us-east", "d:1"}, Kind::learner}});
  const Result<GroupState> replaced =
      after_steps(state, {{{4, "", ""}, Kind::voter}, {{2, "", ""}, Kind::remove}});
  ASSERT_FALSE(replaced);
  EXPECT_NE(replaced.error().message.find("us-east"), std::string::npos);
  EXPECT_TRUE(after_steps(state, {{{4, "", ""}, Kind::voter}, {{1, "", ""}, Kind::remove}}));
}

TEST(group_state, only_members_can_be_promoted_or_removed) {
  EXPECT_FALSE(after_steps(three(), {{{9, "", ""}, Kind::voter}}));
  EXPECT_FALSE(after_steps(three(), {{{9, "", ""}, Kind::remove}}));
  EXPECT_FALSE(after_steps(three(), {{{1, "", ""}, Kind::voter}}));
  EXPECT_FALSE(after_steps(three(), {}));
}

TEST(group_state, a_founder_twice_is_refused) {
  GroupConfig config;
  config.founders = {{1, "us-east", "a:1"}, {1, "eu-west", "b:1"}};
  EXPECT_FALSE(founding_state(config));
}

}  // namespace
}  // namespace meridian::replica
