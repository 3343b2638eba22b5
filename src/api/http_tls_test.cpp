// HTTP over mutual TLS, by real handshakes.
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <atomic>

#include "api/internal/api_rig.h"
#include "api/internal/mesh_rig.h"
#include "io/executor.h"

// (below: <utility> before Boost)
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

namespace meridian::api {
namespace {

namespace net = boost::asio;
using boost::system::error_code;

/// A client that shows any certificate and waits a bounded time for what comes back.
class TlsClient {
 public:
  TlsClient(const ListenAddress& to, const MeshRig::Shown* shown, int version = TLS1_3_VERSION,
            std::string_view protocol = "\x08http/1.1") {
    SSL_CTX_set_max_proto_version(tls_.native_handle(), version);
    SSL_CTX_set_alpn_protos(tls_.native_handle(),
                            reinterpret_cast<const unsigned char*>(protocol.data()),
                            static_cast<unsigned>(protocol.size()));
    if (shown != nullptr) {
      SSL_CTX_use_certificate(tls_.native_handle(), shown->certificate.handle());
      SSL_CTX_use_PrivateKey(tls_.native_handle(), shown->key.handle());
    }
    stream_.emplace(context_, tls_);
    stream_->next_layer().connect({net::ip::make_address(to.ip), to.port}, error_);
    if (error_) return;
    stream_->async_handshake(net::ssl::stream_base::client,
                             [this](error_code error) { error_ = error; });
    run();
  }

  std::string protocol() const {
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(const_cast<TlsClient*>(this)->stream_->native_handle(), &chosen, &size);
    return {reinterpret_cast<const char*>(chosen), size};
  }
  bool is_shown(const mesh::Certificate& certificate) const {
    const SSL* ssl = const_cast<TlsClient*>(this)->stream_->native_handle();
    return X509_cmp(SSL_get0_peer_certificate(ssl), certificate.handle()) == 0;
  }
  /// The first line and what follows of one answer, or why there was none.
  std::string get(const std::string& target) {
    if (error_) return error_.message();
    const std::string request = "GET " + target + " HTTP/1.1\r\nHost: eu-west.bank.example\r\n\r\n";
    net::async_write(*stream_, net::buffer(request),
                     [this](error_code error, std::size_t) { error_ = error; });
    run();
    return read();
  }
  /// What comes next.
  std::string read() {
    if (error_) return error_.message();
    std::array<char, 16'384> room{};
    std::size_t size = 0;
    stream_->async_read_some(net::buffer(room), [&](error_code error, std::size_t count) {
      error_ = error;
      size = count;
    });
    run();
    return size > 0 ? std::string(room.data(), size) : error_.message();
  }
  /// Whether the server closed the connection; waits for it.
  bool is_closed() {
    while (!error_) read();
    return error_ != net::error::operation_aborted;
  }
  void close() {
    error_code ignored;
    stream_->next_layer().close(ignored);
  }

 private:
  void run() {
    context_.restart();
    context_.run_for(std::chrono::seconds(20));
    if (context_.stopped()) return;
    stream_->next_layer().cancel();
    context_.run();
  }

  net::io_context context_;
  net::ssl::context tls_{net::ssl::context::tls_client};
  std::optional<net::ssl::stream<net::ip::tcp::socket>> stream_;
  error_code error_;
};

class HttpTlsTest : public ::testing::Test {
 protected:
  HttpTlsTest() {
    rig_.backend->callers = &callers_;
    rig_.start_http({.handshake_timeout = io::milliseconds(500)});
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
