#include "io/internal/link_stream.h"

#include <boost/asio/post.hpp>

namespace meridian::io::internal {

namespace net = boost::asio;

namespace {

/// Some buffers, for one operation of a socket.
template <typename Piece>
struct Window {
  std::span<const Piece> pieces;
  const Piece* begin() const { return pieces.data(); }
  const Piece* end() const { return pieces.data() + pieces.size(); }
};

class PlainStream final : public LinkStream {
 public:
  using LinkStream::LinkStream;

  void handshake(Done done) override {
    net::post(socket_.get_executor(), [done = std::move(done)] { done({}, 0); });
  }
  void read_some(std::span<const net::mutable_buffer> rooms, Done done) override {
    socket_.async_read_some(Window<net::mutable_buffer>{rooms}, std::move(done));
  }
  void write_some(std::span<const net::const_buffer> rest, Done done) override {
    socket_.async_write_some(Window<net::const_buffer>{rest}, std::move(done));
  }
  void finish() override {
    ErrorCode ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
  }
};

}  // namespace

void LinkStream::read(MutableBytes room, Done done) {
  read_rest({room.data(), room.size()}, 0, std::move(done));
}

void LinkStream::read_rest(net::mutable_buffer room, std::size_t before, Done done) {
  if (room.size() == 0) {
    net::post(socket_.get_executor(), [done = std::move(done), before] { done({}, before); });
    return;
  }
  read_room_ = room;
  read_some({&read_room_, 1}, [self = shared_from_this(), room, before, done = std::move(done)](
                                  const ErrorCode& error, std::size_t count) mutable {
    if (error || count == room.size()) return done(error, before + count);
    self->read_rest(room + count, before + count, std::move(done));
  });
}

void LinkStream::write(Bytes bytes, Done done) {
  write_rest({bytes.data(), bytes.size()}, 0, std::move(done));
}

void LinkStream::write_rest(net::const_buffer rest, std::size_t before, Done done) {
  write_rest_ = rest;
  write_some({&write_rest_, 1}, [self = shared_from_this(), rest, before, done = std::move(done)](
                                    const ErrorCode& error, std::size_t count) mutable {
    if (error || count == rest.size()) return done(error, before + count);
    self->write_rest(rest + count, before + count, std::move(done));
  });
}

void LinkStream::close() {
  ErrorCode ignored;
  socket_.close(ignored);
}

std::shared_ptr<LinkStream> plain_stream(LinkStream::Socket socket) {
  return std::make_shared<PlainStream>(std::move(socket));
}

}  // namespace meridian::io::internal
