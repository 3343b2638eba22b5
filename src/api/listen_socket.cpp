#include "api/internal/listen_socket.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

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

std::string origin_of(const net::ip::address& address) {
  if (address.is_v4()) return address.to_string();
  const net::ip::address_v6 whole = address.to_v6();
  if (whole.is_v4_mapped()) return net::ip::make_address_v4(net::ip::v4_mapped, whole).to_string();
  net::ip::address_v6::bytes_type bytes = whole.to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return net::ip::address_v6(bytes).to_string() + "/64";
}

}  // namespace meridian::api::internal
