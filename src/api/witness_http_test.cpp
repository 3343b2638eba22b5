#include "api/witness_http.h"

#include <gtest/gtest.h>

#include "api/internal/http_client_rig.h"
#include "api/internal/witness_http_rig.h"

namespace meridian::api {
namespace {

struct WitnessHttpTest : testing::Test {
  proof::Signer log{"test/log/1", proof::KeyType::ed25519, std::array<Byte, 32>{1}};
  proof::MerkleTree tree;
  WitnessHttpRig rig{{log.verifier()}};

  void SetUp() override {
    for (Byte leaf = 0; leaf < 9; ++leaf) tree.append(proof::leaf_hash({&leaf, 1}));
    rig.start();
  }
  std::string body(std::uint64_t old, std::uint64_t size) {
    proof::AddCheckpoint request{
        proof::TreeSize{old},
        {},
        *proof::sign_checkpoint(*tree.head_at(proof::TreeSize{size}), log)};
    if (old > 0)
      request.path = *tree.prove_consistency(proof::TreeSize{old}, proof::TreeSize{size});
    return proof::format_add_checkpoint(request);
  }
  HttpClient::Reply add(const std::string& text) {
    return HttpClient(rig.http->address()).call("POST", "/add-checkpoint", text);
  }
};

TEST_F(WitnessHttpTest, each_verdict_has_the_status_of_the_specification) {
  EXPECT_EQ(add("nonsense").status, 400U);
  EXPECT_EQ(add(body(0, 4)).status, 200U);
  const HttpClient::Reply conflict = add(body(0, 9));
  EXPECT_EQ(conflict.status, 409U);
  EXPECT_EQ(conflict.body, "4\n");
  EXPECT_EQ(conflict.field("Content-Type"), "text/x.tlog.size");
  std::string broken = body(4, 9);
  broken[broken.find('\n') + 3] ^= 1;  // a character of the first hash
  EXPECT_EQ(add(broken).status, 422U);
  const HttpClient::Reply cosigned = add(body(4, 9));
  EXPECT_EQ(cosigned.status, 200U);
  EXPECT_TRUE(cosigned.body.starts_with("\xE2\x80\x94 witness.test/w1 ")) << cosigned.body;
  EXPECT_EQ(cosigned.body.back(), '\n');
}

TEST_F(WitnessHttpTest, other_paths_methods_and_sizes_are_refused) {
  HttpClient client(rig.http->address());
  EXPECT_EQ(client.call("GET", "/add-checkpoint").status, 405U);
  EXPECT_EQ(client.call("GET", "/").status, 404U);
  EXPECT_EQ(client.call("POST", "/", "x").status, 404U);
  EXPECT_EQ(client.call("GET", "/v1/accounts").status, 404U) << "it is no ledger";
  EXPECT_EQ(add(std::string(rig.options.body_bytes_max + 1, 'x')).status, 413U);
}

TEST_F(WitnessHttpTest, monitors_fetch_the_checkpoint_cosigned_last) {
  HttpClient client(rig.http->address());
  const std::string path = "/" + witness::origin_hash("test/log/1") + "/checkpoint";
  EXPECT_EQ(client.get(path).status, 404U);
  ASSERT_EQ(add(body(0, 4)).status, 200U);
  const HttpClient::Reply reply = client.get(path);
  EXPECT_EQ(reply.status, 200U);
  EXPECT_TRUE(reply.body.starts_with("test/log/1\n4\n")) << reply.body;
  EXPECT_EQ(client.get("/" + std::string(64, '0') + "/checkpoint").status, 404U);
  EXPECT_EQ(client.get("/health").status, 200U);
  EXPECT_NE(
      client.get("/metrics").body.find("meridian_witness_answers_total{verdict=\"cosigned\"} 1"),
      std::string::npos);
}

}  // namespace
}  // namespace meridian::api
