// Callers that are wrong, slow, many or malicious: each gets a precise status and a message that
// names what was wrong, and nobody else notices.
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <vector>

#include "api/http_server.h"
#include "api/internal/api_rig.h"
#include "api/internal/http_client_rig.h"

namespace meridian::api {
namespace {

class HttpHostileTest : public ::testing::Test {
 protected:
  void start(const HttpOptions& options = {}) { rig_.start_http(options); }
  std::unique_ptr<HttpClient> connect() {
    return std::make_unique<HttpClient>(rig_.http->address());
  }
  /// What a connection of its own is told.
  std::string error_of(std::string_view method, std::string_view target, std::string_view body = {},
                       std::string_view fields = {}) {
    return connect()->call(method, target, body, fields).error();
  }
  std::string error_of_post(std::string_view target, std::string_view body) {
    return connect()->post(target, body).error();
  }
  /// What is told to bytes that need not be HTTP, and that the connection ends with it.
  std::string error_of_raw(std::string_view bytes) {
    auto client = connect();
    client->send(bytes);
    std::string error = client->receive().error();
    EXPECT_TRUE(client->is_closed());
    return error;
  }
  void expect_serving() { EXPECT_EQ(connect()->get("/health").status, 200U); }

  ApiRig rig_;
};

TEST_F(HttpHostileTest, bodies_that_are_wrong_are_refused_by_name) {
  start();
  EXPECT_EQ(error_of_post("/v1/transfers", "{"), "400 invalid_argument: body: no JSON at byte 2");
  EXPECT_EQ(error_of_post("/v1/transfers", R"({"transfers":[{"id":"1","amount":1e999}]})"),
            "400 invalid_argument: body: a number is beyond what a double holds; send it as a "
            "string");
  EXPECT_EQ(error_of_post("/v1/transfers", R"({"transfers":[{"id":"1","amont":"5"}]})"),
            "400 invalid_argument: transfers[0].amont: there is no such member here; see "
            "docs/api.md");
  EXPECT_EQ(error_of_post("/v1/subjects/forget", R"({"subject":""})"),
            "400 invalid_argument: subject: missing, name the person it is about");
  EXPECT_EQ(error_of_post("/v1/subjects/erasures", "{}"),
            "400 invalid_argument: subject: missing, name the person it is about, or a retention "
            "class");
  EXPECT_EQ(error_of_post("/v1/subjects/erasures", R"({"retention":254})"),
            "400 invalid_argument: retention: 254 is above 253");
  EXPECT_EQ(error_of_post("/v1/subjects/erasures", R"({"subject":"ann","retention":3})"),
            "400 invalid_argument: retention: beside a subject: ask for the one or the other");
  EXPECT_EQ(error_of_post("/v1/accounts", std::string(1'000'000, '[')),
            "400 invalid_argument: body: nests deeper than 64 levels");
  EXPECT_EQ(error_of_post("/v1/accounts", "\"\xff\xfe\""),
            "400 invalid_argument: body: no JSON at byte 2");
  EXPECT_EQ(error_of_post("/v1/accounts", ""), "400 invalid_argument: body: no JSON at byte 1");
  expect_serving();
}

TEST_F(HttpHostileTest, targets_methods_and_parameters_that_are_wrong_are_refused_by_name) {
  start();
  EXPECT_EQ(error_of("GET", "/v2/accounts"),
            "404 not_found: there is no such path; see docs/api.md");
  EXPECT_EQ(error_of("GET", "/v1/accounts/x"),
            "400 invalid_argument: account id: not a decimal number from 0 to 2^128-1");
  EXPECT_EQ(
      error_of("GET", "/v1/accounts?limt=5"),
      "400 invalid_argument: parameter limt: there is no such parameter here; see docs/api.md");
  EXPECT_EQ(error_of("GET", "/v1/transfers?limit=9000"),
            "400 invalid_argument: parameter limit: 9000 is above 8190");
  EXPECT_EQ(error_of("GET", "/v1/events?position=1&position=2"),
            "400 invalid_argument: parameter position: given twice");
  EXPECT_EQ(error_of("GET", "/v1/events?from_end"),
            "400 invalid_argument: parameter from_end: needs backwards; nothing comes after the "
            "end");
  EXPECT_EQ(error_of("GET", "/v1/streams/%zz"),
            "400 invalid_argument: target: a '%' without two hexadecimal digits after it");
  EXPECT_EQ(error_of("GET", "/v1//accounts"),
            "400 invalid_argument: target: an empty path segment");
  EXPECT_EQ(error_of("GET", "/" + std::string(5'000, 'a')),
            "400 invalid_argument: target: 5001 bytes, at most 4096 are allowed");
  EXPECT_EQ(error_of("GET", "/v1/outcomes"),
            "400 invalid_argument: give exactly one of the parameters transfer, event, account");
  EXPECT_EQ(error_of("GET", "/v1/subscribe?stream=a&category=b"),
            "400 invalid_argument: parameter category: contradicts stream; give one of them");
  HttpClient::Reply reply = connect()->call("DELETE", "/v1/accounts");
  EXPECT_EQ(reply.error(), "405 invalid_argument: this path answers POST, GET, HEAD only");
  EXPECT_EQ(reply.field("Allow"), "POST, GET, HEAD");
  EXPECT_EQ(error_of("GET", "/v1/settle"), "405 invalid_argument: this path answers POST only");
}

TEST_F(HttpHostileTest, header_fields_that_are_wrong_are_refused_by_name) {
  start();
  const std::string type =
      "415 invalid_argument: send the body with Content-Type: application/json";
  EXPECT_EQ(error_of("POST", "/v1/accounts", "{}", "Content-Type: text/plain\r\n"), type);
  EXPECT_EQ(error_of("POST", "/v1/accounts", "{}"), type);
  EXPECT_EQ(error_of("POST", "/v1/accounts", "{}", "Content-Type: application/jsonp\r\n"), type);
  EXPECT_EQ(
      error_of("POST", "/v1/accounts", "{}", "Content-Type: Application/JSON ; charset=utf-8\r\n"),
      "400 invalid_argument: accounts: expected a list that is not empty");
  for (std::string_view timeout : {"0", "-1", "600001", "soon", "99999999999999999999999999"}) {
    EXPECT_EQ(
        error_of("GET", "/v1/status", {}, "Meridian-Timeout-Ms: " + std::string(timeout) + "\r\n"),
        "400 invalid_argument: Meridian-Timeout-Ms: expected 1 to 600000");
  }
  EXPECT_EQ(error_of("GET", "/v1/feed", {}, "Last-Event-ID: 18446744073709551615\r\n"),
            "400 invalid_argument: parameter Last-Event-ID: not a position that this server sent");
  for (std::string_view host : {"example.org", "10.0.0.1:7480", "localhost.example.org", "[::1",
                                "127.0.0.1.example.org", ""}) {
    auto client = connect();
    client->send("GET /v1/status HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
    EXPECT_EQ(client->receive().error(),
              "421 permission_denied: the Host header must name this machine: localhost, 127.0.0.1 "
              "or [::1]")
        << host;
  }
}

TEST_F(HttpHostileTest, what_is_too_large_is_refused_while_it_is_still_being_sent) {
  start();
  const std::string large(HttpOptions{}.body_bytes_max + 1, ' ');
  EXPECT_EQ(error_of_post("/v1/transfers", large),
            "413 invalid_argument: the body is above 4194304 bytes; send it in parts");
  auto chunked = connect();
  chunked->send(
      "POST /v1/transfers HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 5; ++i) {
    if (!chunked->send("100000\r\n" + std::string(1 << 20, ' ') + "\r\n")) break;
  }
  EXPECT_EQ(chunked->receive().error(),
            "413 invalid_argument: the body is above 4194304 bytes; send it in parts");
  std::string flood = "GET /health HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 2'000; ++i) flood += "X-" + std::to_string(i) + ": flood\r\n";
  EXPECT_EQ(error_of_raw(flood + "\r\n"), "431 invalid_argument: the header is above 16384 bytes");
  expect_serving();
}

TEST_F(HttpHostileTest, what_is_no_http_is_refused_and_ends_the_connection) {
  start();
  for (std::string_view bytes :
       {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n", "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n", "GET /health HTTP/1.1\r\nHost localhost\r\n\r\n",
        "POST /v1/settle HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /v1/settle HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "POST /v1/settle HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "POST /v1/settle HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    EXPECT_EQ(error_of_raw(bytes).substr(0, 40), "400 invalid_argument: malformed request:")
        << bytes;
  }
  expect_serving();
}

TEST_F(HttpHostileTest, a_request_that_is_never_finished_is_answered_and_ended) {
  start({.client_timeout = io::milliseconds(300)});
  const std::string late =
      "408 invalid_argument: the request was not complete in time; nothing was done";
  EXPECT_EQ(error_of_raw("GET /health HTTP/1.1\r\nHost: loc"), late);
  EXPECT_EQ(error_of_raw("POST /v1/transfers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
                         "Content-Type: application/json\r\n\r\n{\"transf"),
            late);
  // One that says nothing at all is owed nothing; one that asked before neither.
  EXPECT_TRUE(connect()->is_closed());
  auto kept = connect();
  EXPECT_EQ(kept->get("/health").status, 200U);
  EXPECT_TRUE(kept->is_closed());
  expect_serving();
}

TEST_F(HttpHostileTest, connections_are_bounded_and_one_too_many_is_told_so) {
  start({.connections_max = 8});
  std::vector<std::unique_ptr<HttpClient>> open;
  for (int i = 0; i < 8; ++i) {
    open.push_back(connect());
    ASSERT_EQ(open.back()->get("/health").status, 200U);
  }
  auto refused = connect();
  EXPECT_EQ(refused->receive().error(),
            "429 resource_exhausted: 8 connections are open, which is the limit; end one first");
  EXPECT_TRUE(refused->is_closed());
  EXPECT_EQ(open[0]->get("/health").status, 200U);  // those that are in notice nothing
  open.clear();
  unsigned status = 0;  // the server notices a moment later that they are gone
  for (int i = 0; i < 1'000 && status != 200; ++i) status = connect()->get("/health").status;
  EXPECT_EQ(status, 200U);
}

TEST_F(HttpHostileTest, pipelined_requests_are_answered_one_by_one_in_order) {
  start();
  auto client = connect();
  std::string all;
  for (int i = 0; i < 200; ++i)
    all += HttpClient::request("GET", "/v1/accounts/" + std::to_string(i));
  all += HttpClient::request("POST", "/v1/settle", "{}", "Content-Type: application/json\r\n");
  all += HttpClient::request("GET", "/v1/nothing");
  ASSERT_TRUE(client->send(all + "garbage\r\n\r\n"));
  for (int i = 0; i < 200; ++i) ASSERT_EQ(client->receive().status, 404U) << i;
  EXPECT_EQ(client->receive().body, "{}\n");
  EXPECT_EQ(client->receive().error(), "404 not_found: there is no such path; see docs/api.md");
  EXPECT_EQ(client->receive().status, 400U);
  EXPECT_TRUE(client->is_closed());
}

TEST_F(HttpHostileTest, a_request_cut_off_in_the_middle_costs_nobody_anything) {
  start();
  for (int i = 0; i < 100; ++i) {
    auto client = connect();
    client->send("POST /v1/transfers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  }
  expect_serving();
}

TEST_F(HttpHostileTest, a_question_that_takes_too_long_is_not_called_unknown) {
  start();
  // Hold apply up, so that nothing is answered until it is let go.
  std::mutex gate;
  gate.lock();
  rig_.apply->post([&] { std::lock_guard wait(gate); });
  constexpr std::string_view fields =
      "Content-Type: application/json\r\nMeridian-Timeout-Ms: 100\r\n";
  const std::string late =
      "504 deadline_exceeded: the deadline passed before the answer was ready; ask again with more "
      "time";
  EXPECT_EQ(error_of("POST", "/v1/accounts/lookup", R"({"ids":["1"]})", fields), late);
  EXPECT_EQ(error_of("GET", "/v1/accounts", {}, fields), late);
  gate.unlock();
  rig_.apply->drain();  // the gate is not left before it
}

}  // namespace
}  // namespace meridian::api
