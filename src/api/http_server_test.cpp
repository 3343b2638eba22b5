// Every call once, over real sockets, with what it answers. Hostile callers: http_hostile_test.cpp.
#include "api/http_server.h"

#include <gtest/gtest.h>

#include <mutex>

#include "api/internal/api_rig.h"
#include "api/internal/http_client_rig.h"
#include "crypto/sha256.h"
#include "ledger/header.h"
#include "proof/policy.h"
#include "proof/receipt.h"
#include "proof/tile.h"

namespace meridian::api {
namespace {

using nlohmann::json;

constexpr std::string_view two_accounts =
    R"({"accounts":[{"id":"1","ledger":1,"code":1},)"
    R"({"id":"2","ledger":1,"code":1,"flags":["history"],"user_data_64":"77"}]})";
constexpr std::string_view one_transfer =
    R"({"transfers":[{"id":"100","debit_account_id":"1","credit_account_id":"2",)"
    R"("amount":"250","ledger":1,"code":1}]})";

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    rig_.start_http();
    client_.emplace(rig_.http->address());
  }
  HttpClient::Reply get(std::string_view target) { return client_->get(target); }
  HttpClient::Reply post(std::string_view target, std::string_view body) {
    return client_->post(target, body);
  }
  /// The one result of a write.
  json written(std::string_view target, std::string_view body) {
    HttpClient::Reply reply = post(target, body);
    EXPECT_EQ(reply.status, 200U) << reply.body;
    return reply.json()["results"][0];
  }
  void append(int id, const std::string& stream) {
    EXPECT_EQ(written("/v1/events", event(id, stream))["name"], "created");
  }
  static std::string event(int id, const std::string& stream) {
    return R"({"events":[{"event_id":")" + std::to_string(id) + R"(","stream":")" + stream +
           R"(","type":"noted","data":{ "n": 1.10 }}]})";
  }
  /// Accounts until the log has `count` records more.
  void grow_log(int count) {
    json accounts = json::array();
    for (int i = 0; i < count; ++i) {
      accounts.push_back({{"id", std::to_string(10'000 + i)}, {"ledger", 1}, {"code", 1}});
    }
    ASSERT_EQ(post("/v1/accounts", json{{"accounts", accounts}}.dump()).status, 200U);
    ASSERT_EQ(post("/v1/settle", "{}").body, "{}\n");
  }

  ApiRig rig_;
  std::optional<HttpClient> client_;
};

TEST_F(HttpServerTest, accounts_are_created_and_read_in_every_way) {
  json created = post("/v1/accounts", two_accounts).json();
  ASSERT_EQ(created["results"].size(), 2U);
  EXPECT_EQ(created["results"][1]["name"], "created");
  EXPECT_EQ(created["results"][1]["status"], 4'294'967'295U);
  EXPECT_EQ(written("/v1/accounts", two_accounts)["name"], "exists");

  json account = get("/v1/accounts/2").json();
  EXPECT_EQ(account["id"], "2");
  EXPECT_EQ(account["flags"], json{"history"});
  EXPECT_EQ(get("/v1/accounts").json()["accounts"].size(), 2U);
  EXPECT_EQ(get("/v1/accounts?first=1&limit=5").json()["accounts"], json{account});
  EXPECT_EQ(get("/v1/accounts?user_data_64=77").json()["accounts"], json{account});
  EXPECT_EQ(post("/v1/accounts/lookup", R"({"ids":["9","2"]})").json()["accounts"], json{account});
  EXPECT_EQ(get("/v1/accounts/9").error(), "404 not_found: there is no account with this id");
}

TEST_F(HttpServerTest, transfers_are_created_and_read_in_every_way) {
  post("/v1/accounts", two_accounts);
  EXPECT_EQ(written("/v1/transfers", one_transfer)["name"], "created");
  json transfer = get("/v1/transfers/100").json();
  EXPECT_EQ(transfer["amount"], "250");
  EXPECT_EQ(get("/v1/transfers").json()["transfers"], json{transfer});
  EXPECT_EQ(get("/v1/transfers?code=2").json()["transfers"], json::array());
  EXPECT_EQ(post("/v1/transfers/lookup", R"({"ids":["100"]})").json()["transfers"], json{transfer});
  EXPECT_EQ(get("/v1/accounts/1/transfers").json()["transfers"], json{transfer});
  EXPECT_EQ(get("/v1/accounts/1/transfers?credits").json()["transfers"], json::array());
  json balances = get("/v1/accounts/2/balances").json()["balances"];
  ASSERT_EQ(balances.size(), 1U);
  EXPECT_EQ(balances[0]["credits_posted"], "250");
  EXPECT_EQ(get("/v1/transfers/9").error(), "404 not_found: there is no transfer with this id");

  json outcome = get("/v1/outcomes?transfer=100").json();
  EXPECT_EQ(outcome["known"], true);
  EXPECT_EQ(outcome["result"]["name"], "created");
  EXPECT_EQ(get("/v1/outcomes?transfer=9").json(), json({{"known", false}}));
}

TEST_F(HttpServerTest, events_are_appended_read_in_both_directions_and_deleted) {
  append(7, "order-1");
  append(8, "order-1");
  append(9, "other-1");
  HttpClient::Reply page = get("/v1/streams/order-1?limit=1");
  EXPECT_NE(page.body.find(R"("data":{ "n": 1.10 })"), std::string::npos) << page.body;
  EXPECT_EQ(page.json()["next"], "1");
  EXPECT_EQ(page.json()["end"], false);
  json newest = get("/v1/streams/order-1?backwards&from_end&limit=1").json();
  EXPECT_EQ(newest["events"][0]["event_id"], "8");
  EXPECT_EQ(get("/v1/categories/order").json()["events"].size(), 2U);
  EXPECT_EQ(get("/v1/events").json()["events"].size(), 3U);
  EXPECT_EQ(written("/v1/deletions",
                    R"({"event_id":"10","stream":"order-1","expected":"exists"})")["name"],
            "created");
  EXPECT_EQ(get("/v1/streams/order-1").json()["stream_deleted"], true);
  json outcome = get("/v1/outcomes?event=8").json()["result"];
  EXPECT_EQ(outcome["name"], "created");
  EXPECT_EQ(outcome["revision"], "1");
  EXPECT_EQ(get("/v1/outcomes?event=10").json()["result"]["name"], "created");
}

TEST_F(HttpServerTest, a_transaction_is_all_or_nothing) {
  post("/v1/accounts", two_accounts);
  const std::string body =
      R"({"transactions":[{"commands":[{"create_transfer":{"id":"101","debit_account_id":"1",)"
      R"("credit_account_id":"99","amount":"5","ledger":1,"code":1}},)"
      R"({"append_event":{"event_id":"8","stream":"order-1","type":"tipped","data":{}}}]}]})";
  json results = post("/v1/transactions", body).json()["results"];
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0]["name"], "credit_account_not_found");
  EXPECT_EQ(results[1]["name"], "linked_event_failed");
  EXPECT_EQ(get("/v1/streams/order-1").json()["events"].size(), 0U);
}

TEST_F(HttpServerTest, a_forgotten_subject_is_gone_and_says_so) {
  EXPECT_EQ(written("/v1/events", R"({"events":[{"event_id":"7","stream":"order-1","type":"paid",)"
                                  R"("data":{"total":"2.50"},"subject":"ann"}]})")["name"],
            "created");
  json before = post("/v1/subjects/status", R"({"subject":"ann"})").json();
  EXPECT_EQ(before["known"], true);
  EXPECT_EQ(before["forgotten"], false);
  json done = post("/v1/subjects/forget", R"({"subject":"ann"})").json();
  EXPECT_GE(done["keys_destroyed"], 1) << done.dump();
  EXPECT_EQ(post("/v1/subjects/status", R"({"subject":"ann"})").json()["forgotten"], true);
  json event = get("/v1/events").json()["events"][0];
  EXPECT_EQ(event["forgotten"], true);
  EXPECT_FALSE(event.contains("data"));
}

TEST_F(HttpServerTest, status_health_metrics_and_keys_answer) {
  post("/v1/accounts", two_accounts);
  EXPECT_EQ(get("/health").json()["status"], "serving");
  EXPECT_EQ(get("/v1/status").json()["accounts"], "2");
  HttpClient::Reply metrics = get("/metrics");
  EXPECT_EQ(metrics.field("Content-Type"), metrics::Registry::text_content_type);
  EXPECT_NE(metrics.body.find(R"(meridian_api_calls_total{code="ok",interface="http"} 3)"),
            std::string::npos)
      << metrics.body;
  EXPECT_TRUE(proof::parse_policy(get("/v1/keys").json()["policy"].get<std::string>()).has_value());
}

TEST_F(HttpServerTest, a_receipt_verifies_under_the_keys_of_the_server) {
  post("/v1/accounts", two_accounts);
  HttpClient::Reply receipt = get("/v1/receipts?account=2");
  EXPECT_EQ(receipt.field("Content-Type"), "text/plain; charset=utf-8");
  auto policy = proof::parse_policy(get("/v1/keys").json()["policy"].get<std::string>());
  auto evidence = proof::evaluate(*proof::parse_receipt(receipt.body), *policy);
  EXPECT_TRUE(evidence.has_value()) << evidence.error().message;
  EXPECT_EQ(get("/v1/receipts?account=9").status, 404U);
  json record = get("/v1/records/1").json();
  EXPECT_EQ(record["header"].get<std::string>().size() % 2, 0U) << record.dump();
  EXPECT_EQ(get("/v1/records/1000").status, 404U);
}

TEST_F(HttpServerTest, the_log_is_served_as_tlog_tiles_asks) {
  grow_log(300);
  HttpClient::Reply checkpoint = get("/log/checkpoint");
  EXPECT_EQ(checkpoint.field("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(checkpoint.field("Cache-Control"), "no-cache");
  const std::size_t line = checkpoint.body.find('\n') + 1;
  const std::uint64_t size = std::stoull(checkpoint.body.substr(line));
  ASSERT_GE(size, 300U);

  for (std::string_view path : {"/log/tile/0/000", "/log/tile/0/000.p/3", "/log/tile/entries/000",
                                "/log/tile/entries/001.p/7", "/log/tile/1/000.p/1"}) {
    HttpClient::Reply tile = get(path);
    EXPECT_EQ(tile.status, 200U) << path;
    EXPECT_EQ(tile.field("Content-Type"), "application/octet-stream") << path;
    // A tile of a width holds the same for ever, so a partial one may be kept as long as a full.
    EXPECT_EQ(tile.field("Cache-Control"), "public, max-age=31536000, immutable") << path;
  }
  // A hash tile holds the leaf hashes of the bundle's entries.
  const std::string hashes = get("/log/tile/0/000").body;
  ASSERT_EQ(hashes.size(), 256U * 32);
  const std::string bundle = get("/log/tile/entries/000").body;
  std::size_t at = 0;
  for (std::size_t i = 0; i < 256; ++i) {
    ASSERT_LE(at + 2, bundle.size());
    std::size_t length =
        static_cast<unsigned char>(bundle[at]) * 256U + static_cast<unsigned char>(bundle[at + 1]);
    std::string leaf = std::string(1, '\0') + bundle.substr(at + 2, length);
    ASSERT_EQ(as_text(crypto::sha256(as_bytes(leaf))), hashes.substr(i * 32, 32)) << i;
    at += 2 + length;
  }
  EXPECT_EQ(at, bundle.size());
  EXPECT_EQ(get("/log/tile/0/000.p/3").body, hashes.substr(0, 96));
}

TEST_F(HttpServerTest, tiles_that_are_not_there_are_not_cached) {
  grow_log(10);
  for (std::string_view path :
       {"/log/tile/0/001", "/log/tile/0/000", "/log/tile/0/000.p/255", "/log/tile/0/000.p/0",
        "/log/tile/0/0", "/log/tile/00/000", "/log/tile/63/000", "/log/tile/64/000",
        "/log/tile/0/x999/999", "/log/tile/0/000.p/256", "/log/tile/entries/000",
        "/log/tile/0/000.p/3?x=1", "/log/tile/0/x999/x999/x999/x999/x999/x999/999"}) {
    HttpClient::Reply tile = get(path);
    EXPECT_EQ(tile.status, 404U) << path;
    EXPECT_EQ(tile.field("Cache-Control"), "no-store") << path;
    EXPECT_EQ(tile.error().substr(0, 15), "404 not_found: ") << path;
  }
}

TEST_F(HttpServerTest, a_subscription_gives_what_is_there_and_then_what_comes) {
  append(1, "order-1");
  append(2, "order-1");
  HttpClient listener(rig_.http->address());
  listener.send(HttpClient::request("GET", "/v1/subscribe?stream=order-1&position=1"));
  const std::string header = listener.read_until("\r\n\r\n");
  EXPECT_NE(header.find("Content-Type: text/event-stream\r\n"), std::string::npos) << header;
  EXPECT_EQ(listener.read_until("\n\n").substr(0, 19), "id: 1\nevent: event\n");
  append(3, "order-1");
  EXPECT_EQ(listener.read_until("\n\n").substr(0, 19), "id: 2\nevent: event\n");

  // What a browser does when it comes back.
  HttpClient again(rig_.http->address());
  again.send(
      HttpClient::request("GET", "/v1/subscribe?stream=order-1", {}, "Last-Event-ID: 1\r\n"));
  again.read_until("\r\n\r\n");
  EXPECT_EQ(again.read_until("\n\n").substr(0, 6), "id: 2\n");

  rig_.http->stop(io::seconds(2));
  EXPECT_TRUE(listener.is_closed());
}

TEST_F(HttpServerTest, the_feed_gives_the_header_of_every_record) {
  append(1, "order-1");
  HttpClient listener(rig_.http->address());
  listener.send(HttpClient::request("GET", "/v1/feed?position=0"));
  listener.read_until("\r\n\r\n");
  EXPECT_EQ(listener.read_until("\n\n").substr(0, 20), "id: 0\nevent: record\n");
  EXPECT_EQ(listener.read_until("\n\n").substr(0, 20), "id: 1\nevent: record\n");
}

TEST_F(HttpServerTest, a_head_request_tells_the_length_and_sends_no_body) {
  HttpClient::Reply head = client_->call("HEAD", "/health");
  EXPECT_EQ(head.status, 200U);
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(head.field("Content-Length"), std::to_string(get("/health").body.size()));
}

TEST_F(HttpServerTest, a_local_read_says_how_old_it_can_be) {
  post("/v1/accounts", two_accounts);
  const auto read = [&](std::string_view wish) {
    return client_->call("GET", "/v1/accounts/1", {},
                         "Meridian-Read: " + std::string(wish) + "\r\n");
  };
  for (std::string_view wish : {"local", "local max-staleness-ms=100"}) {
    const std::string position = read(wish).field("Meridian-Position");
    EXPECT_TRUE(position.starts_with("records=")) << position;
    EXPECT_NE(position.find(" staleness-ms="), std::string::npos) << position;
  }
  EXPECT_EQ(get("/v1/accounts/1").field("Meridian-Position"), "");
  EXPECT_EQ(read("lokal").error(),
            "400 invalid_argument: meridian-read: expected `local`, or `local max-staleness-ms=N` "
            "with N of 0 to 3600000");
}

TEST_F(HttpServerTest, a_deadline_that_passes_first_leaves_the_outcome_unknown_and_askable) {
  post("/v1/accounts", two_accounts);
  // Hold the log up, so that nothing is answered until it is let go.
  std::mutex gate;
  gate.lock();
  rig_.log->post([&] { std::lock_guard wait(gate); });
  constexpr std::string_view fields =
      "Content-Type: application/json\r\nMeridian-Timeout-Ms: 200\r\n";
  HttpClient::Reply late = client_->call("POST", "/v1/transfers", one_transfer, fields);
  gate.unlock();
  rig_.log->drain();  // the gate is not left before it
  EXPECT_EQ(late.error(),
            "504 deadline_exceeded: the outcome is unknown: ask GET /v1/outcomes with the same id, "
            "or send it again");
  append(1, "order-1");  // what was submitted before is applied before
  json outcome = get("/v1/outcomes?transfer=100").json();
  EXPECT_EQ(outcome["known"], true);
  EXPECT_EQ(outcome["result"]["name"], "created");
  EXPECT_EQ(get("/v1/accounts/1").json()["debits_posted"], "250");
  // Sending it again is the other way to know, and it happens once.
  EXPECT_EQ(written("/v1/transfers", one_transfer)["name"], "exists");
  EXPECT_EQ(get("/v1/accounts/1").json()["debits_posted"], "250");
}

}  // namespace
}  // namespace meridian::api
