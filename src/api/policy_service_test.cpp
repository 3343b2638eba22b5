// A policy changed by two people over gRPC: what has an effect, what is refused, and that a replica
// that opens the records later goes by the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/internal/secured_rig.h"
#include "cell/policy_keeper.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

using testing::HasSubstr;

std::string policy_text(const std::string& more = "") {
  return R"(meridian-policy: 1
mfa: not-needed
grants:
  - who: spiffe://eu-west.bank.example/person/*
    roles: operator
    cells: all
  - who: spiffe://eu-west.bank.example/service/*
    actions: [policy.read, policy.propose, policy.approve, status.read]
    cells: all
)" + more;
}

class PolicyServiceTest : public ::testing::Test {
 protected:
  PolicyServiceTest() { start(**mesh::Policy::parse(policy_text())); }
  void TearDown() override { rig_.cell.grpc->stop(io::seconds(1)); }

  void start(const mesh::Policy& first) {
    keeper_.reset();
    std::promise<void> known;
    keeper_ =
        cell::PolicyKeeper::start({*rig_.cell.cell, 7, *rig_.cell.clock, *rig_.cell.entropy,
                                   *executor_, std::make_shared<const mesh::Policy>(first),
                                   [this, &known, is_first = true](const auto& policy) mutable {
                                     rig_.cell.backend->access.replace(policy);
                                     if (std::exchange(is_first, false)) known.set_value();
                                   },
                                   [this](const std::string& notice) { notices_ += notice; }});
    known.get_future().wait();
    rig_.cell.backend->policies = keeper_.get();
  }
  static v1::SignedText signed_by(const SecuredRig::Somebody& who, const std::string& text) {
    v1::SignedText made;
    made.set_text(text);
    made.set_certificate(who.shown.certificate.pem());
    made.set_signature(std::string(as_text(mesh::sign(who.shown.key, text))));
    return made;
  }
  v1::PolicyReply show() {
    v1::PolicyReply reply;
    grpc::ClientContext context;
    SecuredRig::limit(context);
    const grpc::Status status =
        v1::Policy::NewStub(ada_.channel)->Show(&context, v1::PolicyRequest(), &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply;
  }
  /// What went wrong, or nothing.
  std::string propose(const SecuredRig::Somebody& caller, const SecuredRig::Somebody& signer,
                      const std::string& text) {
    mesh::PolicyStatement statement{
        7, crypto::sha256(as_bytes(show().policy())), crypto::sha256(as_bytes(text)), signer.id,
        static_cast<std::int64_t>(rig_.cell.clock->now().time) / 1'000'000'000};
    v1::ProposePolicyRequest request;
    *request.mutable_statement() = signed_by(signer, mesh::format_statement(statement));
    request.set_policy(text);
    v1::ProposePolicyReply reply;
    grpc::ClientContext context;
    SecuredRig::limit(context);
    const grpc::Status status =
        v1::Policy::NewStub(caller.channel)->Propose(&context, request, &reply);
    hash_ = reply.hash();
    return status.error_message();
  }
  std::string approve(const SecuredRig::Somebody& who, const std::string& hash) {
    crypto::Digest digest{};
    std::ranges::copy(as_bytes(hash), digest.begin());
    v1::ApprovePolicyRequest request;
    request.set_hash(hash);
    *request.mutable_approval() = signed_by(who, mesh::format_approval(digest, who.id));
    v1::ApprovePolicyReply reply;
    grpc::ClientContext context;
    SecuredRig::limit(context);
    return v1::Policy::NewStub(who.channel)->Approve(&context, request, &reply).error_message();
  }

  SecuredRig rig_;
  std::unique_ptr<io::Executor> executor_ = io::os_executor("policy");
  std::string notices_;
  std::unique_ptr<cell::PolicyKeeper> keeper_;
  SecuredRig::Somebody ada_ = rig_.somebody("/person/ada");
  SecuredRig::Somebody grace_ = rig_.somebody("/person/grace");
  std::string hash_;
};

TEST_F(PolicyServiceTest, two_people_change_it_and_who_opens_the_records_later_goes_by_the_same) {
  EXPECT_FALSE(show().state().on_record());
  const std::string text = policy_text("# the second\n");
  EXPECT_EQ(propose(ada_, ada_, text), "");
  const v1::PolicyReply proposed = show();
  EXPECT_TRUE(proposed.state().on_record()) << "the first policy stands before the proposal";
  EXPECT_EQ(proposed.policy(), policy_text());
  ASSERT_EQ(proposed.open_size(), 1);
  EXPECT_EQ(proposed.open(0).hash(), hash_);
  EXPECT_EQ(approve(grace_, hash_), "");
  EXPECT_EQ(rig_.cell.backend->access.policy()->text(), text);
  EXPECT_EQ(show().state().version(), 2U);
  EXPECT_EQ(show().open_size(), 0);

  // Another file says nothing any more.
  start(**mesh::Policy::parse("meridian-policy: 1\n"));
  EXPECT_EQ(rig_.cell.backend->access.policy()->text(), text);
  EXPECT_EQ(show().state().version(), 2U);
  EXPECT_EQ(notices_, "");
}

TEST_F(PolicyServiceTest, who_signs_is_who_calls_and_a_person_and_another_one) {
  const std::string text = policy_text("# the second\n");
  EXPECT_THAT(propose(ada_, grace_, text), HasSubstr("another's than the caller's"));
  const SecuredRig::Somebody robot = rig_.somebody("/service/robot");
  EXPECT_THAT(propose(robot, robot, text), HasSubstr("is no person"));
  EXPECT_EQ(propose(ada_, ada_, text), "");
  const std::string hash = hash_;
  EXPECT_THAT(approve(robot, hash), HasSubstr("is no person"));
  EXPECT_THAT(approve(ada_, hash), HasSubstr("a second person approves"));
  EXPECT_THAT(approve(grace_, std::string(32, 'x')), HasSubstr("no such proposal is open"));
  EXPECT_THAT(approve(grace_, "short"), HasSubstr("32 bytes"));
  EXPECT_EQ(rig_.cell.backend->access.policy()->text(), policy_text());
}

TEST_F(PolicyServiceTest, of_two_approvals_at_once_one_has_an_effect) {
  EXPECT_EQ(propose(ada_, ada_, policy_text("# the second\n")), "");
  const std::string hash = hash_;
  const std::unique_ptr<io::Executor> other = io::os_executor("other");
  const SecuredRig::Somebody joan = rig_.somebody("/person/joan");
  std::string got;
  other->post([&] { got = approve(joan, hash); });
  const std::string mine = approve(grace_, hash);
  other->drain();
  EXPECT_NE(mine.empty(), got.empty()) << mine << got;
  EXPECT_THAT(mine + got, HasSubstr("no such proposal is open"));
  EXPECT_EQ(show().state().version(), 2U);
}

}  // namespace
}  // namespace meridian::api
