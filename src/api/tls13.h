// What a process settles about gRPC before it uses it: that it speaks TLS 1.3 and nothing older,
// and what it tells the operator.
#pragma once

namespace meridian::api {

/// The first thing that main does: gRPC 1.51 takes the oldest version it speaks from nowhere, and
/// the cipher suites of TLS 1.2 from the environment, once. This names one that no handshake of TLS
/// 1.2 can use. Not thread-safe.
void require_tls13();

/// gRPC's errors go to stderr, without the one it has at every handshake: that a certificate names
/// no host, which in a mesh none does. Not thread-safe.
void quiet_grpc_log();

}  // namespace meridian::api
