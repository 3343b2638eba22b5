// What was destroyed of a person or a class, by both interfaces; nobody else is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/internal/acts_rig.h"
#include "api/internal/api_rig.h"
#include "api/internal/http_client_rig.h"
#include "meridian/v1/ledger.grpc.pb.h"

// (below: what defines Status)
#include <grpcpp/grpcpp.h>

namespace meridian::api {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ErasuresApiTest : public testing::Test {
 protected:
  ErasuresApiTest() {
    rig_.start_grpc();
    rig_.start_http();
    channel_ = grpc::CreateChannel(format_listen_address(rig_.grpc->address()),
                                   grpc::InsecureChannelCredentials());
    http_ = std::make_unique<HttpClient>(rig_.http->address());
    http_->post("/v1/events", R"({"events":[{"event_id":"7","stream":"order-1","type":"paid",)"
                              R"("data":{},"subject":"ann","retention":3}]})");
    forgotten_ = http_->post("/v1/subjects/forget", R"({"subject":"ann"})").json();
  }
  std::string erasures(const v1::ErasuresRequest& request, v1::ErasuresReply& reply) {
    grpc::ClientContext context;
    const grpc::Status done = v1::Subjects::NewStub(channel_)->Erasures(&context, request, &reply);
    return std::to_string(done.error_code()) + " " + done.error_message();
  }

  ApiRig rig_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<HttpClient> http_;
  nlohmann::json forgotten_;
};

TEST_F(ErasuresApiTest, records_are_told_by_grpc_and_http_alike) {
  v1::ErasuresRequest request;
  request.set_subject("ann");
  v1::ErasuresReply reply;
  ASSERT_EQ(erasures(request, reply), "0 ");
  ASSERT_EQ(reply.erasures_size(), 1);
  const v1::Erasure& one = reply.erasures(0);
  EXPECT_EQ(one.kind(), "erase_subject");
  EXPECT_EQ(std::to_string(one.record_index()), forgotten_["record_index"]);
  EXPECT_EQ(one.keys_destroyed(), forgotten_["keys_destroyed"]);
  EXPECT_EQ(one.epoch(), forgotten_["epoch"]);
  EXPECT_THAT(one.classes(), testing::ElementsAre(3));
  EXPECT_FALSE(one.has_turn_record()) << "of one that is alone no record says so";
  EXPECT_TRUE(reply.end());
  EXPECT_EQ(reply.next(), reply.records());
  EXPECT_EQ(reply.kept_size(), 0);
  EXPECT_EQ(reply.SerializeAsString().find("ann"), std::string::npos) << "opaque ids alone";
  const auto json = http_->post("/v1/subjects/erasures", R"({"subject":"ann"})").json();
  ASSERT_EQ(json["erasures"].size(), 1U) << json;
  EXPECT_EQ(json["subject_id"], forgotten_["subject_id"]);
  EXPECT_EQ(json["erasures"][0]["kind"], "erase_subject");
  EXPECT_EQ(json["erasures"][0]["record_index"], forgotten_["record_index"]);
  EXPECT_EQ(json["erasures"][0]["classes"], nlohmann::json::parse("[3]"));
  EXPECT_EQ(json["kept"], nlohmann::json::array());
  EXPECT_EQ(json["end"], true);
}

TEST_F(ErasuresApiTest, a_position_behind_all_of_it_finds_nothing_and_a_class_its_own) {
  v1::ErasuresRequest request;
  request.set_subject("ann");
  request.set_position(1'000'000);
  v1::ErasuresReply reply;
  EXPECT_EQ(erasures(request, reply), "0 ");
  EXPECT_EQ(reply.erasures_size(), 0);
  EXPECT_TRUE(reply.end());
  request.set_retention(3);
  request.set_position(0);
  EXPECT_EQ(erasures(request, reply), "0 ");
  EXPECT_EQ(reply.erasures_size(), 0) << "nothing of it has expired";
  EXPECT_EQ(reply.subject_id(), "");
}

TEST_F(ErasuresApiTest, what_names_nobody_is_refused) {
  v1::ErasuresRequest request;
  v1::ErasuresReply reply;
  EXPECT_THAT(erasures(request, reply), AllOf(StartsWith("3 "), HasSubstr("subject: empty")));
  request.set_retention(254);
  EXPECT_THAT(erasures(request, reply), AllOf(StartsWith("3 "), HasSubstr("254")));
  request.set_subject(std::string(2'000, 'x'));
  EXPECT_THAT(erasures(request, reply), StartsWith("3 "));
}

class ErasuresAccessTest : public ActsTest {};

TEST_F(ErasuresAccessTest, who_may_see_what_is_kept_of_persons_may_ask) {
  rig_.replace_policy(R"(mfa: not-needed
grants:
  - who: spiffe://eu-west.bank.example/service/clerk
    roles: [writer, reader]
    cells: all
    ledgers: all
    streams: all
  - who: spiffe://eu-west.bank.example/person/*
    roles: privacy officer
    cells: all
)");
  v1::ErasuresRequest request;
  request.set_subject("ann");
  const std::string method = "/meridian.v1.Subjects/Erasures";
  EXPECT_THAT(called(clerk_, method, request), StartsWith("7 subjects.read: denied"));
  EXPECT_EQ(called(ada_, method, request), "0 ");
  const std::string body = R"({"subject":"ann"})";
  EXPECT_THAT(rig_.http(clerk_).post("/v1/subjects/erasures", body), HasSubstr("403"));
  v1::ReceiptRequest receipt;
  receipt.set_record_index(0);
  EXPECT_EQ(called(ada_, "/meridian.v1.Proofs/Receipt", receipt), "0 ")
      << "a certificate is made of them";
}

}  // namespace
}  // namespace meridian::api
