#include "io/internal/peer_hub.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <charconv>

namespace meridian::io::internal {

using tcp = boost::asio::ip::tcp;

void set_link_options(tcp::socket& socket) {
  // Best effort: a link without them works, and only learns later that its peer is gone.
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(boost::asio::socket_base::keep_alive(true), ignored);
  auto set = [&socket](int name, int value) {
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, name, &value, sizeof value);
  };
  set(TCP_KEEPIDLE, 5);
  set(TCP_KEEPINTVL, 2);
  set(TCP_KEEPCNT, 5);
  set(TCP_USER_TIMEOUT, 15'000);  // milliseconds; also of data that is not acknowledged
}

Result<HostPort> parse_host_port(std::string_view text) {
  auto wrong = [text] {
    return fail(Code::invalid_argument,
                fmt::format("\"{}\" is no address: write host:port, or [::1]:port", text));
  };
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = text.substr(0, colon);
  std::string_view digits = text.substr(colon + 1);
  if (host.size() > 2 && host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return wrong();
  }
  std::uint16_t port = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (host.empty() || error != std::errc{} || end != digits.data() + digits.size()) return wrong();
  return HostPort{std::string(host), port};
}

std::string format_endpoint(const tcp::endpoint& endpoint) {
  std::string ip = endpoint.address().to_string();
  if (endpoint.address().is_v6()) return fmt::format("[{}]:{}", ip, endpoint.port());
  return fmt::format("{}:{}", ip, endpoint.port());
}

}  // namespace meridian::io::internal
