#include "api/internal/first_record.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>

namespace meridian::api::internal {
namespace {

using Socket = boost::asio::ip::tcp::socket;

constexpr std::size_t header_bytes = 5;
constexpr std::uint8_t handshake = 22;
constexpr std::size_t record_bytes_max = 1 << 14;

void wake_at(Socket& socket, std::size_t bytes) {
  const int count = static_cast<int>(bytes);
  ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVLOWAT, &count, sizeof count);
}

/// Of the record that begins here, its header included; 0: it is none, or not there yet. Nothing:
/// the client went away.
std::optional<std::size_t> record_bytes(Socket& socket) {
  std::array<std::uint8_t, header_bytes> begin{};
  const auto got =
      ::recv(socket.native_handle(), begin.data(), begin.size(), MSG_PEEK | MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN)) return std::nullopt;
  if (got != static_cast<ssize_t>(begin.size()) || begin[0] != handshake) return 0;
  const std::size_t size = std::size_t{begin[3]} << 8 | begin[4];
  return size > record_bytes_max ? 0 : header_bytes + size;
}

}  // namespace

void wait_for_first_record(std::shared_ptr<Socket> socket, std::function<void(bool)> then) {
  Socket& of = *socket;
  wake_at(of, header_bytes);
  of.async_wait(Socket::wait_read, [socket = std::move(socket), then = std::move(then)](
                                       boost::system::error_code error) mutable {
    if (error || !socket->is_open()) return then(false);
    const std::optional<std::size_t> bytes = record_bytes(*socket);
    if (!bytes) return then(false);
    Socket& again = *socket;
    wake_at(again, std::max<std::size_t>(*bytes, 1));
    if (*bytes == 0) return then(true);
    again.async_wait(Socket::wait_read, [socket = std::move(socket),
                                         then = std::move(then)](boost::system::error_code failed) {
      if (failed || !socket->is_open()) return then(false);
      wake_at(*socket, 1);
      then(true);
    });
  });
}

}  // namespace meridian::api::internal
