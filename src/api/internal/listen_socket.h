// The listening socket of a server, with Boost.Asio.
#pragma once

#include <utility>  // Boost 1.74 forgets it

#include <boost/asio/ip/tcp.hpp>

#include "api/listen_address.h"
#include "base/result.h"

namespace meridian::api::internal {

/// Binds and listens; `address` then has the port that was picked. Errors: unavailable if the
/// address cannot be bound (in use, not of this machine).
Status listen_at(boost::asio::ip::tcp::acceptor& acceptor, ListenAddress& address);

}  // namespace meridian::api::internal
