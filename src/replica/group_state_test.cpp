#include "replica/group_state.h"

#include <fmt/format.h>
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

TEST(group_state, storages_are_kept_and_never_change) {
  GroupState state = *after_steps(three(), {{{4, "us-east", "d:1"}, Kind::learner}});
  const Buffer without = encode_group_state(state);
  state.bind(4, 0);
  EXPECT_EQ(encode_group_state(state), without);  // as it was before storages were kept
  state.bind(4, 77);
  state.bind(4, 78);
  EXPECT_EQ(state.find(4)->storage, 77u);
  const Buffer bytes = encode_group_state(state);
  EXPECT_EQ(bytes.size(), without.size() + 4 * sizeof(u128));
  EXPECT_EQ(*decode_group_state(bytes), state);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_group_state(Bytes(bytes).first(size))) << size;
  Buffer unknown = bytes;
  const auto at = std::find(unknown.begin(), unknown.end(), Byte{77});
  ASSERT_NE(at, unknown.end());
  *at = 0;  // a second encoding of the state without
  EXPECT_FALSE(decode_group_state(unknown));
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

TEST(group_state, two_members_never_share_an_address) {
  const GroupState state = three();
  const Result<GroupState> same = after_steps(state, {{{4, "us-east", "b:1"}, Kind::learner}});
  ASSERT_FALSE(same);
  EXPECT_NE(same.error().message.find("replica 2 is at b:1"), std::string::npos);
  const GroupState left = *after_steps(state, {{{2, "", ""}, Kind::remove}});
  EXPECT_TRUE(left.has_left(2));
  EXPECT_TRUE(after_steps(left, {{{4, "us-east", "b:1"}, Kind::learner}}));
}

TEST(group_state, ids_end_where_a_checkpoint_could_not_be_read_back) {
  GroupState state = three();
  Status added;
  std::uint64_t id = 4;
  for (; added && id < 1'000; ++id) {
    const Result<GroupState> with = after_steps(state, {{{id, "us-east", "d:1"}, Kind::learner}});
    if (!with) {
      added = with.error();
      break;
    }
    state = *after_steps(*with, {{{id, "", ""}, Kind::remove}});
    ASSERT_TRUE(decode_group_state(encode_group_state(state))) << id;
  }
  EXPECT_EQ(id, 257u);
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
  // A vote is given to one that was a learner before.
  EXPECT_FALSE(
      after_steps(three(), {{{4, "us-east", "d:1"}, Kind::learner}, {{4, "", ""}, Kind::voter}}));
}

TEST(group_state, what_a_record_cannot_hold_is_refused) {
  const auto with = [](const std::string& region, const std::string& address) {
    return after_steps(three(), {{{4, region, address}, Kind::learner}});
  };
  EXPECT_TRUE(with("us-east", fmt::format("{}:1", std::string(62, 'a'))));
  EXPECT_FALSE(with("us-east", fmt::format("{}:1", std::string(63, 'a'))));
  EXPECT_TRUE(with("us-east", "[::1]:65535"));
  for (const char* address : {"d", "d:", ":1", "d:0", "d:65536", "d:-1", "d:1x", "d e:1"})
    EXPECT_FALSE(with("us-east", address)) << address;
  EXPECT_FALSE(with("us-east", ""));
  EXPECT_FALSE(with("us-east", std::string("d:1\0", 4)));
  EXPECT_FALSE(with("", "d:1"));
  EXPECT_FALSE(with("us east", "d:1"));
  EXPECT_FALSE(with(std::string(33, 'u'), "d:1"));
  GroupConfig config;
  config.founders = {{1, std::string(40, 'u'), "a:1"}};
  EXPECT_FALSE(founding_state(config));
}

TEST(group_state, a_founder_twice_is_refused) {
  GroupConfig config;
  config.founders = {{1, "us-east", "a:1"}, {1, "eu-west", "b:1"}};
  EXPECT_FALSE(founding_state(config));
}

}  // namespace
}  // namespace meridian::replica
