// Whose name stands in records: that of the caller's certificate, whichever way a command came.
#include <gtest/gtest.h>

#include "api/internal/secured_rig.h"
#include "ledger/command.h"
#include "ledger/header.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

/// The actor of the newest record that is there once everything is stored.
u128 newest_actor(ApiRig& rig) {
  std::promise<void> settled;
  rig.cell->replica().settle([&] { settled.set_value(); });
  settled.get_future().wait();
  const std::uint64_t records = rig.cell->replica().visible_records();
  const Result<Buffer> bytes = rig.cell->replica().header(ledger::RecordIndex{records - 1});
  return bytes ? ledger::Header::decode(*bytes)->actor : 0;
}

v1::CreateAccountsRequest account(char id) {
  v1::CreateAccountsRequest request;
  v1::Account& one = *request.add_accounts();
  one.set_id(std::string(1, id));
  one.set_ledger(700);
  one.set_code(1);
  return request;
}

template <typename Request, typename Reply, typename Stub>
testing::AssertionResult called(Stub& stub,
                                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Reply*),
                                const Request& request) {
  grpc::ClientContext context;
  SecuredRig::limit(context);
  Reply reply;
  const grpc::Status status = (stub.*method)(&context, request, &reply);
  if (status.ok()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << status.error_message();
}

TEST(ActorTest, a_command_is_recorded_under_its_callers_name_whichever_way_it_came) {
  SecuredRig rig;
  const SecuredRig::Somebody payments = rig.somebody("/service/payments");
  const SecuredRig::Somebody other = rig.somebody("/service/other");
  const u128 name = rig.cell.cell->door().actor_id(payments.id);
  const u128 other_name = rig.cell.cell->door().actor_id(other.id);
  ASSERT_NE(name, 0);
  ASSERT_NE(name, other_name);

  auto accounts = v1::Accounts::NewStub(payments.channel);
  EXPECT_TRUE(called(*accounts, &v1::Accounts::Stub::Create, account(1)));
  EXPECT_EQ(newest_actor(rig.cell), name);

  auto others = v1::Accounts::NewStub(other.channel);
  ledger::Account packed{};
  packed.id = 2;
  packed.ledger = 700;
  packed.code = 1;
  v1::PackedRequest request;
  request.set_commands(&packed, sizeof packed);
  EXPECT_TRUE(called(*others, &v1::Accounts::Stub::CreatePacked, request));
  EXPECT_EQ(newest_actor(rig.cell), other_name);

  auto streams = v1::Streams::NewStub(payments.channel);
  v1::AppendRequest append;
  v1::NewEvent& event = *append.add_events();
  event.set_event_id("e");
  event.set_stream("payments-1");
  event.set_type("paid");
  event.set_data("{}");
  EXPECT_TRUE(called(*streams, &v1::Streams::Stub::Append, append));
  EXPECT_EQ(newest_actor(rig.cell), name);

  auto transactions = v1::Transactions::NewStub(other.channel);
  v1::TransactRequest transact;
  *transact.add_transactions()->add_commands()->mutable_create_account() = account(3).accounts(0);
  EXPECT_TRUE(called(*transactions, &v1::Transactions::Stub::Transact, transact));
  EXPECT_EQ(newest_actor(rig.cell), other_name);

  const std::string body = R"({"accounts":[{"id":"4","ledger":700,"code":1}]})";
  EXPECT_TRUE(rig.http(payments).post("/v1/accounts", body).starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(newest_actor(rig.cell), name);
}

TEST(ActorTest, a_renewed_certificate_keeps_its_name) {
  SecuredRig rig;
  const SecuredRig::Somebody before = rig.somebody("/service/payments");
  const SecuredRig::Somebody after = rig.somebody("/service/payments");
  for (const auto& [who, id] : {std::pair(&before, char{1}), std::pair(&after, char{2})}) {
    auto accounts = v1::Accounts::NewStub(who->channel);
    EXPECT_TRUE(called(*accounts, &v1::Accounts::Stub::Create, account(id)));
    EXPECT_EQ(newest_actor(rig.cell), rig.cell.cell->door().actor_id(before.id));
  }
}

TEST(ActorTest, in_the_clear_everybody_is_local) {
  ApiRig rig;
  rig.start_grpc();
  auto accounts = v1::Accounts::NewStub(grpc::CreateChannel(
      format_listen_address(rig.grpc->address()), grpc::InsecureChannelCredentials()));
  EXPECT_TRUE(called(*accounts, &v1::Accounts::Stub::Create, account(1)));
  EXPECT_EQ(newest_actor(rig), rig.cell->door().actor_id("local"));
}

}  // namespace
}  // namespace meridian::api
