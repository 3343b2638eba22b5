// One HTTP connection: requests in, replies and event streams out.
//
// Shared by the connections of one server and its acceptor, all in the context's one thread.
#pragma once

#include <utility>  // Boost 1.74 forgets it

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "api/http_server.h"
#include "api/strangers.h"
#include "mesh/tls_context.h"

namespace meridian::api::internal {

class HttpSession;

struct HttpShared {
  HttpShared(HttpServer::Parts the_parts, const HttpOptions& the_options)
      : parts(std::move(the_parts)), options(the_options) {
    if (options.credentials == nullptr) return;
    tls.emplace(*options.credentials, wanted_caller());
  }

  const HttpServer::Parts parts;
  const HttpOptions options;
  std::optional<mesh::TlsContexts> tls;  ///< None: in the clear.
  boost::asio::io_context context{1};
  // The rest belongs to the context's thread.
  std::unordered_set<HttpSession*> sessions;
  // Of those, whose handshake goes on, or did not begin yet.
  Strangers strangers;
  const std::unique_ptr<io::Clock> clock = io::os_clock();
  std::unordered_map<Strangers::Id, HttpSession*> in_handshake;
  Strangers::Id next_stranger = 1;
  bool stopping = false;
};

/// Lives while its peer, a reply or a timer does; stands in `sessions` as long.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  static void begin(std::shared_ptr<HttpShared> shared, boost::asio::ip::tcp::socket socket);
  /// Tells one connection too many that it is, without reading what it asks, and closes it.
  static void refuse(HttpShared& shared, boost::asio::ip::tcp::socket socket);
  virtual ~HttpSession() = default;

  /// Closes it if it waits for a request; else it closes after its reply.
  virtual void close_if_idle() = 0;
  /// Closes it whatever it does; a reply that comes later is dropped.
  virtual void abandon() = 0;
  /// Closes it if its caller's certificate is good no more.
  virtual void review() = 0;
};

inline std::chrono::nanoseconds ns(io::Duration duration) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(duration));
}

}  // namespace meridian::api::internal
