// A client that speaks HTTP over TLS and shows any certificate. For tests only.
#pragma once

#include <openssl/ssl.h>

#include <utility>  // Boost 1.74 forgets it

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "api/internal/mesh_rig.h"
#include "api/listen_address.h"

namespace meridian::api {

/// A client that shows any certificate and waits a bounded time for what comes back.
class TlsClient {
 public:
  TlsClient(const ListenAddress& to, const MeshRig::Shown* shown, int tls_version = TLS1_3_VERSION,
            std::string_view protocol = "\x08http/1.1") {
    SSL_CTX_set_max_proto_version(tls_.native_handle(), tls_version);
    SSL_CTX_set_alpn_protos(tls_.native_handle(),
                            reinterpret_cast<const unsigned char*>(protocol.data()),
                            static_cast<unsigned>(protocol.size()));
    if (shown != nullptr) {
      SSL_CTX_use_certificate(tls_.native_handle(), shown->certificate.handle());
      SSL_CTX_use_PrivateKey(tls_.native_handle(), shown->key.handle());
    }
    stream_.emplace(context_, tls_);
    stream_->next_layer().connect({boost::asio::ip::make_address(to.ip), to.port}, error_);
    if (error_) return;
    stream_->async_handshake(boost::asio::ssl::stream_base::client,
                             [this](boost::system::error_code error) { error_ = error; });
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
    return ask("GET " + target + " HTTP/1.1\r\nHost: eu-west.bank.example\r\n\r\n");
  }
  std::string ask(const std::string& request) {
    if (error_) return error_.message();
    boost::asio::async_write(
        *stream_, boost::asio::buffer(request),
        [this](boost::system::error_code error, std::size_t) { error_ = error; });
    run();
    return read();
  }
  std::string post(const std::string& target, const std::string& json) {
    return ask("POST " + target + " HTTP/1.1\r\nHost: eu-west.bank.example\r\nContent-Type: " +
               "application/json\r\nContent-Length: " + std::to_string(json.size()) + "\r\n\r\n" +
               json);
  }
  /// What comes next.
  std::string read() {
    if (error_) return error_.message();
    std::array<char, 16'384> room{};
    std::size_t size = 0;
    stream_->async_read_some(boost::asio::buffer(room),
                             [&](boost::system::error_code error, std::size_t count) {
                               error_ = error;
                               size = count;
                             });
    run();
    return size > 0 ? std::string(room.data(), size) : error_.message();
  }
  /// Whether the server closed the connection; waits for it.
  bool is_closed() {
    while (!error_) read();
    return error_ != boost::asio::error::operation_aborted;
  }
  void close() {
    boost::system::error_code ignored;
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

  boost::asio::io_context context_;
  boost::asio::ssl::context tls_{boost::asio::ssl::context::tls_client};
  std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket>> stream_;
  boost::system::error_code error_;
};

}  // namespace meridian::api
