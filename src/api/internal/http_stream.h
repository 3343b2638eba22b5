// The bytes of an HTTP connection, in the clear or in TLS, for Beast's algorithms: one code for
// both. Include it in one .cpp: these headers are heavy.
#pragma once

#include <openssl/ssl.h>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace meridian::api::internal {

class HttpStream {
 public:
  using executor_type = boost::beast::tcp_stream::executor_type;
  using Socket = boost::asio::ip::tcp::socket;

  explicit HttpStream(Socket socket) : tcp_(std::move(socket)) {}

  /// Goes on in TLS: `done(error, count)` when the client's certificate was judged.
  template <typename Done>
  void secure(const std::shared_ptr<SSL_CTX>& context, Done&& done) {
    SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
    SSL_CTX_up_ref(context.get());
    boost::asio::ssl::context owner(context.get());  // for the constructor only
    tls_.emplace(tcp_, owner);
    tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Done>(done));
  }
  const SSL& tls() { return *tls_->native_handle(); }

  executor_type get_executor() { return tcp_.get_executor(); }
  template <typename Buffers, typename Done>
  auto async_read_some(const Buffers& buffers, Done&& done) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Done>(done));
    return tcp_.async_read_some(buffers, std::forward<Done>(done));
  }
  template <typename Buffers, typename Done>
  auto async_write_some(const Buffers& buffers, Done&& done) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Done>(done));
    return tcp_.async_write_some(buffers, std::forward<Done>(done));
  }

  template <typename Time>
  void expires_after(Time time) {
    tcp_.expires_after(time);
  }
  void expires_never() { tcp_.expires_never(); }
  void cancel() { tcp_.cancel(); }
  Socket& socket() { return tcp_.socket(); }
  void close() { tcp_.close(); }

 private:
  /// ALPN (RFC 7301): HTTP/1.1 or nothing. Who offers nothing gets it, too.
  static int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                             const unsigned char* offered, unsigned offered_size, void*) {
    static constexpr std::string_view ours = "\x08http/1.1";
    auto* found = const_cast<unsigned char*>(*chosen);
    const int result =
        SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(ours.data()),
                              static_cast<unsigned>(ours.size()), offered, offered_size);
    *chosen = found;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  boost::beast::tcp_stream tcp_;
  std::optional<boost::asio::ssl::stream<boost::beast::tcp_stream&>> tls_;
};

}  // namespace meridian::api::internal
