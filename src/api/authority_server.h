// The gRPC server of a certificate authority (proto/meridian/v1/authority.proto).
//
// TLS 1.3 with the authority's own certificate; a caller's is judged at each call that needs one,
// by what the credentials hold then. Anybody can reach Join and SignIn: messages, calls under way
// of each kind, handshakes and memory are bounded, and joins have bounds of their own, so that a
// flood of them leaves renewals alone. What is beyond a bound gets RESOURCE_EXHAUSTED, and nothing
// was done. A resource: serves from start() to stop(). gRPC owns its threads; the desk is asked on
// one.
#pragma once

#include <cstddef>
#include <memory>

#include "api/authority_desk.h"
#include "api/backend.h"
#include "api/listen_address.h"
#include "base/result.h"
#include "io/clock.h"
#include "mesh/credentials.h"

namespace meridian::api {

class AuthorityServer {
 public:
  static constexpr int receive_bytes_max = 64 << 10;
  static constexpr int metadata_bytes_max = 8 << 10;
  static constexpr int streams_per_connection_max = 16;
  static constexpr std::size_t memory_bytes_max = 128 << 20;
  /// Under way; of Bundles and of sign-ins as many.
  static constexpr std::size_t joins_max = 16;
  static constexpr std::size_t renewals_max = 1'024;  ///< Under way.
  static constexpr std::size_t waiting_max = 16'384;  ///< Calls of Trust that wait.
  static constexpr io::Duration handshake_timeout = io::seconds(5);
  static constexpr io::Duration connection_idle_max = io::seconds(60);
  static constexpr io::Duration trust_patience = io::seconds(20);
  static constexpr io::Duration tick_period = io::milliseconds(200);

  struct Parts {
    AuthorityDesk desk;
    const mesh::Credentials& credentials;
    io::Clock& clock;
    CallCounts& calls;
  };
  /// The references outlive it. Errors: unavailable if the address cannot be bound;
  /// failed_precondition as GrpcServer::start.
  static Result<std::unique_ptr<AuthorityServer>> start(Parts parts, const ListenAddress& address);
  virtual ~AuthorityServer() = default;  ///< Stops, too.

  virtual const ListenAddress& address() const = 0;
  virtual void stop(io::Duration patience) = 0;
};

}  // namespace meridian::api
