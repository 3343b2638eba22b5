// That gRPC speaks TLS 1.3 and nothing older, in this process.
#pragma once

namespace meridian::api {

/// The first thing that main does: gRPC 1.51 takes the oldest version it speaks from nowhere, and
/// the cipher suites of TLS 1.2 from the environment, once. This names one that no handshake of TLS
/// 1.2 can use. Not thread-safe.
void require_tls13();

}  // namespace meridian::api
