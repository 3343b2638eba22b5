// A cell whose log has a witness, both over real sockets: what a client of the ledger sees of it.
#include <gtest/gtest.h>

#include "api/internal/api_rig.h"
#include "api/internal/http_client_rig.h"
#include "api/internal/witness_http_rig.h"
#include "api/witness_link_http.h"
#include "proof/receipt.h"

namespace meridian::api {
namespace {

struct WitnessedReceiptsTest : testing::Test {
  ApiRig cell;
  std::unique_ptr<WitnessHttpRig> witness;
  std::unique_ptr<io::Executor> executor = io::os_executor("witnessing");
  std::unique_ptr<witness::Witnessing> witnessing;

  void start_witness() {
    auto log_key = proof::parse_vkey(cell.cell->replica().log_vkey());
    ASSERT_TRUE(log_key.has_value());
    witness = std::make_unique<WitnessHttpRig>(std::vector<proof::VerifierKey>{*log_key});
    witness->start();
    const std::string url = "http://" + format_listen_address(witness->http->address());
    std::vector<witness::Witnessing::Peer> peers;
    peers.push_back({{url, witness->witness->key()}, *make_witness_link(url)});
    auto started = witness::Witnessing::start(
        {*executor, *cell.clock, cell.metrics, [](const std::string&) {}},
        witness::witnessed_log(cell.cell->replica()), std::move(peers));
    ASSERT_TRUE(started.has_value());
    witnessing = std::move(*started);
    cell.backend->witnessing = witnessing.get();
  }
  void TearDown() override {
    if (witnessing) witnessing->stop();
  }
  HttpClient::Reply get(std::string_view target) {
    return HttpClient(cell.http->address()).get(target);
  }
  static std::size_t signatures(const HttpClient::Reply& receipt) {
    const auto parsed = proof::parse_receipt(receipt.body);
    return parsed ? parsed->checkpoint.signatures.size() : 0;
  }
};

TEST_F(WitnessedReceiptsTest, without_a_witness_a_witnessed_receipt_is_refused_by_name) {
  cell.start_http();
  EXPECT_EQ(signatures(get("/v1/receipts?record=0")), 2U) << "the log and the replica";
  EXPECT_EQ(get("/v1/receipts?record=0&witnesses=1").error().substr(0, 54),
            "409 failed_precondition: this server has no witness: s");
  EXPECT_EQ(get("/v1/witnesses").json()["witnesses"].size(), 0U);
}

TEST_F(WitnessedReceiptsTest, a_receipt_waits_for_the_witness_and_later_ones_carry_it_too) {
  start_witness();
  cell.start_http();
  EXPECT_EQ(signatures(get("/v1/receipts?record=0&witnesses=1")), 3U);
  EXPECT_EQ(signatures(get("/v1/receipts?record=0")), 3U);
  EXPECT_EQ(proof::parse_note(get("/log/checkpoint").body)->signatures.size(), 3U);
  const nlohmann::json row = get("/v1/witnesses").json()["witnesses"][0];
  EXPECT_EQ(row["state"], "cosigning");
  EXPECT_EQ(row["cosigned_size"], "1");
  EXPECT_EQ(get("/v1/receipts?record=9&witnesses=1").status, 404U);
  EXPECT_EQ(get("/v1/receipts?record=0&witnesses=2").status, 400U);
  EXPECT_EQ(get("/v1/receipts?record=0&witnesses=99").status, 400U);
  witnessing->stop();
  EXPECT_EQ(get("/v1/receipts?record=0&witnesses=1").status, 503U);
  EXPECT_EQ(signatures(get("/v1/receipts?record=0")), 2U) << "plain ones go on";
}

}  // namespace
}  // namespace meridian::api
