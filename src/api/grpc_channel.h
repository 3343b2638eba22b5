// Channels to servers of the mesh, as clients of it make them: TLS 1.3 with our certificate of now,
// and the server's judged by our Credentials instead of by its address.
//
// A channel shows one certificate for its life: who makes it makes another when that was renewed
// (OwnIdentity::version). Calls on an older one go on; streams on it are opened again before its
// certificate ends.
// Thread-safe. The process begins with require_tls13() (tls13.h).
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "mesh/credentials.h"

namespace meridian::api {

/// `kinds` of ids that may answer: a node, or a gateway before nodes. `credentials` outlives every
/// channel made with it. A server that is refused looks unavailable, with the reason in its
/// message. Errors: failed_precondition without a certificate of one's own.
Result<std::shared_ptr<grpc::ChannelCredentials>> make_channel_credentials(
    const mesh::Credentials& credentials,
    std::vector<mesh::IdKind> kinds = {mesh::IdKind::node, mesh::IdKind::gateway});

/// To exactly `server`. Shows a certificate of one's own if there is one.
std::shared_ptr<grpc::ChannelCredentials> make_channel_credentials_to(
    const mesh::Credentials& credentials, mesh::SpiffeId server);

/// A channel to `address` with them. Without a certificate of one's own its calls fail.
std::shared_ptr<grpc::Channel> make_mesh_channel(const mesh::Credentials& credentials,
                                                 const std::string& address,
                                                 const grpc::ChannelArguments& arguments);

}  // namespace meridian::api
