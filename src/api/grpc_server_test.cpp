#include "api/grpc_server.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <mutex>

#include "api/convert.h"
#include "api/internal/api_rig.h"
#include "meridian/v1/ledger.grpc.pb.h"
#include "proof/policy.h"
#include "proof/receipt.h"

namespace meridian::api {
namespace {

class GrpcServerTest : public ::testing::Test {
 protected:
  GrpcServerTest() {
    rig_.start_grpc();
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    channel_ = grpc::CreateCustomChannel(format_listen_address(rig_.grpc->address()),
                                         grpc::InsecureChannelCredentials(), arguments);
  }
  static void set_deadline(grpc::ClientContext& context, int ms) {
    context.set_deadline(std::chrono::system_clock::time_point(std::chrono::nanoseconds(
        static_cast<std::int64_t>(io::os_clock()->now().time) + std::int64_t{ms} * 1'000'000)));
  }
  void make_accounts() {
    auto accounts = v1::Accounts::NewStub(channel_);
    v1::CreateAccountsRequest request;
    for (u128 id : {1, 2}) {
      v1::Account& account = *request.add_accounts();
      account.set_id(format_u128(id));
      account.set_ledger(1);
      account.set_code(1);
    }
    v1::CreateReply reply;
    grpc::ClientContext context;
    grpc::Status status = accounts->Create(&context, request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(reply.results_size(), 2);
    ASSERT_EQ(reply.results(1).name(), "created");
  }
  static v1::AppendRequest append_request(u128 id, const std::string& stream) {
    v1::AppendRequest request;
    v1::NewEvent& event = *request.add_events();
    event.set_event_id(format_u128(id));
    event.set_stream(stream);
    event.set_type("noted");
    event.set_data(R"({"n":1})");
    return request;
  }
  void append(u128 id, const std::string& stream) {
    auto streams = v1::Streams::NewStub(channel_);
    v1::CreateReply reply;
    grpc::ClientContext context;
    grpc::Status status = streams->Append(&context, append_request(id, stream), &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_EQ(reply.results(0).name(), "created");
  }

  ApiRig rig_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(GrpcServerTest, accounts_and_transfers_typed_and_packed) {
  make_accounts();
  auto transfers = v1::Transfers::NewStub(channel_);
  std::vector<ledger::Transfer> batch(3);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch[i].id = 100 + i;
    batch[i].debit_account_id = 1;
    batch[i].credit_account_id = i == 1 ? 99 : 2;
    batch[i].amount = 5;
    batch[i].ledger = batch[i].code = 1;
  }
  v1::PackedRequest packed;
  packed.set_commands(batch.data(), batch.size() * sizeof(ledger::Transfer));
  v1::PackedReply reply;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(transfers->CreatePacked(&context, packed, &reply).ok());
  }
  EXPECT_EQ(reply.count(), 3U);
  ASSERT_EQ(reply.exceptions().size(), 8U);
  EXPECT_EQ(load_le<std::uint32_t>(as_bytes(reply.exceptions()).data()), 1U);

  v1::LookupRequest ids;
  for (u128 id : {100, 101, 102}) ids.add_ids(format_u128(id));
  v1::LookupTransfersReply found;
  grpc::ClientContext context;
  ASSERT_TRUE(transfers->Lookup(&context, ids, &found).ok());
  ASSERT_EQ(found.transfers_size(), 2);
  EXPECT_EQ(found.transfers(1).id(), format_u128(102));

  auto accounts = v1::Accounts::NewStub(channel_);
  v1::AccountFilter filter;
  filter.set_account_id(format_u128(1));
  v1::AccountTransfersReply history;
  grpc::ClientContext history_context;
  ASSERT_TRUE(accounts->Transfers(&history_context, filter, &history).ok());
  EXPECT_EQ(history.transfers_size(), 2);
}

TEST_F(GrpcServerTest, a_local_read_says_how_old_it_can_be) {
  make_accounts();
  const auto read = [&](const char* wish) {
    v1::LookupRequest ids;
    ids.add_ids(format_u128(1));
    v1::LookupAccountsReply found;
    grpc::ClientContext context;
    context.AddMetadata("meridian-read", wish);
    const grpc::Status status = v1::Accounts::NewStub(channel_)->Lookup(&context, ids, &found);
    const auto& trailing = context.GetServerTrailingMetadata();
    const auto at = trailing.find("meridian-position");
    return std::pair(status.error_message(),
                     at == trailing.end() ? "" : std::string(at->second.data(), at->second.size()));
  };
  for (const char* wish : {"local", "local max-staleness-ms=100"}) {
    const auto [error, position] = read(wish);
    EXPECT_EQ(error, "");
    EXPECT_NE(position.find(" staleness-ms="), std::string::npos) << position;
  }
  EXPECT_NE(read("lokal").first.find("meridian-read: expected `local`"), std::string::npos);
}

TEST_F(GrpcServerTest, malformed_and_oversize_requests_say_what_is_wrong) {
  auto transfers = v1::Transfers::NewStub(channel_);
  v1::PackedRequest packed;
  packed.set_commands(std::string(100, 'x'));
  v1::PackedReply reply;
  grpc::ClientContext context;
  grpc::Status status = transfers->CreatePacked(&context, packed, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "commands: 100 bytes, expected a multiple of 128 above zero");
  packed.set_commands(std::string(GrpcServer::receive_bytes_max + 1, 'x'));
  grpc::ClientContext large;
  EXPECT_EQ(transfers->CreatePacked(&large, packed, &reply).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcServerTest, a_deadline_that_passes_first_leaves_the_outcome_unknown_and_askable) {
  make_accounts();
  // Hold the log up, so that nothing is answered until it is let go.
  std::mutex gate;
  gate.lock();
  rig_.log->post([&] { std::lock_guard wait(gate); });
  auto streams = v1::Streams::NewStub(channel_);
  v1::CreateReply reply;
  grpc::ClientContext context;
  set_deadline(context, 300);
  grpc::Status status = streams->Append(&context, append_request(500, "late-1"), &reply);
  gate.unlock();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(status.error_message(), write_deadline_message);

  auto transactions = v1::Transactions::NewStub(channel_);
  append(501, "late-2");  // what was submitted before is applied before
  v1::OutcomeRequest ask;
  ask.set_kind(v1::OutcomeRequest::EVENT);
  ask.set_id(format_u128(500));
  v1::OutcomeReply outcome;
  grpc::ClientContext ask_context;
  ASSERT_TRUE(transactions->Outcome(&ask_context, ask, &outcome).ok());
  EXPECT_TRUE(outcome.known());
  EXPECT_EQ(outcome.result().name(), "created");
}

TEST_F(GrpcServerTest, a_subscription_gives_each_event_once_in_order_then_live) {
  for (u128 id = 1; id <= 100; ++id) append(id, "orders-1");
  auto streams = v1::Streams::NewStub(channel_);
  v1::SubscribeRequest request;
  request.set_stream("orders-1");
  request.set_position(10);
  grpc::ClientContext context;
  auto reader = streams->Subscribe(&context, request);
  v1::RecordedEvent event;
  for (std::uint64_t revision = 10; revision < 100; ++revision) {
    ASSERT_TRUE(reader->Read(&event));
    ASSERT_EQ(event.revision(), revision);
  }
  append(200, "other-1");
  append(201, "orders-1");
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.revision(), 100U);
  EXPECT_EQ(event.data(), R"({"n":1})");
  context.TryCancel();
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(GrpcServerTest, the_feed_is_every_record_and_ends_at_its_limit) {
  make_accounts();
  append(1, "orders-1");
  auto feed = v1::Feed::NewStub(channel_);
  v1::FeedRequest request;
  request.set_limit(3);
  grpc::ClientContext context;
  auto reader = feed->Follow(&context, request);
  std::uint64_t next = 0;
  for (v1::FeedBatch batch; reader->Read(&batch);) {
    for (const v1::FeedRecord& record : batch.records()) {
      EXPECT_EQ(record.record_index(), next++);
      EXPECT_TRUE(ledger::Header::decode(as_bytes(record.header())).has_value());
    }
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(next, 3U);
}

TEST_F(GrpcServerTest, a_stopping_server_ends_subscriptions_with_a_reason) {
  auto streams = v1::Streams::NewStub(channel_);
  v1::SubscribeRequest request;
  request.set_all(true);
  request.set_live_only(true);
  grpc::ClientContext context;
  auto reader = streams->Subscribe(&context, request);
  for (int i = 0; i < 1'000 && rig_.backend->live.count() == 0; ++i) rig_.work->drain();
  rig_.grpc->stop(io::seconds(5));
  v1::RecordedEvent event;
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GrpcServerTest, receipts_checkpoints_and_keys_fit_together) {
  make_accounts();
  auto proofs = v1::Proofs::NewStub(channel_);
  v1::ReceiptRequest request;
  request.set_account_id(format_u128(2));
  v1::ReceiptReply receipt;
  grpc::ClientContext context;
  grpc::Status status = proofs->Receipt(&context, request, &receipt);
  ASSERT_TRUE(status.ok()) << status.error_message();
  v1::KeysReply keys;
  grpc::ClientContext keys_context;
  ASSERT_TRUE(proofs->Keys(&keys_context, {}, &keys).ok());
  Result<proof::Policy> policy = proof::parse_policy(keys.policy());
  ASSERT_TRUE(policy.has_value()) << policy.error().message;
  Result<proof::Evidence> evidence =
      proof::evaluate(*proof::parse_receipt(receipt.receipt()), *policy);
  EXPECT_TRUE(evidence.has_value()) << evidence.error().message;

  request.set_account_id(format_u128(77));
  grpc::ClientContext missing;
  EXPECT_EQ(proofs->Receipt(&missing, request, &receipt).error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace meridian::api
