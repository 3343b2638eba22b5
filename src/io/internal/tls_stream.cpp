// TLS 1.3 over a non-blocking socket.
//
//   read_some:  SSL_read into the rooms, which takes what the socket has; nothing: wait, and again
//   write_some: SSL_write into out_ --flush--> sending_ --> the socket; done when both are empty
//
// OpenSSL reads from the socket itself, many records at a time, and writes into memory, so it never
// waits to write and one write of the socket carries many records. Small parts are put together to
// whole records; of large ones only their encryption is copied.
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "io/internal/link_stream.h"
// (above: <utility> before Boost)
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>

#include "base/assert.h"

namespace meridian::io::internal {

namespace net = boost::asio;

namespace {

constexpr std::size_t record_size = SSL3_RT_MAX_PLAIN_LENGTH;  // 16 KiB
/// Encrypted at once: what waits in memory for the socket.
constexpr std::size_t write_size_max = 8 * record_size;
/// Decrypted at once, so that one link does not hold up the others.
constexpr std::size_t read_size_max = 256 << 10;
constexpr std::size_t read_ahead_size = 64 << 10;

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

class TlsStream final : public LinkStream {
 public:
  TlsStream(Socket socket, std::unique_ptr<SSL, FreeSsl> ssl, Side side);

  void handshake(Done done) override { step(std::move(done), true); }
  void read_some(std::span<const net::mutable_buffer> rooms, Done done) override {
    try_read(rooms, std::move(done), true);
  }
  void write_some(std::span<const net::const_buffer> rest, Done done) override;
  void finish() override;
  const ssl_st* tls() const override { return ssl_.get(); }

 private:
  static const BIO_METHOD* socket_method();
  static int take_from_socket(BIO* bio, char* room, int size);
  static int put_into_memory(BIO* bio, const char* bytes, int size);
  static long control(BIO* bio, int command, long, void*);

  /// What a write on the socket holds. If the context goes before it is done, nobody is called, and
  /// write_done_, which may hold who holds this stream, must not keep both.
  struct Sending {
    std::shared_ptr<TlsStream> stream;
    explicit Sending(std::shared_ptr<TlsStream> sender) : stream(std::move(sender)) {}
    Sending(Sending&&) noexcept = default;
    Sending& operator=(Sending&&) = delete;
    Sending(const Sending&) = delete;
    Sending& operator=(const Sending&) = delete;
    ~Sending() {
      if (stream) const Done dropped = std::exchange(stream->write_done_, nullptr);
    }
  };

  void step(Done done, bool must_post);
  void try_read(std::span<const net::mutable_buffer> rooms, Done done, bool must_post);
  std::size_t decrypt(std::span<const net::mutable_buffer> rooms, ErrorCode& error);
  bool encrypt(const Byte* bytes, std::size_t size);
  void flush();
  void send();
  void drained();
  void call(Done done, ErrorCode error, std::size_t count, bool must_post);
  std::shared_ptr<TlsStream> self() {
    return std::static_pointer_cast<TlsStream>(shared_from_this());
  }
  /// What an operation that returned `result` waits for: nothing if it failed, then `error` is set.
  bool wants_to_read(int result, ErrorCode& error);

  std::unique_ptr<SSL, FreeSsl> ssl_;
  bool saw_end_ = false;  // of the socket's bytes
  bool is_finishing_ = false;
  Buffer staging_;  // small parts on their way into one record
  Buffer out_;      // encrypted, goes after sending_
  Buffer sending_;  // with the socket
  std::size_t sent_ = 0;
  Done write_done_;  // of the write under way
  std::size_t written_ = 0;
};

TlsStream::TlsStream(Socket socket, std::unique_ptr<SSL, FreeSsl> ssl, Side side)
    : LinkStream(std::move(socket)), ssl_(std::move(ssl)) {
  SSL_set_min_proto_version(ssl_.get(), TLS1_3_VERSION);
  SSL_set_max_proto_version(ssl_.get(), TLS1_3_VERSION);
  SSL_set_num_tickets(ssl_.get(), 0);
  SSL_set_max_early_data(ssl_.get(), 0);
  SSL_set_read_ahead(ssl_.get(), 1);
  SSL_set_default_read_buffer_len(ssl_.get(), read_ahead_size);
  if (side == Side::accepts) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
  }
  BIO* bio = BIO_new(socket_method());
  ASSERT(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);  // frees it
  ErrorCode ignored;
  socket_.native_non_blocking(true, ignored);
}

// --- what OpenSSL reads from and writes to ---

const BIO_METHOD* TlsStream::socket_method() {
  struct Free {
    void operator()(BIO_METHOD* method) const { BIO_meth_free(method); }
  };
  static const std::unique_ptr<BIO_METHOD, Free> method = [] {
    std::unique_ptr<BIO_METHOD, Free> made(
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "link"));
    ASSERT(made != nullptr);
    BIO_meth_set_read(made.get(), take_from_socket);
    BIO_meth_set_write(made.get(), put_into_memory);
    BIO_meth_set_ctrl(made.get(), control);
    return made;
  }();
  return method.get();
}

int TlsStream::take_from_socket(BIO* bio, char* room, int size) {
  auto& self = *static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  ssize_t count =
      ::recv(self.socket_.native_handle(), room, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (count == 0) self.saw_end_ = true;
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    BIO_set_retry_read(bio);
  }
  return static_cast<int>(count);
}

int TlsStream::put_into_memory(BIO* bio, const char* bytes, int size) {
  auto& self = *static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  Bytes more = as_bytes({bytes, static_cast<std::size_t>(size)});
  self.out_.insert(self.out_.end(), more.begin(), more.end());
  return size;
}

long TlsStream::control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return static_cast<TlsStream*>(BIO_get_data(bio))->saw_end_ ? 1 : 0;
  return 0;
}

bool TlsStream::wants_to_read(int result, ErrorCode& error) {
  int kind = SSL_get_error(ssl_.get(), result);
  if (kind == SSL_ERROR_WANT_READ) return true;
  if (kind == SSL_ERROR_ZERO_RETURN || saw_end_) {
    error = net::error::eof;
  } else if (kind == SSL_ERROR_SSL) {
    error.assign(static_cast<int>(ERR_get_error()), net::error::get_ssl_category());
  } else {
    error.assign(errno != 0 ? errno : EPROTO, boost::system::system_category());
  }
  ERR_clear_error();
  return false;
}

void TlsStream::call(Done done, ErrorCode error, std::size_t count, bool must_post) {
  if (!must_post) return done(error, count);
  net::post(socket_.get_executor(),
            [self = self(), done = std::move(done), error, count] { done(error, count); });
}

// --- the handshake, and reading ---

void TlsStream::step(Done done, bool must_post) {
  if (!is_open()) return call(std::move(done), net::error::operation_aborted, 0, must_post);
  ERR_clear_error();
  int result = SSL_do_handshake(ssl_.get());
  ErrorCode error;
  bool must_wait = result != 1 && wants_to_read(result, error);
  flush();  // our part of it, or the alert that ends it
  if (!must_wait) return call(std::move(done), error, 0, must_post);
  socket_.async_wait(Socket::wait_read,
                     [self = self(), done = std::move(done)](const ErrorCode& failed) mutable {
                       if (failed) return done(failed, 0);
                       self->step(std::move(done), false);
                     });
}

void TlsStream::try_read(std::span<const net::mutable_buffer> rooms, Done done, bool must_post) {
  if (!is_open()) return call(std::move(done), net::error::operation_aborted, 0, must_post);
  ErrorCode error;
  std::size_t count = decrypt(rooms, error);
  flush();  // e.g. new keys that the other side asked for
  if (count > 0) return call(std::move(done), {}, count, must_post);
  if (error) return call(std::move(done), error, 0, must_post);
  socket_.async_wait(Socket::wait_read,
                     [self = self(), rooms, done = std::move(done)](const ErrorCode& failed) {
                       if (failed) return done(failed, 0);
                       self->try_read(rooms, done, false);
                     });
}

std::size_t TlsStream::decrypt(std::span<const net::mutable_buffer> rooms, ErrorCode& error) {
  ERR_clear_error();
  std::size_t count = 0;
  for (net::mutable_buffer room : rooms) {
    while (room.size() > 0 && count < read_size_max) {
      std::size_t size = 0;
      int result = SSL_read_ex(ssl_.get(), room.data(), room.size(), &size);
      if (result != 1) {
        wants_to_read(result, error);  // if it failed: again with the next read, which says so
        return count;
      }
      room += size;
      count += size;
    }
  }
  return count;
}

// --- writing ---

bool TlsStream::encrypt(const Byte* bytes, std::size_t size) {
  ERR_clear_error();
  std::size_t written = 0;
  return SSL_write_ex(ssl_.get(), bytes, size, &written) == 1 && written == size;
}

void TlsStream::write_some(std::span<const net::const_buffer> rest, Done done) {
  ASSERT(!write_done_);
  if (!is_open()) return call(std::move(done), net::error::operation_aborted, 0, true);
  staging_.clear();
  staging_.reserve(record_size);
  std::size_t taken = 0;
  bool ok = true;
  for (const net::const_buffer& piece : rest) {
    const Byte* bytes = static_cast<const Byte*>(piece.data());
    std::size_t left = std::min(piece.size(), write_size_max - taken);
    taken += left;
    while (ok && left > 0) {
      std::size_t size = std::min(left, record_size - staging_.size());
      if (staging_.empty() && left >= record_size) {
        size = left - left % record_size;
        ok = encrypt(bytes, size);
      } else {
        staging_.insert(staging_.end(), bytes, bytes + size);
        if (staging_.size() == record_size) {
          ok = encrypt(staging_.data(), staging_.size());
          staging_.clear();
        }
      }
      bytes += size;
      left -= size;
    }
  }
  if (ok && !staging_.empty()) ok = encrypt(staging_.data(), staging_.size());
  if (!ok) {
    ERR_clear_error();
    return call(std::move(done), net::error::connection_aborted, 0, true);
  }
  write_done_ = std::move(done);
  written_ = taken;
  flush();
}

void TlsStream::flush() {
  if (!sending_.empty() || out_.empty() || !is_open()) return;
  std::swap(out_, sending_);
  sent_ = 0;
  send();
}

void TlsStream::send() {
  socket_.async_write_some(
      net::buffer(sending_) + sent_,
      [sending = Sending{self()}](const ErrorCode& error, std::size_t count) mutable {
        const std::shared_ptr<TlsStream> self = std::move(sending.stream);
        self->sent_ += count;
        if (!error && self->sent_ < self->sending_.size()) return self->send();
        self->sending_.clear();
        if (error) {
          if (self->write_done_) std::exchange(self->write_done_, nullptr)(error, 0);
          return;
        }
        if (!self->out_.empty()) return self->flush();
        self->drained();
      });
}

void TlsStream::drained() {
  ErrorCode ignored;
  if (is_finishing_) socket_.shutdown(Socket::shutdown_send, ignored);
  if (write_done_) std::exchange(write_done_, nullptr)({}, written_);
}

void TlsStream::finish() {
  if (!is_open()) return;
  is_finishing_ = true;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
  if (sending_.empty() && out_.empty()) return drained();
  flush();
}

}  // namespace

Result<std::shared_ptr<LinkStream>> tls_stream(LinkStream::Socket socket, const TlsContext& context,
                                               LinkStream::Side side) {
  std::unique_ptr<SSL, FreeSsl> ssl(SSL_new(context.get()));
  if (!ssl) {
    ERR_clear_error();
    return fail(Code::internal, "OpenSSL makes no TLS connection of its context");
  }
  return std::shared_ptr<LinkStream>(
      std::make_shared<TlsStream>(std::move(socket), std::move(ssl), side));
}

std::string describe_tls(const LinkStream::ErrorCode& error) {
  if (error.category() != net::error::get_ssl_category()) return error.message();
  switch (ERR_GET_REASON(static_cast<unsigned long>(error.value()))) {
    case SSL_R_WRONG_VERSION_NUMBER:
      return "it answers without TLS: it runs without a certificate of its own, or this is not "
             "where it listens for replicas";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: return "it does not speak TLS 1.3";
    default: return fmt::format("TLS: {}", error.message());
  }
}

}  // namespace meridian::io::internal
