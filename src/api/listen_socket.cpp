#include "api/internal/listen_socket.h"

#include <fmt/format.h>

namespace meridian::api::internal {

namespace net = boost::asio;

Status listen_at(net::ip::tcp::acceptor& acceptor, ListenAddress& address) {
  boost::system::error_code error;
  const net::ip::tcp::endpoint endpoint(net::ip::make_address(address.ip, error), address.port);
  if (!error) acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(net::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(net::socket_base::max_listen_connections, error);
  if (!error) address.port = acceptor.local_endpoint(error).port();
  if (error)
    return fail(Code::unavailable,
                fmt::format("cannot listen on {}: {}. Choose another address, or port 0 for any "
                            "free one",
                            format_listen_address(address), error.message()));
  return {};
}

}  // namespace meridian::api::internal
