// The gRPC server: the services of meridian.v1, grpc.health.v1.Health and server reflection.
//
// A resource: serves from start() to stop(). gRPC owns its threads. With Backend::callers it speaks
// TLS 1.3 only and every call, health and reflection too, is by a caller whose certificate is good
// then; others get UNAUTHENTICATED with the reason, and what they keep open ends with it. Without
// it listens on loopback only (listen_address.h). Limits are named here; deadlines are the
// caller's.
#pragma once

#include <cstdint>
#include <memory>

#include "api/backend.h"
#include "api/listen_address.h"
#include "base/result.h"
#include "io/clock.h"

namespace meridian::api {

class GrpcServer {
 public:
  /// A request of 1 MiB of packed commands, or of 8,190 typed ones, fits.
  static constexpr int receive_bytes_max = 2 << 20;
  static constexpr int metadata_bytes_max = 16 << 10;
  static constexpr int streams_per_connection_max = 4'096;
  static constexpr std::size_t memory_bytes_max = 512 << 20;

  static constexpr io::Duration handshake_timeout = io::seconds(5);
  /// Then a client is asked to make another connection, so that it sees our certificate of now.
  /// What is open on the old one goes on.
  static constexpr io::Duration connection_age_max = io::seconds(15 * 60);
  /// How often callers of what stays open are asked about.
  static constexpr io::Duration review_period = io::seconds(1);

  /// Errors: unavailable if the address cannot be bound (in use, not of this machine);
  /// failed_precondition if backend.callers is set and this process has no certificate, or did not
  /// begin with require_tls13() (tls13.h).
  static Result<std::unique_ptr<GrpcServer>> start(Backend& backend, const ListenAddress& address);
  virtual ~GrpcServer() = default;  ///< Stops, too.

  /// Where it listens, with the port that was picked.
  virtual const ListenAddress& address() const = 0;
  /// Says "not serving" to health checks, ends subscriptions, lets calls under way finish for up
  /// to `patience`, then cuts them off. The outcome of what is cut off is unknown to its caller.
  virtual void stop(io::Duration patience) = 0;
};

}  // namespace meridian::api
