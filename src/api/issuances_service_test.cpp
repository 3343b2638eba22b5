// An authority hands in the journal of its own region, and nobody hands in another's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/internal/secured_rig.h"
#include "meridian/v1/issuances.grpc.pb.h"
#include "mesh/authority.h"
#include "mesh/issuance_journal.h"

namespace meridian::api {
namespace {

using testing::HasSubstr;

constexpr std::string_view domain = MeshRig::west;

class IssuancesServiceTest : public ::testing::Test {
 protected:
  IssuancesServiceTest() {
    rig_.replace_policy(R"(grants:
  - who: ["spiffe://eu-west.bank.example/ca/server", "spiffe://eu-west.bank.example/service/clerk"]
    actions: issuances.record
    cells: all
  - who: spiffe://eu-west.bank.example/person/ada
    roles: auditor
    actions: issuances.record
    cells: all
    ledgers: all
)");
  }
  SecuredRig::Somebody authority() {
    SecuredRig::Somebody made = rig_.somebody("/service/authority");
    const crypto::P256PrivateKey key = crypto::P256PrivateKey::generate();
    auto own = rig_.mesh.authority->issue_own(*mesh::make_csr(key, ""), 3600);
    EXPECT_TRUE(own.has_value());
    made.shown = {*own, key};
    made.holder = rig_.mesh.holder_of(made.shown);
    grpc::ChannelArguments apart;
    apart.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    made.channel =
        make_mesh_channel(*made.holder, format_listen_address(rig_.cell.grpc->address()), apart);
    return made;
  }
  /// Two entries from the beginning.
  static v1::RecordIssuancesRequest request(std::string_view of) {
    const mesh::JournalHead head = mesh::empty_journal_head(of);
    v1::RecordIssuancesRequest request;
    request.set_trust_domain(std::string(of));
    request.mutable_after()->set_count(0);
    request.mutable_after()->set_digest(head.digest.data(), head.digest.size());
    mesh::Issuance issued{.time = 1'796'000'000,
                          .serial = "0123456789abcdef",
                          .id = {std::string(of), "/service/payments"},
                          .spki_digest = {},
                          .not_after = 1'796'003'600,
                          .grounds = {mesh::IssuanceGrounds::Kind::officer, "ada"}};
    std::string lines = mesh::format_journal_entry(1, head.digest, issued);
    const auto first = mesh::read_journal_lines(lines, head);
    lines += mesh::format_journal_entry(2, first->front().digest, issued);
    request.set_lines(lines);
    return request;
  }
  grpc::Status record(const SecuredRig::Somebody& who, const v1::RecordIssuancesRequest& request) {
    grpc::ClientContext context;
    SecuredRig::limit(context);
    return v1::Issuances::NewStub(who.channel)->Record(&context, request, &head_);
  }
  SecuredRig rig_;
  v1::JournalHead head_;
};

TEST_F(IssuancesServiceTest, an_authority_hands_in_its_own_journal_and_auditors_read_it) {
  EXPECT_TRUE(record(authority(), request(domain)).ok());
  EXPECT_EQ(head_.count(), 2U);
  const SecuredRig::Somebody ada = rig_.somebody("/person/ada");
  v1::IssuancesRequest ask;
  ask.set_trust_domain(std::string(domain));
  v1::IssuancesReply reply;
  grpc::ClientContext context;
  SecuredRig::limit(context);
  ASSERT_TRUE(v1::Issuances::NewStub(ada.channel)->List(&context, ask, &reply).ok());
  ASSERT_EQ(reply.records_size(), 1);
  EXPECT_EQ(reply.records(0).lines(), request(domain).lines());
  EXPECT_TRUE(reply.end());
  v1::RecordedHeadRequest of;
  of.set_trust_domain(std::string(domain));
  v1::JournalHead head;
  grpc::ClientContext again;
  SecuredRig::limit(again);
  ASSERT_TRUE(v1::Issuances::NewStub(ada.channel)->Head(&again, of, &head).ok());
  EXPECT_EQ(head.digest(), head_.digest());
}

TEST_F(IssuancesServiceTest, nobody_hands_in_the_journal_of_another) {
  const grpc::Status other = record(authority(), request("us-east.bank.example"));
  EXPECT_EQ(other.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(other.error_message(), HasSubstr("by its authority, or by a person"));
  const grpc::Status clerk = record(rig_.somebody("/service/clerk"), request(domain));
  EXPECT_EQ(clerk.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  const grpc::Status grace = record(rig_.somebody("/person/grace"), request(domain));
  EXPECT_EQ(grace.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(record(rig_.somebody("/person/ada"), request("us-east.bank.example")).ok());
}

TEST_F(IssuancesServiceTest, what_is_wrong_is_named) {
  const SecuredRig::Somebody ca = authority();
  v1::RecordIssuancesRequest wrong = request(domain);
  wrong.mutable_after()->set_digest("short");
  EXPECT_THAT(record(ca, wrong).error_message(), HasSubstr("after.digest: expected 32 bytes"));
  wrong = request(domain);
  wrong.set_lines(wrong.lines() + "x");
  EXPECT_EQ(record(ca, wrong).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  wrong = request(domain);
  wrong.mutable_after()->set_count(7);
  EXPECT_EQ(record(ca, wrong).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace
}  // namespace meridian::api
