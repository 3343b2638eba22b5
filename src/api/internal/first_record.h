// Waits for what a client says first, without work for those who say nothing, or a byte now and
// then: the kernel wakes nobody before enough is there (SO_RCVLOWAT, tcp(7)).
#pragma once

#include <utility>  // Boost 1.74 forgets it

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

namespace meridian::api::internal {

/// `then(true)` once a whole record of TLS (RFC 8446, 5.1) can be read, or what is none and for
/// others to judge; `then(false)` if the client went away or the socket was closed. Nothing is
/// read. On the socket's context; once.
void wait_for_first_record(std::shared_ptr<boost::asio::ip::tcp::socket> socket,
                           std::function<void(bool came)> then);

}  // namespace meridian::api::internal
