// A session goes on like this, from the first record if there are credentials:
//
//   first record -> handshake -> read_header -> read_body -> dispatch
//                                     ^                         |
//                                     |                         |-> (reply) write -> close
//                                     '---- (reply) write <-----|
//                                                               '-> (events) stream: pull -> write
//                                               -> pull ... until either side ends
// A request that is answered late (request_timeout) is answered for it, and what comes afterwards
// carries an old number and is dropped.
#include "api/internal/http_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "api/internal/first_record.h"
#include "api/internal/http_stream.h"
#include "api/internal/listen_socket.h"
#include "mesh/tls_context.h"

namespace meridian::api::internal {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = net::ip::tcp;
using boost::system::error_code;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

/// The Host header without its port.
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

bool is_local_host(std::string_view host) {
  std::string_view name = host_name(host);
  if (name == "localhost") return true;
  Result<ListenAddress> address = parse_listen_address(std::string(name) + ":0");
  return address && address->is_loopback;
}

class Session final : public HttpSession {
 public:
  Session(std::shared_ptr<HttpShared> shared, tcp::socket socket)
      : shared_(std::move(shared)),
        stream_(std::move(socket)),
        deadline_(shared_->context),
        heartbeat_(shared_->context) {
    shared_->sessions.insert(this);
  }
  ~Session() override {
    shared_->sessions.erase(this);
    end_handshake();
    if (live_token_ != 0) shared_->parts.live.remove(live_token_);
    if (events_) events_->stop();
  }

  void begin() {
    if (!shared_->tls) return read_header();
    begin_handshake();
    deadline_.expires_after(ns(shared_->options.handshake_timeout));
    deadline_.async_wait([weak = weak_self()](error_code error) {
      if (auto self = weak.lock(); !error && self) self->close();
    });
    wait_for_first_record({self(), &stream_.socket()}, [this](bool came) {
      deadline_.cancel();
      if (!came || closed_) return close();
      if (!shared_->strangers.may_begin(stranger_, shared_->clock->monotonic())) {
        shared_->parts.calls.came_too_often();
        return close();
      }
      secure();
    });
  }

  void secure() {
    const Result<std::shared_ptr<SSL_CTX>> context = shared_->tls->current();
    if (!context) return close();
    stream_.expires_after(ns(shared_->options.handshake_timeout));
    stream_.secure(*context, [self = self()](error_code error) {
      if (error || self->closed_) return self->close();
      Result<mesh::PeerIdentity> peer = mesh::peer_of(self->stream_.tls());
      if (!peer) return self->close();
      self->shared_->strangers.met(self->stranger_);
      self->end_handshake();
      self->caller_ = std::make_shared<const Caller>(std::move(*peer));
      self->read_header();
    });
  }

  void review() override {
    if (!caller_) return;
    if (!shared_->options.credentials->check(caller_->identity)) return abandon();
    if (!events_ || last_text_ || closed_) return;
    if (Status may = events_->may_go_on(); !may) {
      events_->stop();
      end_events(may.error());
    }
  }

  void read_header() {
    parser_.emplace();
    parser_->header_limit(HttpServer::header_bytes_max);
    parser_->body_limit(shared_->options.body_bytes_max);
    stream_.expires_never();
    limit_reading();
    idle_ = true;
    http::async_read_header(stream_, buffer_, *parser_,
                            [self = self()](error_code error, std::size_t) {
                              self->idle_ = false;
                              self->on_header(error);
                            });
  }

  void close_if_idle() override {
    if (idle_) close();
  }
  void abandon() override {
    ++number_;
    keep_.reset();
    close();
  }

  template <typename Message>
  static void set_fields(Message& message, const HttpReply& reply) {
    message.set(http::field::server, "meridian");
    message.set(http::field::content_type, reply.content_type);
    message.set(http::field::cache_control, reply.cache_control);
    message.set("X-Content-Type-Options", "nosniff");
    if (!reply.allow.empty()) message.set(http::field::allow, reply.allow);
    if (!reply.position.empty()) message.set("Meridian-Position", reply.position);
  }

 private:
  /// The stream's own timeout would close the socket, and a late request deserves an answer.
  void limit_reading() {
    deadline_.expires_after(ns(shared_->options.client_timeout));
    deadline_.async_wait([weak = weak_self(), number = ++number_](error_code error) {
      auto self = weak.lock();
      if (error || !self || self->number_ != number) return;
      self->timed_out_ = true;
      self->stream_.cancel();
    });
  }

  std::shared_ptr<Session> self() { return std::static_pointer_cast<Session>(shared_from_this()); }
  std::weak_ptr<Session> weak_self() { return self(); }

  void on_header(error_code error) {
    if (error) return on_read_error(error);
    if (view(parser_->get()[http::field::expect]) == "100-continue") {
      auto go_on = std::make_shared<http::response<http::empty_body>>(http::status::continue_, 11);
      return http::async_write(stream_, *go_on,
                               [self = self(), go_on](error_code failed, std::size_t) {
                                 if (!failed) self->read_body();
                               });
    }
    read_body();
  }

  void read_body() {
    http::async_read(stream_, buffer_, *parser_, [self = self()](error_code error, std::size_t) {
      if (error) return self->on_read_error(error);
      self->dispatch();
    });
  }

  void on_read_error(error_code error) {
    ++number_;  // the timer has nothing to end any more
    deadline_.cancel();
    if (error == http::error::end_of_stream) return close();
    HttpReply reply;
    if (timed_out_ && parser_->got_some()) {
      reply = error_reply(
          fail(Code::invalid_argument, "the request was not complete in time; nothing was done"));
      reply.status = 408;
    } else if (error == http::error::body_limit) {
      reply = error_reply(
          fail(Code::invalid_argument, fmt::format("the body is above {} bytes; send it in parts",
                                                   shared_->options.body_bytes_max)));
      reply.status = 413;
    } else if (error == http::error::header_limit) {
      reply = error_reply(fail(Code::invalid_argument, fmt::format("the header is above {} bytes",
                                                                   HttpServer::header_bytes_max)));
      reply.status = 431;
    } else if (error.category() == make_error_code(http::error::bad_method).category()) {
      reply = error_reply(
          fail(Code::invalid_argument, fmt::format("malformed request: {}", error.message())));
    } else {
      return close();  // gone, or sent nothing in time
    }
    broken_ = true;  // where the next request would begin is unknown
    write(std::move(reply));
  }

  void dispatch() {
    auto& message = parser_->get();
    ++number_;
    is_head_ = message.method() == http::verb::head;
    if (caller_) {
      const Status good = shared_->options.credentials->check(caller_->identity);
      if (!good) {
        broken_ = true;
        HttpReply reply = error_reply(good.error());
        reply.status = 401;
        return write(std::move(reply));
      }
    }
    std::string_view host = view(message[http::field::host]);
    if (shared_->options.check_host && !caller_ && !is_local_host(host)) {
      HttpReply reply = error_reply(
          fail(Code::permission_denied,
               "the Host header must name this machine: localhost, 127.0.0.1 or [::1]"));
      reply.status = 421;
      return write(std::move(reply));
    }
    Result<io::Duration> timeout = timeout_of(view(message["Meridian-Timeout-Ms"]));
    if (!timeout) return write(error_reply(timeout.error()));
    HttpRequest request;
    request.method = message.method() == http::verb::post              ? HttpMethod::post
                     : message.method() == http::verb::get || is_head_ ? HttpMethod::get
                                                                       : HttpMethod::other;
    request.target = view(message.target());
    request.content_type = view(message[http::field::content_type]);
    request.last_event_id = view(message["Last-Event-ID"]);
    request.read = view(message["Meridian-Read"]);
    request.purpose = view(message["Meridian-Purpose"]);
    request.signature = view(message["Meridian-Signature"]);
    request.body = std::move(message.body());
    request.caller = caller_;
    set_deadline(*timeout, {request.method, request.target});
    // The reply may come from anywhere, and after the session or even the server is gone.
    shared_->parts.handler->handle(std::move(request), [shared = shared_, weak = weak_self(),
                                                        number = number_](HttpResponse response) {
      net::post(shared->context, [weak, number, response = std::move(response)]() mutable {
        auto self = weak.lock();
        if (self && self->number_ == number) self->respond(std::move(response));
      });
    });
  }

  Result<io::Duration> timeout_of(std::string_view text) const {
    if (text.empty()) return shared_->options.request_timeout;
    Result<u128> parsed = parse_decimal(text);
    if (!parsed || *parsed == 0 || *parsed > HttpServer::timeout_ms_max) {
      return fail(Code::invalid_argument,
                  fmt::format("Meridian-Timeout-Ms: expected 1 to {}", HttpServer::timeout_ms_max));
    }
    return io::milliseconds(static_cast<std::int64_t>(low64(*parsed)));
  }

  void set_deadline(io::Duration timeout, HttpHandler::Asked asked) {
    keep_ = self();  // nothing else holds the session while it waits for a reply
    deadline_.expires_after(ns(timeout));
    deadline_.async_wait(
        [weak = weak_self(), number = number_, asked = std::move(asked)](error_code error) {
          auto self = weak.lock();
          if (error || !self || self->number_ != number) return;
          self->respond(error_reply(self->shared_->parts.handler->deadline_passed(asked)));
        });
  }

  void respond(HttpResponse response) {
    auto self = std::move(keep_);
    ++number_;  // what else comes for this request is late
    deadline_.cancel();
    if (auto* reply = std::get_if<HttpReply>(&response)) return write(std::move(*reply));
    begin_events(std::get<std::shared_ptr<HttpEvents>>(std::move(response)));
  }

  void write(HttpReply reply) {
    if (reply.error) {
      shared_->parts.calls.failed(*reply.error);
    } else {
      shared_->parts.calls.ok();
    }
    const bool keep_alive = !broken_ && !shared_->stopping && parser_->get().keep_alive();
    const unsigned version = parser_->is_header_done() ? parser_->get().version() : 11;
    auto message = std::make_shared<http::response<http::string_body>>(
        static_cast<http::status>(reply.status), version);
    set_fields(*message, reply);
    message->keep_alive(keep_alive);
    message->content_length(reply.body.size());
    if (!is_head_) message->body() = std::move(reply.body);
    stream_.expires_after(ns(shared_->options.client_timeout));
    auto sent = [self = self(), message, keep_alive](error_code error, std::size_t) {
      if (!error && self->broken_) return self->linger();
      if (error || !keep_alive || self->shared_->stopping) return self->close();
      self->read_header();
    };
    if (!is_head_) return http::async_write(stream_, *message, std::move(sent));
    auto serializer = std::make_shared<http::response_serializer<http::string_body>>(*message);
    http::async_write_header(stream_, *serializer,
                             [serializer, sent = std::move(sent)](
                                 error_code error, std::size_t size) { sent(error, size); });
  }

  /// Closing while the peer still sends would reset the connection, and the reply that says what
  /// was wrong could be lost: what comes is read and dropped, for a while.
  void linger() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(std::min(ns(shared_->options.client_timeout), linger_max));
    drain();
  }
  void drain() {
    stream_.async_read_some(net::buffer(ignored_),
                            [self = self()](error_code error, std::size_t size) {
                              self->drained_ += size;
                              if (error || self->drained_ > drained_bytes_max) return self->close();
                              self->drain();
                            });
  }

  void begin_events(std::shared_ptr<HttpEvents> events) {
    Result<std::uint64_t> token = shared_->parts.live.add(
        [shared = shared_, weak = weak_self()](const std::optional<LiveCalls::Refusal>&) {
          net::post(shared->context, [weak] {
            if (auto self = weak.lock()) self->close();
          });
        },
        [] { return std::optional<LiveCalls::Refusal>(); });  // review() asks in this thread
    if (!token) return write(error_reply(token.error()));
    live_token_ = *token;
    events_ = std::move(events);
    shared_->parts.calls.ok();
    stream_.expires_never();
    auto message = std::make_shared<http::response<http::empty_body>>(http::status::ok,
                                                                      parser_->get().version());
    set_fields(*message, {.content_type = "text/event-stream"});
    message->keep_alive(false);  // the end of the stream is the end of the connection
    auto serializer = std::make_shared<http::response_serializer<http::empty_body>>(*message);
    http::async_write_header(stream_, *serializer,
                             [self = self(), message, serializer](error_code error, std::size_t) {
                               if (error || self->is_head_) return self->close();
                               self->watch_peer();
                               self->pull_events();
                               self->beat();
                             });
  }

  /// A client that goes away is noticed while nothing is being written.
  void watch_peer() {
    stream_.async_read_some(net::buffer(ignored_), [self = self()](error_code error, std::size_t) {
      if (error) return self->close();
      self->watch_peer();
    });
  }

  void pull_events() {
    events_->next([shared = shared_, weak = weak_self()](Result<std::string> page) {
      net::post(shared->context, [weak, page = std::move(page)] {
        auto self = weak.lock();
        if (!self || self->closed_ || self->last_text_) return;
        if (page) return self->write_events(*page, false);
        self->end_events(page.error());
      });
    });
  }

  void end_events(const Error& error) {
    write_events("event: error\ndata: " + error_reply(error).body + "\n", true);
  }

  void write_events(std::string_view text, bool is_last) {
    waiting_text_ += text;
    last_text_ |= is_last;
    pull_when_written_ = true;
    flush_events();
  }

  void flush_events() {
    if (closed_ || writing_text_ || waiting_text_.empty()) return;
    writing_text_ = true;
    text_ = std::exchange(waiting_text_, {});
    deadline_.expires_after(ns(shared_->options.client_timeout));
    deadline_.async_wait([weak = weak_self(), number = ++number_](error_code error) {
      auto self = weak.lock();
      if (!error && self && self->number_ == number && self->writing_text_) self->close();
    });
    net::async_write(stream_, net::buffer(text_), [self = self()](error_code error, std::size_t) {
      self->deadline_.cancel();
      self->writing_text_ = false;
      if (error || (self->last_text_ && self->waiting_text_.empty())) {
        return self->close();
      }
      if (!self->waiting_text_.empty()) return self->flush_events();
      if (std::exchange(self->pull_when_written_, false)) self->pull_events();
    });
  }

  void beat() {
    heartbeat_.expires_after(ns(shared_->options.keep_alive_period));
    heartbeat_.async_wait([self = self()](error_code error) {
      if (error || self->closed_) return;
      if (!self->writing_text_) {
        self->waiting_text_ += ": still here\n\n";
        self->flush_events();
      }
      self->beat();
    });
  }

  void begin_handshake() {
    error_code ignored;
    stranger_ = shared_->next_stranger++;
    shared_->strangers.add(stranger_,
                           origin_of(stream_.socket().remote_endpoint(ignored).address()));
    shared_->in_handshake.emplace(stranger_, this);
  }
  void end_handshake() {
    shared_->strangers.remove(stranger_);
    shared_->in_handshake.erase(stranger_);
    stranger_ = 0;
  }

  void close() {
    if (std::exchange(closed_, true)) return;
    end_handshake();
    error_code ignored;
    deadline_.cancel();
    heartbeat_.cancel();
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.close();
  }

  static constexpr std::chrono::nanoseconds linger_max = std::chrono::seconds(5);
  static constexpr std::size_t drained_bytes_max = 4 << 20;

  std::shared_ptr<HttpShared> shared_;
  HttpStream stream_;
  CallerRef caller_;            ///< Null in the clear.
  Strangers::Id stranger_ = 0;  ///< While the handshake goes on.
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  net::steady_timer deadline_;
  net::steady_timer heartbeat_;
  std::shared_ptr<HttpSession> keep_;
  std::uint64_t number_ = 0;  ///< Of the request, or of the write, that is waited for.
  bool idle_ = false;
  bool is_head_ = false;
  bool broken_ = false;
  bool closed_ = false;
  bool timed_out_ = false;
  std::size_t drained_ = 0;

  std::shared_ptr<HttpEvents> events_;
  std::uint64_t live_token_ = 0;
  std::array<char, 4'096> ignored_{};
  std::string text_;          ///< Being written.
  std::string waiting_text_;  ///< To be written next: at most a page and a comment.
  bool writing_text_ = false;
  bool pull_when_written_ = false;
  bool last_text_ = false;
};

}  // namespace

void HttpSession::begin(std::shared_ptr<HttpShared> shared, tcp::socket socket) {
  std::make_shared<Session>(std::move(shared), std::move(socket))->begin();
}

void HttpSession::refuse(HttpShared& shared, tcp::socket socket) {
  shared.parts.calls.turned_away();
  if (shared.tls) return;  // nothing can be said before a handshake, which costs too much for that
  HttpReply reply =
      error_reply(fail(Code::resource_exhausted,
                       fmt::format("{} connections are open, which is the limit; end one first",
                                   shared.options.connections_max)));
  http::response<http::string_body> message(static_cast<http::status>(reply.status), 11);
  Session::set_fields(message, reply);
  message.keep_alive(false);
  message.body() = std::move(reply.body);
  message.prepare_payload();
  shared.parts.calls.failed(Code::resource_exhausted);
  error_code ignored;
  socket.non_blocking(true, ignored);  // a new socket takes so little at once, or else nobody waits
  http::write(socket, message, ignored);
  socket.shutdown(tcp::socket::shutdown_both, ignored);
  socket.close(ignored);
}

}  // namespace meridian::api::internal
