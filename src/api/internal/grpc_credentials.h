// gRPC's side of mutual TLS: our certificate of now at each handshake, our judgement at each call
// (docs/decisions/0026).
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_context.h>

#include <memory>

#include "api/backend.h"

namespace meridian::api::internal {

/// `backend`, with its callers, outlives the server. At each call its policy is asked, too: about
/// the method. Errors: failed_precondition if this process has no certificate, or speaks older
/// versions of TLS (require_tls13()).
Result<std::shared_ptr<grpc::ServerCredentials>> make_grpc_credentials(Backend& backend);

/// The same, and callers may come without a certificate: nothing is judged, and who serves them
/// judges each call with judge_shown(). `credentials` outlives the server. Errors: the same.
Result<std::shared_ptr<grpc::ServerCredentials>> make_open_grpc_credentials(
    const mesh::Credentials& credentials);
/// Judges what the caller's connection showed. Cost: 200 us. Errors: permission_denied.
Result<mesh::PeerIdentity> judge_shown(const grpc::ServerContextBase& context,
                                       const mesh::Credentials& credentials,
                                       const mesh::WantedPeer& wanted);

/// Who makes this call, on a server of `backend`, which has callers (asserted); their connection is
/// no stranger's from then on. Cost: 1 us. Errors: permission_denied if the caller may not call any
/// more.
Result<CallerRef> caller_of(const grpc::ServerContextBase& context, Backend& backend);

}  // namespace meridian::api::internal
