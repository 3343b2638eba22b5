// Takes the connections of a gRPC server, which itself would take all there are, until no file can
// be opened any more.
//
// It hands a connection over once the client said something whole (first_record.h), unless too many
// come from there (handshake_pace.h). gRPC does not say when a handshake is over, but ends those
// that take longer than its timeout: a connection counts as a stranger's for that long, or until a
// call by it whose caller is known (port_watch.h). Of too many strangers one goes (strangers.h).
// That gRPC closed a connection shows in its socket being another one, or none.
// A resource with a thread of its own.
#pragma once

#include <cstddef>
#include <memory>

#include "api/backend.h"
#include "api/listen_address.h"
#include "api/port_watch.h"
#include "base/result.h"
#include "io/clock.h"

namespace grpc {
class ServerBuilder;
class ServerCredentials;
}  // namespace grpc

namespace meridian::api::internal {

struct GrpcListenerLimits {
  io::Duration handshake_timeout;  ///< As the server has it.
  std::size_t strangers_max = 1'024;
  /// Or half of the files that the process may open, if that is less.
  std::size_t connections_max = 16'384;
};

class GrpcListener {
 public:
  /// Binds, and takes nobody yet. `watch` and `calls` outlive it. Errors: those of listen_at.
  static Result<std::unique_ptr<GrpcListener>> open(ListenAddress address,
                                                    const GrpcListenerLimits& limits,
                                                    PortWatch& watch, CallCounts& calls);
  virtual ~GrpcListener() = default;  ///< Stops, too.

  /// With the port that was picked.
  virtual const ListenAddress& address() const = 0;
  /// Before the server is built.
  virtual void add_to(grpc::ServerBuilder& builder,
                      std::shared_ptr<grpc::ServerCredentials> credentials) = 0;
  virtual void start() = 0;  ///< Once the server runs.
  /// Takes no more connections; those there are stay. Before the server is shut down.
  virtual void stop() = 0;
};

}  // namespace meridian::api::internal
