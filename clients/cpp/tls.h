// Mutual TLS of the client: what it shows, and whom it takes for a server of the cell.
#pragma once

#include <grpcpp/security/credentials.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "meridian/client.h"

namespace meridian::client {

/// What is wrong with them, for people; nothing if they can be used.
std::optional<std::string> check_tls(const TlsOptions& tls);
/// In the clear without `tls`.
std::shared_ptr<grpc::ChannelCredentials> make_credentials(const std::optional<TlsOptions>& tls);

/// Whether `uri` is the SPIFFE id of a node or gateway of that trust domain.
bool is_server_of(std::string_view uri, std::string_view trust_domain);

}  // namespace meridian::client
