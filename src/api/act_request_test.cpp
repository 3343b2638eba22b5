// There is one way to write each dangerous request, and it never changes: proposals are compared by
// it, and people sign it (docs/formats/act.md).
#include "api/act_request.h"

#include <gtest/gtest.h>

#include "api/convert_keeping.h"
#include "api/convert_members.h"
#include "api/convert_upgrade.h"

namespace meridian::api {
namespace {

using Step = v1::ChangeMembersRequest::Step;

TEST(ActRequest, steps_are_the_same_text_by_both_interfaces) {
  v1::ChangeMembersRequest request;
  Step& add = *request.add_steps();
  add.set_kind(Step::ADD);
  add.set_id(4);
  add.set_region("eu");
  add.set_peer_address("host:1");
  request.add_steps()->set_kind(Step::PROMOTE);
  request.mutable_steps(1)->set_id(4);
  request.add_steps()->set_kind(Step::REMOVE);
  request.mutable_steps(2)->set_id(1);
  const std::string json =
      R"({"steps":[{"add":{"id":"4","region":"eu","peer_address":"host:1"}},{"promote":"4"},{"remove":"1"}]})";
  const mesh::ActRequest act = change_of_members(*parse_steps(request));
  EXPECT_EQ(act.request, json);
  EXPECT_EQ(act.method, "/meridian.v1.Members/Change");
  EXPECT_EQ(act.action, mesh::Action::members_change);
  EXPECT_EQ(change_of_members(*parse_steps_json(
                R"( {"steps" : [ {"add":{"peer_address":"host:1","region":"eu","id":4}},
                {"promote":4}, {"remove":"1"}]})")),
            act);
}

TEST(ActRequest, what_is_no_printable_ascii_is_escaped) {
  const replica::MemberStep step{{4, "k\xc3\xb6ln\n", "h:1"},
                                 consensus::MemberChange::Kind::learner};
  EXPECT_EQ(change_of_members({step}).request,
            R"({"steps":[{"add":{"id":"4","region":"k\u00f6ln\n","peer_address":"h:1"}}]})");
}

TEST(ActRequest, levels_persons_and_retention) {
  EXPECT_EQ(activation_of(2).request, R"({"activate":2})");
  EXPECT_EQ(activation_of(*parse_activate_json(R"({ "activate": 2 })")), activation_of(2));
  EXPECT_EQ(forgetting_of(1).request, R"({"subject_id":"01000000000000000000000000000000"})");
  v1::RetentionClass retention;
  retention.set_retention(3);
  retention.set_name("tax");
  retention.set_basis("AO 147");
  retention.set_keep_at_least("10y");
  EXPECT_EQ(
      definition_of(*parse_retention(retention)).request,
      R"({"retention":3,"name":"tax","basis":"AO 147","by_month":false,"keep_at_least":"10y","erase_at_latest":""})");
  retention.set_by_month(true);
  retention.set_erase_at_latest("12y");
  EXPECT_EQ(
      definition_of(*parse_retention(retention)).request,
      R"({"retention":3,"name":"tax","basis":"AO 147","by_month":true,"keep_at_least":"10y","erase_at_latest":"12y"})");
}

TEST(ActRequest, keys_that_are_turned_over) {
  v1::RotateKeyRequest request;
  request.set_key("storage");
  EXPECT_EQ(rotation_of(*parse_rotation(request)).request, R"({"key":"storage"})");
  EXPECT_EQ(rotation_of(*parse_rotation_json(R"({ "key": "storage" })")),
            rotation_of(*parse_rotation(request)));
  request.set_replica(2);
  EXPECT_EQ(rotation_of(*parse_rotation(request)).request, R"({"key":"storage","replica":"2"})");
  EXPECT_EQ(rotation_of(*parse_rotation_json(R"({"replica":"2","key":"storage"})")),
            rotation_of(*parse_rotation(request)));
  request.Clear();
  request.set_key("residency");
  EXPECT_FALSE(parse_rotation(request)) << "of which jurisdiction?";
  request.set_jurisdiction("eu");
  EXPECT_EQ(rotation_of(*parse_rotation(request)).request,
            R"({"key":"residency","jurisdiction":"eu"})");
  EXPECT_EQ(rotation_of(*parse_rotation_json(R"({"jurisdiction":"eu","key":"residency"})")),
            rotation_of(*parse_rotation(request)));
  request.set_replica(2);
  EXPECT_FALSE(parse_rotation(request));
  EXPECT_EQ(rotation_of({"epoch", {}}).method, "/meridian.v1.Keys/Rotate");
}

TEST(ActRequest, residency) {
  v1::Jurisdiction jurisdiction;
  jurisdiction.set_name("eu");
  jurisdiction.add_regions("eu-west");
  EXPECT_EQ(parse_residency(jurisdiction).error().code, Code::invalid_argument) << "one region";
  jurisdiction.add_regions("eu-north");
  EXPECT_EQ(residency_of(*parse_residency(jurisdiction)).request,
            R"({"name":"eu","regions":["eu-west","eu-north"]})");
  v1::RetentionClass retention;
  retention.set_retention(7);
  retention.set_name("medical");
  retention.set_basis("a law");
  retention.set_keep_at_least("10y");
  retention.set_residency("eu");
  EXPECT_EQ(
      definition_of(*parse_retention(retention)).request,
      R"({"retention":7,"name":"medical","basis":"a law","by_month":false,"keep_at_least":"10y","erase_at_latest":"","residency":"eu"})");
}

TEST(ActRequest, each_is_a_proposal_that_reads_back) {
  for (const mesh::ActRequest& what :
       {activation_of(2), forgetting_of(7), rotation_of({"storage", 2})}) {
    const mesh::ActStatement act{1, what, "spiffe://bank.example/person/ada", 2, 3, 4};
    const auto read = mesh::parse_act(mesh::format_act(act));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->what, what);
  }
}

}  // namespace
}  // namespace meridian::api
