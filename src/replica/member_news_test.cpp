#include "replica/member_news.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meridian::replica {
namespace {

using ::testing::HasSubstr;
using Kind = consensus::MemberChange::Kind;

GroupState three() {
  GroupConfig config;
  config.founders = {{1, "us", "a:1"}, {2, "eu", "b:1"}, {3, "ap", "c:1"}};
  return *founding_state(config);
}

TEST(member_news, a_replica_stands_as_the_group_has_it) {
  const GroupState founded = three();
  EXPECT_EQ(standing_in({}, 1), Standing::outsider);
  EXPECT_EQ(standing_in(founded, 4), Standing::outsider);
  EXPECT_EQ(standing_in(founded, 3), Standing::voter);
  GroupState joint = *after_steps(founded, {{{4, "us", "d:1"}, Kind::learner}});
  EXPECT_EQ(standing_in(joint, 4), Standing::learner);
  joint.membership.outgoing = {1, 2, 3};
  joint.membership.voters = {2, 3};
  EXPECT_EQ(standing_in(joint, 1), Standing::voter);  // until the joint configuration is left
  joint.membership.outgoing = {};
  EXPECT_EQ(standing_in(joint, 1), Standing::removed);
}

TEST(member_news, what_was_encoded_is_decoded) {
  const MembersAnswer answer{3, make_u128(7, 8), three()};
  const Result<MembersAnswer> decoded = decode_members_answer(encode_members_answer(answer));
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, answer);
  EXPECT_EQ(*decode_members_request(encode_members_request("127.0.0.1:7")), "127.0.0.1:7");
}

TEST(member_news, every_cut_and_every_extension_is_refused) {
  Buffer bytes = encode_members_answer({3, make_u128(7, 8), three()});
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_members_answer(Bytes(bytes).first(size))) << size;
  bytes.push_back(0);
  EXPECT_FALSE(decode_members_answer(bytes));
  Buffer question = encode_members_request("a:1");
  for (std::size_t size = 0; size < question.size(); ++size)
    EXPECT_FALSE(decode_members_request(Bytes(question).first(size))) << size;
  question.push_back(0);
  EXPECT_FALSE(decode_members_request(question));
  EXPECT_FALSE(decode_members_request(encode_members_request("")));
}

TEST(member_news, who_is_out_is_told_what_to_do) {
  const MemberInfo self{3, "ap", "c:1"};
  EXPECT_THAT(describe(Standing::other_disk, self),
              HasSubstr("meridian node replace 3 NEW=ap@HOST:PORT"));
  EXPECT_THAT(describe(Standing::removed, self), HasSubstr("never used again"));
  EXPECT_TRUE(is_out(Standing::removed) && is_out(Standing::other_disk));
  EXPECT_FALSE(is_out(Standing::outsider) || is_out(Standing::learner) || is_out(Standing::voter));
}

}  // namespace
}  // namespace meridian::replica
