#include "api/convert_members.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/convert.h"

namespace meridian::api {
namespace {

using ::testing::HasSubstr;
using Kind = consensus::MemberChange::Kind;
using Part = replica::GroupReport::Part;
using Step = v1::ChangeMembersRequest::Step;

v1::ChangeMembersRequest with_step(Step::Kind kind, std::uint64_t id, const std::string& region,
                                   const std::string& address) {
  v1::ChangeMembersRequest request;
  Step& step = *request.add_steps();
  step.set_kind(kind);
  step.set_id(id);
  step.set_region(region);
  step.set_peer_address(address);
  return request;
}

TEST(ConvertMembers, steps_are_the_same_from_a_message_and_from_json) {
  v1::ChangeMembersRequest request = with_step(Step::ADD, 4, "eu", "h:1");
  request.add_steps()->set_kind(Step::PROMOTE);
  request.mutable_steps(1)->set_id(5);
  request.add_steps()->set_kind(Step::REMOVE);
  request.mutable_steps(2)->set_id(1);
  const auto from_json =
      parse_steps_json(R"({"steps":[{"add":{"id":"4","region":"eu","peer_address":"h:1"}},)"
                       R"({"promote":"5"},{"remove":1}]})");
  ASSERT_TRUE(from_json) << from_json.error().message;
  for (const auto& steps : {*parse_steps(request), *from_json}) {
    ASSERT_EQ(steps.size(), 3U);
    EXPECT_EQ(steps[0].member, (replica::MemberInfo{4, "eu", "h:1"}));
    EXPECT_EQ(steps[0].change, Kind::learner);
    EXPECT_EQ(steps[1].member.id, 5U);
    EXPECT_EQ(steps[1].change, Kind::voter);
    EXPECT_EQ(steps[2].member.id, 1U);
    EXPECT_EQ(steps[2].change, Kind::remove);
  }
}

TEST(ConvertMembers, each_mistake_of_a_message_is_named) {
  EXPECT_THAT(parse_steps(v1::ChangeMembersRequest()).error().message, HasSubstr("1 to 16"));
  EXPECT_THAT(parse_steps(with_step(Step::UNSPECIFIED, 4, "", "")).error().message,
              HasSubstr("steps[0]: kind"));
  EXPECT_THAT(parse_steps(with_step(Step::REMOVE, 4, "eu", "")).error().message,
              HasSubstr("who is added"));
  v1::ChangeMembersRequest many;
  for (std::size_t i = 0; i <= member_steps_max; ++i) many.add_steps()->set_kind(Step::REMOVE);
  EXPECT_FALSE(parse_steps(many));
}

TEST(ConvertMembers, each_mistake_of_json_is_named) {
  const auto error_of = [](std::string_view body) {
    const auto steps = parse_steps_json(body);
    return steps ? std::string("accepted") : steps.error().message;
  };
  EXPECT_THAT(error_of("{}"), HasSubstr("steps: expected a list"));
  EXPECT_THAT(error_of(R"({"steps":[]})"), HasSubstr("1 to 16"));
  EXPECT_THAT(error_of(R"({"steps":[{}]})"), HasSubstr("steps[0]: expected one of"));
  EXPECT_THAT(error_of(R"({"steps":[{"promote":"1","remove":"2"}]})"), HasSubstr("one of"));
  EXPECT_THAT(error_of(R"({"steps":[{"promote":"x"}]})"), HasSubstr("steps[0].promote"));
  EXPECT_THAT(error_of(R"({"steps":[{"promote":"1"},{"demote":"1"}]})"), HasSubstr("demote"));
  EXPECT_THAT(error_of(R"({"steps":[{"add":{"id":"4","adress":"h:1"}}]})"), HasSubstr("adress"));
  EXPECT_THAT(error_of(R"({"steps":[7]})"), HasSubstr("steps[0]"));
  EXPECT_THAT(error_of(R"({"step":[]})"), HasSubstr("step"));
}

replica::GroupReport report(consensus::Role role) {
  replica::GroupReport out;
  out.id = 2;
  out.region = "us";
  out.address = "h:2";
  out.client_address = "c:2";
  out.part = Part::voter;
  out.role = role;
  out.leader = role == consensus::Role::leader ? 2 : 3;
  out.last_index = 70;
  out.ids_left = {1};
  replica::GroupReport::Peer learner;
  learner.member = {4, "eu", "h:4"};
  learner.storage = 9;
  learner.part = Part::learner;
  learner.matched = 60;
  learner.lag = 10;
  out.peers = {learner};
  return out;
}

TEST(ConvertMembers, a_leader_tells_how_far_everybody_is) {
  v1::MembersReply reply;
  fill(report(consensus::Role::leader), 5, reply);
  ASSERT_EQ(reply.members_size(), 2);
  EXPECT_EQ(reply.members(0).id(), 2U);
  EXPECT_EQ(reply.members(0).matched_index(), 70U);
  EXPECT_EQ(reply.members(0).client_address(), "c:2");
  EXPECT_EQ(reply.members(1).part(), v1::Member::LEARNER);
  EXPECT_EQ(reply.members(1).lag_entries(), 10U);
  EXPECT_EQ(*parse_u128(reply.members(1).storage(), "storage"), u128{9});
  EXPECT_EQ(reply.ids_left(0), 1U);
  const auto json = members_json(report(consensus::Role::leader), 5);
  EXPECT_EQ(json["members"][1]["lag_entries"], "10");
  EXPECT_EQ(json["members"][1]["part"], "learner");
  EXPECT_EQ(json["ids_left"][0], "1");
}

TEST(ConvertMembers, another_tells_who_knows_more_and_nothing_that_it_cannot_know) {
  v1::MembersReply reply;
  fill(report(consensus::Role::follower), 5, reply);
  EXPECT_EQ(reply.leader(), 3U);
  EXPECT_EQ(reply.members(1).lag_entries(), 0U);
  EXPECT_FALSE(members_json(report(consensus::Role::follower), 5)["members"][1].contains("state"));
  EXPECT_THAT(not_the_leader(report(consensus::Role::follower)).message,
              HasSubstr("replica 3 leads the cell"));
  EXPECT_THAT(not_the_leader(report(consensus::Role::follower)).message,
              HasSubstr("nothing was done"));
}

}  // namespace
}  // namespace meridian::api
