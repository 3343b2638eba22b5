// HTTP over mutual TLS, by real handshakes.
#include <gtest/gtest.h>

#include <atomic>

#include "api/handshake_pace.h"
#include "api/internal/api_rig.h"
#include "api/internal/mesh_rig.h"
#include "api/internal/tls_client_rig.h"
#include "io/executor.h"

// (below: <utility> before Boost)
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

namespace meridian::api {
namespace {

namespace net = boost::asio;
using boost::system::error_code;

class HttpTlsTest : public ::testing::Test {
 protected:
  HttpTlsTest() : HttpTlsTest({.handshake_timeout = io::milliseconds(500)}) {}
  explicit HttpTlsTest(const HttpOptions& options) {
    rig_.backend->callers = &callers_;
    rig_.backend->access.replace(MeshRig::everything());
    rig_.start_http(options);
  }
  std::string get(const MeshRig::Shown* shown, const std::string& target = "/health") const {
    return TlsClient(rig_.http->address(), shown).get(target);
  }

  MeshRig mesh_;
  std::unique_ptr<mesh::Credentials> server_ = mesh_.holder_of(mesh_.issue(rig_node));
  MeshRig::Shown client_ = mesh_.issue("/service/payments");
  Callers callers_{*server_};
  ApiRig rig_;
};

TEST_F(HttpTlsTest, who_shows_a_good_certificate_is_served_whatever_the_path) {
  TlsClient client(rig_.http->address(), &client_);
  EXPECT_EQ(client.protocol(), "http/1.1");
  EXPECT_TRUE(client.get("/health").starts_with("HTTP/1.1 200 ")) << client.read();
  EXPECT_TRUE(get(&client_, "/metrics").starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpTlsTest, every_other_certificate_and_plaintext_get_no_answer) {
  const MeshRig::Shown foreign = mesh_.issue_foreign("/service/payments");
  const MeshRig::Shown witness = mesh_.issue("/witness/w1");
  const MeshRig::Shown brief = mesh_.issue("/service/payments", 60);
  MeshRig other;
  const MeshRig::Shown pretender = other.issue("/service/payments");
  mesh_.clock.advance(io::seconds(120));
  mesh_.deny(*server_, "/service/thief");
  const MeshRig::Shown thief = mesh_.issue("/service/thief");
  for (const MeshRig::Shown* shown : std::initializer_list<const MeshRig::Shown*>{
           nullptr, &foreign, &witness, &brief, &pretender, &thief}) {
    const std::string got = get(shown, "/metrics");
    EXPECT_NE(got.find("alert"), std::string::npos) << got;
  }
  net::io_context context;
  net::ip::tcp::socket plain(context);
  const ListenAddress& to = rig_.http->address();
  plain.connect({net::ip::make_address(to.ip), to.port});
  net::write(plain, net::buffer(std::string_view("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")));
  std::array<char, 100> room{};
  error_code error;
  const std::size_t size = plain.read_some(net::buffer(room), error);
  EXPECT_FALSE(std::string_view(room.data(), size).starts_with("HTTP"));
  EXPECT_TRUE(get(&client_).starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpTlsTest, older_tls_and_other_protocols_are_not_spoken) {
  EXPECT_NE(TlsClient(rig_.http->address(), &client_, TLS1_2_VERSION).get("/health").find("alert"),
            std::string::npos);
  const std::string got =
      TlsClient(rig_.http->address(), &client_, TLS1_3_VERSION, "\x02h2").get("/health");
  EXPECT_NE(got.find("no application protocol"), std::string::npos) << got;
}

TEST_F(HttpTlsTest, an_open_connection_is_closed_within_seconds_when_its_caller_is_denied) {
  TlsClient idle(rig_.http->address(), &client_);
  TlsClient events(rig_.http->address(), &client_);
  EXPECT_TRUE(idle.get("/health").starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(events.get("/v1/subscribe").starts_with("HTTP/1.1 200 "));
  const io::MonotonicTime begin = rig_.clock->monotonic();
  mesh_.deny(*server_, "/service/payments");
  EXPECT_TRUE(idle.is_closed());
  EXPECT_TRUE(events.is_closed());
  EXPECT_LT(rig_.clock->monotonic() - begin, io::seconds(5));
}

TEST_F(HttpTlsTest, a_request_on_an_open_connection_whose_certificate_ended_is_refused) {
  TlsClient client(rig_.http->address(), &client_);
  EXPECT_TRUE(client.get("/health").starts_with("HTTP/1.1 200 "));
  mesh_.clock.advance(io::seconds(3601));
  const std::string got = client.get("/health");
  // The review of each second may have come first.
  EXPECT_TRUE(got.starts_with("HTTP/1.1 401 ") || client.is_closed()) << got;
}

class HttpCrowdTest : public HttpTlsTest {
 protected:
  HttpCrowdTest() : HttpTlsTest({.handshake_timeout = io::seconds(60), .connections_max = 4}) {}
};

TEST_F(HttpCrowdTest, silent_strangers_keep_nobody_out) {
  net::io_context context;
  std::vector<net::ip::tcp::socket> silent;
  const ListenAddress& to = rig_.http->address();
  const auto come = [&] {
    silent.emplace_back(context).connect({net::ip::make_address(to.ip), to.port});
  };
  TlsClient first(to, &client_);
  EXPECT_TRUE(first.get("/health").starts_with("HTTP/1.1 200 "));
  for (int i = 0; i < 10; ++i) come();
  TlsClient second(to, &client_);
  EXPECT_TRUE(second.get("/health").starts_with("HTTP/1.1 200 "));
  for (int i = 0; i < 10; ++i) come();
  EXPECT_TRUE(second.get("/health").starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(first.get("/health").starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpCrowdTest, known_callers_are_not_put_out_by_strangers_nor_by_each_other) {
  std::vector<std::unique_ptr<TlsClient>> known;
  for (int i = 0; i < 4; ++i) {
    known.push_back(std::make_unique<TlsClient>(rig_.http->address(), &client_));
    EXPECT_TRUE(known.back()->get("/health").starts_with("HTTP/1.1 200 "));
  }
  EXPECT_FALSE(get(&client_).starts_with("HTTP/1.1 200 "));
  for (const auto& one : known) EXPECT_TRUE(one->get("/health").starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpTlsTest, strangers_that_come_too_often_are_turned_away_and_the_known_are_not) {
  const auto turned_away = [this] {
    return rig_.metrics.text().find(R"({interface="http",reason="too_often"} 0)") ==
           std::string::npos;
  };
  for (int i = 0; i < HandshakePace::at_once + 20; ++i)
    ASSERT_TRUE(get(&client_).starts_with("HTTP/1.1 200 ")) << i;
  EXPECT_FALSE(turned_away());
  int strangers = 0;
  while (strangers < 20 * HandshakePace::at_once && !turned_away()) {
    get(nullptr);
    ++strangers;
  }
  EXPECT_GE(strangers, HandshakePace::at_once);
  EXPECT_TRUE(turned_away());
}

TEST_F(HttpTlsTest, a_hello_that_comes_by_the_byte_is_heard_when_it_is_whole) {
  net::io_context context;
  net::ip::tcp::socket slow(context);
  const ListenAddress& to = rig_.http->address();
  slow.connect({net::ip::make_address(to.ip), to.port});
  // A record of four bytes, which is no hello: an alert says so, once it is whole.
  for (const char byte : std::string("\x16\x03\x01\x00\x04\x7f\x00\x00", 8)) {
    net::write(slow, net::buffer(&byte, 1));
  }
  EXPECT_EQ(slow.available(), 0U);
  net::write(slow, net::buffer("\x00", 1));
  std::array<char, 7> alert{};
  net::read(slow, net::buffer(alert));
  EXPECT_EQ(alert[0], 21);
}

TEST_F(HttpTlsTest, hundred_renewals_under_load_fail_no_request) {
  const std::unique_ptr<io::Executor> renewing = io::os_executor("renewing");
  std::atomic<int> renewals = 0;
  std::function<void()> renew = [&] {
    MeshRig::renew(*server_, mesh_.issue(rig_node));
    if (++renewals < 100) renewing->post_after(io::milliseconds(20), renew);
  };
  renewing->post(renew);
  TlsClient kept(rig_.http->address(), &client_);
  while (renewals < 100) {
    ASSERT_TRUE(get(&client_).starts_with("HTTP/1.1 200 "));
    ASSERT_TRUE(kept.get("/health").starts_with("HTTP/1.1 200 "));
  }
  renewing->drain();
  EXPECT_TRUE(TlsClient(rig_.http->address(), &client_).is_shown(server_->own()->chain[0]));
}

TEST_F(HttpTlsTest, who_connects_and_says_nothing_is_cut_off) {
  net::io_context context;
  net::ip::tcp::socket socket(context);
  const ListenAddress& to = rig_.http->address();
  socket.connect({net::ip::make_address(to.ip), to.port});
  char byte = 0;
  error_code error;
  socket.async_read_some(net::buffer(&byte, 1), [&](error_code failed, auto) { error = failed; });
  context.run_for(std::chrono::seconds(10));
  EXPECT_TRUE(context.stopped() && error);
}

}  // namespace
}  // namespace meridian::api
