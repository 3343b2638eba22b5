// The listening socket of a server, with Boost.Asio, and where who connects comes from.
#pragma once

#include <utility>  // Boost 1.74 forgets it

#include <boost/asio/ip/tcp.hpp>

#include <string>

#include "api/listen_address.h"
#include "base/result.h"

namespace meridian::api::internal {

/// Binds and listens; `address` then has the port that was picked. Errors: unavailable if the
/// address cannot be bound (in use, not of this machine).
Status listen_at(boost::asio::ip::tcp::acceptor& acceptor, ListenAddress& address);

/// What one household or attacker has at least: an IPv4 address, or the /64 of an IPv6 address.
std::string origin_of(const boost::asio::ip::address& address);

}  // namespace meridian::api::internal
