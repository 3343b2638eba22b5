#include "api/http_server.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <vector>

#include "api/http_api.h"
#include "api/internal/http_session.h"
#include "api/internal/listen_socket.h"

namespace meridian::api {
namespace {

namespace net = boost::asio;
using tcp = net::ip::tcp;
using boost::system::error_code;
using internal::HttpSession;
using internal::HttpShared;
using internal::ns;

class Server final : public HttpServer {
 public:
  Server(Parts parts, ListenAddress address, const HttpOptions& options)
      : shared_(std::make_shared<HttpShared>(std::move(parts), options)),
        acceptor_(shared_->context),
        patience_(shared_->context),
        review_(shared_->context),
        address_(std::move(address)) {}
  ~Server() override { stop(io::seconds(0)); }

  Status start() {
    TRY(internal::listen_at(acceptor_, address_));
    accept();
    if (shared_->tls) review_later();
    executor_ = io::os_executor("http");
    executor_->post([this] { shared_->context.run(); });
    return {};
  }

  const ListenAddress& address() const override { return address_; }

  void stop(io::Duration patience) override {
    if (!executor_) return;
    shared_->parts.live.stop_all();
    net::post(shared_->context, [this, patience] {
      shared_->stopping = true;
      error_code ignored;
      acceptor_.close(ignored);
      retry_.reset();
      review_.cancel();
      patience_.expires_after(ns(patience));
      patience_.async_wait([this](error_code error) {
        if (!error) shared_->context.stop();
      });
      close_idle();
    });
    executor_.reset();  // run() has returned: every session is closed, or patience ran out
    for (const auto& session : held_sessions()) session->abandon();
    shared_->context.restart();
    shared_->context.poll();  // what was cut off learns it here, and lets go of its session
  }

 private:
  void accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (shared_->stopping) return;
      if (!error && make_room()) {
        HttpSession::begin(shared_, std::move(socket));
      } else if (!error) {
        HttpSession::refuse(*shared_, std::move(socket));
      }
      if (error) return accept_later();  // out of file descriptors, say
      accept();
    });
  }

  /// Who is known keeps their connection; of those who have not shown yet who they are one goes, so
  /// that silent ones keep nobody out.
  bool make_room() {
    if (shared_->sessions.size() < shared_->options.connections_max) return true;
    const std::optional<Strangers::Id> victim = shared_->strangers.victim();
    if (!victim) return false;
    shared_->parts.calls.put_out();
    shared_->in_handshake.at(*victim)->abandon();
    return true;
  }

  void review_later() {
    review_.expires_after(std::chrono::seconds(1));
    review_.async_wait([this](error_code error) {
      if (error || shared_->stopping) return;
      for (const auto& session : held_sessions()) session->review();
      review_later();
    });
  }

  void accept_later() {
    retry_.emplace(shared_->context, std::chrono::milliseconds(100));
    retry_->async_wait([this](error_code error) {
      if (!error && !shared_->stopping) accept();
    });
  }

  /// Closing ends sessions and changes the set, so it goes through a copy.
  std::vector<std::shared_ptr<HttpSession>> held_sessions() {
    std::vector<std::shared_ptr<HttpSession>> sessions;
    for (HttpSession* session : shared_->sessions) {
      if (auto held = session->weak_from_this().lock()) sessions.push_back(std::move(held));
    }
    return sessions;
  }

  /// Again until none is left; then nothing keeps run().
  void close_idle() {
    std::vector<std::shared_ptr<HttpSession>> sessions = held_sessions();
    if (sessions.empty()) {
      patience_.cancel();
      return;
    }
    for (const auto& session : sessions) session->close_if_idle();
    retry_.emplace(shared_->context, std::chrono::milliseconds(5));
    retry_->async_wait([this](error_code error) {
      if (!error) close_idle();
    });
  }

  std::shared_ptr<HttpShared> shared_;
  tcp::acceptor acceptor_;
  net::steady_timer patience_;
  net::steady_timer review_;  // of who holds connections
  std::optional<net::steady_timer> retry_;
  ListenAddress address_;
  std::unique_ptr<io::Executor> executor_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(Parts parts, const ListenAddress& address,
                                                      const HttpOptions& options) {
  auto server = std::make_unique<Server>(std::move(parts), address, options);
  TRY(server->start());
  return std::unique_ptr<HttpServer>(std::move(server));
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(Backend& backend,
                                                      const ListenAddress& address,
                                                      const HttpOptions& options) {
  HttpOptions secured = options;
  if (backend.callers != nullptr) secured.credentials = &backend.callers->credentials();
  return start({std::make_unique<HttpApi>(backend), backend.live, backend.http_calls}, address,
               secured);
}

}  // namespace meridian::api
