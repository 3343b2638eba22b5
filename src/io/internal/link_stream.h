// The bytes of one connection between two nodes, in the clear or in TLS 1.3.
//
// Made for one connection and given up with it. All on the context's thread. At most one read and
// one write at a time; what they point at stays where it is until they are done. A callback is
// never called within the call that takes it, and after close() with operation_aborted, or not.
#pragma once

#include <utility>  // Boost 1.74 forgets it

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "io/link_security.h"

namespace meridian::io::internal {

class LinkStream : public std::enable_shared_from_this<LinkStream> {
 public:
  using ErrorCode = boost::system::error_code;
  using Socket = boost::asio::ip::tcp::socket;
  using Done = std::function<void(const ErrorCode& error, std::size_t count)>;
  enum class Side : std::uint8_t { accepts, connects };

  explicit LinkStream(Socket socket) : socket_(std::move(socket)) {}
  virtual ~LinkStream() = default;
  LinkStream(const LinkStream&) = delete;
  LinkStream& operator=(const LinkStream&) = delete;

  /// Before all else. In the clear nothing happens.
  virtual void handshake(Done done) = 0;
  /// At least one byte, into the rooms in their order.
  virtual void read_some(std::span<const boost::asio::mutable_buffer> rooms, Done done) = 0;
  /// At least one byte of them, in their order; none is empty.
  virtual void write_some(std::span<const boost::asio::const_buffer> rest, Done done) = 0;
  /// Says that nothing more comes from here. The other side may still talk.
  virtual void finish() = 0;
  /// Null in the clear.
  virtual const ssl_st* tls() const { return nullptr; }

  /// All of it.
  void read(MutableBytes room, Done done);
  void write(Bytes bytes, Done done);
  void close();
  bool is_open() const { return socket_.is_open(); }
  Socket& socket() { return socket_; }

 protected:
  Socket socket_;

 private:
  void read_rest(boost::asio::mutable_buffer room, std::size_t before, Done done);
  void write_rest(boost::asio::const_buffer rest, std::size_t before, Done done);

  boost::asio::mutable_buffer read_room_;
  boost::asio::const_buffer write_rest_;
};

std::shared_ptr<LinkStream> plain_stream(LinkStream::Socket socket);
/// Errors: internal if OpenSSL has no room for one.
Result<std::shared_ptr<LinkStream>> tls_stream(LinkStream::Socket socket, const TlsContext& context,
                                               LinkStream::Side side);

/// Why a TLS operation failed, in words for who made the connection.
std::string describe_tls(const LinkStream::ErrorCode& error);

}  // namespace meridian::io::internal
