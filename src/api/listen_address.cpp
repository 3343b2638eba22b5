#include "api/listen_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/bytes.h"

namespace meridian::api {
namespace {

Error malformed(std::string_view text, std::string_view why) {
  return fail(
      Code::invalid_argument,
      fmt::format("the address '{}' {}; write IP:PORT, such as 127.0.0.1:7400 or [::1]:7400",
                  text.substr(0, 64), why));
}

Result<std::uint16_t> parse_port(std::string_view text, std::string_view whole) {
  std::uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
    return malformed(whole, "has no port from 0 to 65535 after the ':'");
  }
  return port;
}

bool is_loopback_ipv6(const in6_addr& address) {
  if (IN6_IS_ADDR_LOOPBACK(&address)) return true;
  return IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127;
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed(text, "has no port");
  ListenAddress address;
  address.port = TRY(parse_port(text.substr(colon + 1), text));
  std::string host(text.substr(0, colon));
  if (host == "localhost") host = "127.0.0.1";
  // inet_pton() would stop at a zero byte and never see what comes after it.
  if (host.find('\0') != std::string::npos) return malformed(text, "holds a zero byte");
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return malformed(text, "has a '[' without its ']'");
    in6_addr parsed{};
    if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &parsed) != 1) {
      return malformed(text, "holds no IPv6 address between the brackets");
    }
    ::inet_ntop(AF_INET6, &parsed, canonical.data(), canonical.size());
    address.is_ipv6 = true;
    address.is_loopback = is_loopback_ipv6(parsed);
  } else {
    in_addr parsed{};
    if (::inet_pton(AF_INET, host.c_str(), &parsed) != 1) {
      return malformed(text, "does not begin with an IP address (names are not resolved)");
    }
    ::inet_ntop(AF_INET, &parsed, canonical.data(), canonical.size());
    address.is_loopback = (ntohl(parsed.s_addr) >> 24) == 127;
  }
  address.ip = canonical.data();
  return address;
}

std::string format_listen_address(const ListenAddress& address) {
  if (address.is_ipv6) return fmt::format("[{}]:{}", address.ip, address.port);
  return fmt::format("{}:{}", address.ip, address.port);
}

Status check_may_listen(const ListenAddress& address, bool is_dev) {
  if (address.is_loopback || !is_dev) return {};
  return fail(Code::permission_denied,
              fmt::format("{} is not a loopback address, and what --dev makes protects nothing. "
                          "Give this process an identity with --identity DIR, or listen on "
                          "127.0.0.1 or [::1]",
                          format_listen_address(address)));
}

}  // namespace meridian::api
