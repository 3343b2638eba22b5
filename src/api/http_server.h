// The HTTP server: sockets, limits and timeouts around a handler (http_handler.h).
//
// A resource: serves from start() to stop(), in one thread of its own. HTTP/1.1 with keep-alive.
// Requests whose Host is not a loopback name are refused, or a web page anywhere could have its
// visitor's browser read this ledger (DNS rebinding); JSON bodies only, for the same reason.
//
// With credentials it speaks TLS 1.3 only, to callers whose certificate is good
// (mesh/tls_context.h): it is judged in the handshake, at each request, and every second while the
// connection is open.
#pragma once

#include <cstdint>
#include <memory>

#include "api/backend.h"
#include "api/http_handler.h"
#include "api/listen_address.h"
#include "base/result.h"
#include "io/clock.h"
#include "mesh/credentials.h"

namespace meridian::api {

struct HttpOptions {
  bool check_host = true;  ///< In the clear.
  /// What this process shows, and judges callers by. Null: in the clear. Outlives the server.
  const mesh::Credentials* credentials = nullptr;
  io::Duration handshake_timeout = io::seconds(5);
  io::Duration request_timeout = io::seconds(30);    ///< Unless Meridian-Timeout-Ms says otherwise.
  io::Duration client_timeout = io::seconds(30);     ///< To send a request, or to take a reply.
  io::Duration keep_alive_period = io::seconds(15);  ///< Of comments in server-sent events.
  std::size_t connections_max = 1'024;
  /// 8,190 transfers in JSON fit.
  std::uint64_t body_bytes_max = 4 << 20;
};

class HttpServer {
 public:
  static constexpr std::uint32_t header_bytes_max = 16 << 10;
  static constexpr std::uint64_t timeout_ms_max = 600'000;

  /// What is served, and what it counts; the references outlive the server.
  struct Parts {
    std::unique_ptr<HttpHandler> handler;
    LiveCalls& live;
    CallCounts& calls;
  };
  /// Errors: unavailable if the address cannot be bound.
  static Result<std::unique_ptr<HttpServer>> start(Parts parts, const ListenAddress& address,
                                                   const HttpOptions& options = {});
  /// The interface of a ledger (http_api.h); with the credentials of backend.callers.
  static Result<std::unique_ptr<HttpServer>> start(Backend& backend, const ListenAddress& address,
                                                   const HttpOptions& options = {});
  virtual ~HttpServer() = default;  ///< Stops, too.

  /// Where it listens, with the port that was picked.
  virtual const ListenAddress& address() const = 0;
  /// Takes no more connections, ends event streams, lets requests under way finish for up to
  /// `patience`, then cuts them off.
  virtual void stop(io::Duration patience) = 0;
};

}  // namespace meridian::api
