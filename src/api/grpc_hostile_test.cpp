// gRPC callers that are wrong: bytes that are no message, methods that do not exist, too much of
// everything. Each gets a status of its own and nothing is written.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "api/convert.h"
#include "api/internal/api_rig.h"
#include "meridian/v1/ledger.grpc.pb.h"

namespace meridian::api {
namespace {

class GrpcHostileTest : public ::testing::Test {
 protected:
  GrpcHostileTest() {
    rig_.start_grpc();
    channel_ = connect();
  }
  /// A connection of its own.
  std::shared_ptr<grpc::Channel> connect() const {
    grpc::ChannelArguments own;
    own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(format_listen_address(rig_.grpc->address()),
                                     grpc::InsecureChannelCredentials(), own);
  }
  /// Sends `bytes` as they are, as the request of `method`.
  grpc::Status call(const std::string& method, const std::string& bytes) {
    grpc::GenericStub stub(channel_);
    grpc::Slice slice(bytes);
    grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer reply;
    grpc::ClientContext context;
    std::promise<grpc::Status> ended;
    stub.UnaryCall(&context, method, {}, &request, &reply,
                   [&](grpc::Status status) { ended.set_value(std::move(status)); });
    return ended.get_future().get();
  }
  static std::string text(const grpc::Status& status) {
    return std::to_string(status.error_code()) + " " + status.error_message();
  }
  /// As somebody else sees it: gRPC closes the connection of who sends too much metadata.
  void expect_nothing_written() {
    auto admin = v1::Admin::NewStub(connect());
    v1::StatusReply reply;
    grpc::ClientContext context;
    const grpc::Status answered = admin->Status(&context, {}, &reply);
    ASSERT_TRUE(answered.ok()) << text(answered);
    EXPECT_EQ(reply.accounts() + reply.streams() + reply.pendings(), 0U);
  }

  ApiRig rig_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(GrpcHostileTest, methods_that_do_not_exist_are_unimplemented) {
  EXPECT_EQ(call("/meridian.v1.Transfers/Nothing", "").error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(call("/meridian.v9.Transfers/Create", "").error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(GrpcHostileTest, bytes_that_are_no_message_are_refused) {
  const std::string broken[] = {
      "\x0a\xff",                  // a length without its content
      std::string(64, '\xff'),     // an endless varint
      "\x0a\x04\x12\x02\xc3\x28",  // a text that is not UTF-8
      std::string(1'000, '\x0b'),  // groups that never end
  };
  // gRPC refuses these before any code of ours runs; 1.51 has this status for it, and no text.
  for (const std::string& bytes : broken) {
    EXPECT_EQ(call("/meridian.v1.Streams/Append", bytes).error_code(),
              grpc::StatusCode::UNIMPLEMENTED);
  }
  expect_nothing_written();
}

TEST_F(GrpcHostileTest, what_is_missing_or_out_of_range_is_refused_by_name) {
  EXPECT_EQ(text(call("/meridian.v1.Transfers/Create", "")),
            "3 transfers: empty, nothing was asked for");
  EXPECT_EQ(text(call("/meridian.v1.Accounts/Balances", "")), "3 filter.account_id: missing");
  EXPECT_EQ(text(call("/meridian.v1.Streams/Read", "")),
            "3 source: none of stream, category, all is set");
  EXPECT_EQ(text(call("/meridian.v1.Streams/Delete", "")), "3 deletion: missing");
  v1::PackedRequest packed;
  packed.set_commands(std::string(std::size_t{8'191} * 128, '\0'));
  EXPECT_EQ(text(call("/meridian.v1.Transfers/CreatePacked", packed.SerializeAsString())),
            "3 commands: 8191 commands, a request holds at most 8190; send them in parts");
  expect_nothing_written();
}

TEST_F(GrpcHostileTest, a_flood_of_metadata_is_refused) {
  auto admin = v1::Admin::NewStub(channel_);
  v1::StatusReply reply;
  grpc::ClientContext context;
  context.AddMetadata("x-flood", std::string(64 << 10, 'x'));
  EXPECT_EQ(admin->Status(&context, {}, &reply).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  expect_nothing_written();
}

TEST_F(GrpcHostileTest, compressed_messages_are_not_opened) {
  auto transfers = v1::Transfers::NewStub(channel_);
  v1::PackedRequest packed;
  packed.set_commands(std::string(std::size_t{8'190} * 128, '\0'));  // a MiB that takes 1 KiB
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    v1::PackedReply reply;
    grpc::ClientContext context;
    context.set_compression_algorithm(algorithm);
    EXPECT_EQ(transfers->CreatePacked(&context, packed, &reply).error_code(),
              grpc::StatusCode::UNIMPLEMENTED);
  }
  expect_nothing_written();
}

TEST_F(GrpcHostileTest, a_deadline_in_the_past_writes_nothing) {
  auto accounts = v1::Accounts::NewStub(channel_);
  v1::CreateAccountsRequest request;
  v1::Account& account = *request.add_accounts();
  account.set_id(format_u128(1));
  account.set_ledger(1);
  account.set_code(1);
  v1::CreateReply reply;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::time_point(std::chrono::seconds(1)));
  EXPECT_EQ(accounts->Create(&context, request, &reply).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  expect_nothing_written();
}

}  // namespace
}  // namespace meridian::api
