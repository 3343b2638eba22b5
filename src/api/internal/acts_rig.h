// A cell behind mutual TLS with a policy of two people, and records of acts, glasses and readings.
// For tests only.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "api/internal/secured_rig.h"
#include "cell/act_keeper.h"
#include "cell/policy_keeper.h"
#include "cell/reading_keeper.h"
#include "meridian/v1/acts.grpc.pb.h"
#include "meridian/v1/ledger.grpc.pb.h"

// (below: <utility> before Boost)
#include <grpcpp/generic/generic_stub.h>

namespace meridian::api {

inline constexpr const char* two_people = R"(mfa: not-needed
grants:
  - who: ["spiffe://eu-west.bank.example/person/*", "spiffe://eu-west.bank.example/service/*"]
    roles: [operator, privacy officer]
    actions: [retention.change, outcomes.read]
    cells: all
)";

class ActsTest : public ::testing::Test {
 protected:
  ActsTest() {
    auto& cell = rig_.cell;
    policies_ = cell::PolicyKeeper::start({*cell.cell, 7, *cell.clock, *cell.entropy, *executor_,
                                           MeshRig::policy(two_people), [](const auto&) {},
                                           [](const std::string&) {}});
    cell.backend->policies = policies_.get();
    auto readings = cell::ReadingKeeper::start(
        {[&cell](auto event, auto answered) {
           cell.cell->submit_own(std::move(event), std::move(answered));
         },
         cell.disk, *cell.clock, *cell.entropy, *executor_, [](const std::string&) {}});
    ASSERT(readings.has_value());
    readings_ = std::move(*readings);
    cell.backend->readings = readings_.get();
    start();
    rig_.replace_policy(two_people);
  }
  void TearDown() override {
    rig_.cell.http->stop(io::seconds(1));
    rig_.cell.grpc->stop(io::seconds(1));
  }
  /// As if the process had stopped and begun again.
  void start() {
    auto& cell = rig_.cell;
    cell.backend->acts = nullptr;
    acts_.reset();
    acts_ = cell::ActKeeper::start(
        {*cell.cell, 7, *cell.clock, *cell.entropy, *executor_,
         [this](const std::string& notice) { notices_ += notice; },
         [&cell](const auto& glasses) { cell.backend->access.replace_glasses(glasses); }});
    cell.backend->acts = acts_.get();
  }

  static std::string words(const grpc::Status& status) {
    return std::to_string(status.error_code()) + " " + status.error_message();
  }
  static std::string called(const SecuredRig::Somebody& who, const std::string& method,
                            const google::protobuf::Message& request) {
    grpc::GenericStub stub(who.channel);
    grpc::ClientContext context;
    SecuredRig::limit(context);
    grpc::CompletionQueue queue;
    const grpc::Slice slice(request.SerializeAsString());
    auto begun = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(&slice, 1), &queue);
    begun->StartCall();
    grpc::ByteBuffer reply;
    grpc::Status status;
    begun->Finish(&reply, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return words(status);
  }
  static v1::SignedText signed_by(const SecuredRig::Somebody& who, const std::string& text) {
    v1::SignedText made;
    made.set_text(text);
    made.set_certificate(who.shown.certificate.pem());
    made.set_signature(std::string(as_text(mesh::sign(who.shown.key, text))));
    return made;
  }
  std::string propose(const SecuredRig::Somebody& who, const mesh::ActRequest& what,
                      const SecuredRig::Somebody& signer) {
    const auto now = static_cast<std::int64_t>(rig_.cell.clock->now().time) / 1'000'000'000;
    const std::string text =
        mesh::format_act({7, what, signer.id, ++nonce_, now, now + mesh::act_lifetime_s});
    hash_ = mesh::act_hash(text);
    v1::ProposeActRequest request;
    *request.mutable_statement() = signed_by(signer, text);
    v1::ProposeActReply reply;
    grpc::ClientContext context;
    SecuredRig::limit(context);
    const auto status = v1::Acts::NewStub(who.channel)->Propose(&context, request, &reply);
    EXPECT_EQ(reply.hash(), status.ok() ? as_text(hash_) : std::string_view());
    return words(status);
  }
  std::string propose(const mesh::ActRequest& what) { return propose(ada_, what, ada_); }
  std::string approve(const SecuredRig::Somebody& who) {
    v1::ApproveActRequest request;
    request.set_hash(std::string(as_text(hash_)));
    *request.mutable_approval() = signed_by(who, mesh::format_act_approval(hash_, who.id));
    v1::ApproveActReply reply;
    grpc::ClientContext context;
    SecuredRig::limit(context);
    return words(v1::Acts::NewStub(who.channel)->Approve(&context, request, &reply));
  }
  v1::ActsReply list() {
    v1::ActsReply reply;
    grpc::ClientContext context;
    SecuredRig::limit(context);
    EXPECT_TRUE(v1::Acts::NewStub(ada_.channel)->List(&context, {}, &reply).ok());
    return reply;
  }
  std::string post(const SecuredRig::Somebody& who, const std::string& path,
                   const std::string& body) {
    return rig_.http(who).post(path, body);
  }

  SecuredRig rig_;
  std::unique_ptr<io::Executor> executor_ = io::os_executor("policy");
  std::unique_ptr<cell::PolicyKeeper> policies_;
  std::unique_ptr<cell::ActKeeper> acts_;
  std::unique_ptr<cell::ReadingKeeper> readings_;
  std::string notices_;
  SecuredRig::Somebody ada_ = rig_.somebody("/person/ada");
  SecuredRig::Somebody grace_ = rig_.somebody("/person/grace");
  SecuredRig::Somebody clerk_ = rig_.somebody("/service/clerk");
  u128 nonce_ = 0;
  crypto::Digest hash_{};
};

}  // namespace meridian::api
