// Keys of a running node by both interfaces: listed without a secret, turned over in the
// background, and refused by name if they never are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/convert_keys.h"
#include "api/internal/api_rig.h"
#include "api/internal/http_client_rig.h"
#include "meridian/v1/keys.grpc.pb.h"

// (below: what defines Status)
#include <grpcpp/grpcpp.h>

namespace meridian::api {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class KeysApiTest : public testing::Test {
 protected:
  KeysApiTest() {
    rig_.start_grpc();
    rig_.start_http();
    stub_ = v1::Keys::NewStub(grpc::CreateChannel(format_listen_address(rig_.grpc->address()),
                                                  grpc::InsecureChannelCredentials()));
  }
  v1::NodeKeysReply list() {
    v1::NodeKeysReply reply;
    grpc::ClientContext context;
    EXPECT_TRUE(stub_->List(&context, {}, &reply).ok());
    return reply;
  }
  std::string rotate(const std::string& key, v1::RotateKeyReply* reply = nullptr) {
    v1::RotateKeyRequest request;
    request.set_key(key);
    v1::RotateKeyReply ignored;
    grpc::ClientContext context;
    const grpc::Status done = stub_->Rotate(&context, request, reply == nullptr ? &ignored : reply);
    return std::to_string(done.error_code()) + " " + done.error_message();
  }
  /// "1" or "1 2": those there are.
  static std::string versions(const v1::NodeKeysReply& reply, std::string_view name) {
    std::string all;
    for (const v1::NodeKey& key : reply.keys())
      if (key.name() == name) all += (all.empty() ? "" : " ") + std::to_string(key.version());
    return all;
  }
  v1::NodeKeysReply wait_until_turned() {
    for (int i = 0; i < 20'000; ++i) {
      v1::NodeKeysReply now = list();
      if (!now.turning()) return now;
    }
    ADD_FAILURE() << "it is never turned";
    return {};
  }

  ApiRig rig_;
  std::unique_ptr<v1::Keys::Stub> stub_;
};

TEST_F(KeysApiTest, every_key_is_listed_and_no_secret) {
  const v1::NodeKeysReply keys = list();
  EXPECT_EQ(keys.keys_size(), 7);
  for (const v1::NodeKey& key : keys.keys()) {
    EXPECT_TRUE(key.in_use()) << key.name();
    EXPECT_FALSE(key.in_token()) << key.name();
    EXPECT_GT(key.made(), 0) << key.name();
    EXPECT_EQ(key.public_key().size(), key.name() == "log" || key.name() == "cosign" ? 32U : 0U);
    EXPECT_EQ(key.has_files(), key.name() == "storage");
    if (key.has_files()) {
      EXPECT_GT(key.files(), 0U);
    }
  }
  const std::string bytes = keys.SerializeAsString();
  for (const char* name : {"storage", "payload", "index", "epoch"})
    EXPECT_EQ(bytes.find(as_text(rig_.keys->newest(name)->secret)), std::string::npos) << name;
  const auto json = HttpClient(rig_.http->address()).get("/v1/node/keys").json();
  ASSERT_EQ(json["keys"].size(), 7U) << json;
  EXPECT_EQ(json["turning"], false);
  EXPECT_EQ(json["keys"][0]["name"], "commit");
}

TEST_F(KeysApiTest, storage_gets_a_next_version_and_the_one_before_goes) {
  v1::RotateKeyReply reply;
  EXPECT_EQ(rotate("storage", &reply), "0 ");
  EXPECT_EQ(reply.version(), 2U);
  const v1::NodeKeysReply now = wait_until_turned();
  EXPECT_EQ(versions(now, "storage"), "2");
  EXPECT_GT(now.files_turned(), 0U);
  EXPECT_EQ(now.hindrance(), "");
  EXPECT_EQ(HttpClient(rig_.http->address()).post("/v1/node/keys", R"({"key":"storage"})").json(),
            nlohmann::json::parse(R"({"version":3,"asked":[],"destroyed_on":[],"not_yet_on":[]})"));
  EXPECT_EQ(versions(wait_until_turned(), "storage"), "3");
}

TEST_F(KeysApiTest, the_epoch_turns_at_once) {
  v1::RotateKeyReply reply;
  EXPECT_EQ(rotate("epoch", &reply), "0 ");
  EXPECT_EQ(reply.version(), 2U);
  EXPECT_EQ(versions(list(), "epoch"), "2");
}

TEST_F(KeysApiTest, what_is_never_turned_over_is_refused_with_what_to_do) {
  for (const char* name : {"log", "cosign", "exchange"})
    EXPECT_THAT(rotate(name), AllOf(StartsWith("9 "), HasSubstr("node replace"))) << name;
  for (const char* name : {"cell", "payload", "commit", "index"})
    EXPECT_THAT(rotate(name), AllOf(StartsWith("9 "), HasSubstr("for ever"))) << name;
  EXPECT_THAT(rotate("nothing"), AllOf(StartsWith("3 "), HasSubstr("there is none")));
  HttpClient client(rig_.http->address());
  EXPECT_THAT(client.post("/v1/node/keys", R"({"key":"index"})").error(),
              StartsWith("409 failed_precondition: "));
  EXPECT_THAT(client.post("/v1/node/keys", R"({"key":"epoch","replica":"2"})").error(),
              AllOf(StartsWith("400 "), HasSubstr("replica: ")));
  EXPECT_THAT(client.post("/v1/node/keys", R"({"key":"epoch","when":"now"})").error(),
              AllOf(StartsWith("400 "), HasSubstr("when")));
  EXPECT_THAT(client.post("/v1/node/keys", R"({"key":"residency"})").error(),
              AllOf(StartsWith("400 "), HasSubstr("jurisdiction: ")));
  EXPECT_THAT(client.post("/v1/node/keys", R"({"key":"epoch","jurisdiction":"eu"})").error(),
              AllOf(StartsWith("400 "), HasSubstr("jurisdiction: ")));
  EXPECT_THAT(
      client.post("/v1/node/keys", R"({"key":"residency","jurisdiction":"eu"})").error(),
      AllOf(StartsWith("409 failed_precondition: "), HasSubstr("a jurisdiction needs two")));
  EXPECT_EQ(versions(list(), "epoch"), "1");
}

TEST_F(KeysApiTest, a_process_without_a_node_has_none) {
  rig_.backend->storage_turner = nullptr;
  EXPECT_THAT(rotate("storage"), StartsWith("14 "));
  EXPECT_THAT(HttpClient(rig_.http->address()).get("/v1/node/keys").error(), StartsWith("503 "));
}

}  // namespace
}  // namespace meridian::api
