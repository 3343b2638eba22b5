// Where a server listens: an IP address and a port, checked by parsing and never by resolving.
//
// In the clear the interfaces bind to loopback only; this is where that is decided. Pure values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace meridian::api {

struct ListenAddress {
  std::string ip;          ///< "127.0.0.1" or "::1", as the system writes it.
  std::uint16_t port = 0;  ///< 0: the system picks a free one.
  bool is_ipv6 = false;
  bool is_loopback = false;
  bool operator==(const ListenAddress&) const = default;
};

/// "127.0.0.1:7400", "[::1]:7400" or "localhost:7400" (which means 127.0.0.1, whatever the resolver
/// thinks). Errors: invalid_argument naming what is wrong.
Result<ListenAddress> parse_listen_address(std::string_view text);
/// The same text form: "127.0.0.1:7400", "[::1]:7400".
std::string format_listen_address(const ListenAddress& address);

/// Errors: permission_denied if others could reach a server whose identity --dev made.
Status check_may_listen(const ListenAddress& address, bool is_dev);

}  // namespace meridian::api
