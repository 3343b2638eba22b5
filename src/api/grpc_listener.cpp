#include "api/internal/grpc_listener.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <optional>
#include <unordered_map>

#include "api/internal/first_record.h"
#include "api/internal/listen_socket.h"
#include "api/port_watch.h"
#include "io/executor.h"

namespace meridian::api::internal {
namespace {

namespace net = boost::asio;
using boost::system::error_code;
using net::ip::tcp;

constexpr io::Duration sweep_every = io::seconds(1);
constexpr auto retry_after = std::chrono::milliseconds(100);

/// Which socket a descriptor is: no other one of this boot has the same. 0: it is none.
std::uint64_t cookie_of(int descriptor) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) return 0;
  return cookie;
}

std::size_t half_of_files() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return 512;
  return std::max<std::size_t>(files.rlim_cur / 2, 16);
}

class Listener final : public GrpcListener {
 public:
  Listener(ListenAddress address, const GrpcListenerLimits& limits, PortWatch& watch,
           CallCounts& calls)
      : limits_(limits),
        connections_max_(std::min(limits.connections_max, half_of_files())),
        strangers_max_(
            std::min(limits.strangers_max, std::max<std::size_t>(connections_max_ / 2, 1))),
        watch_(watch),
        calls_(calls),
        acceptor_(context_),
        address_(std::move(address)),
        tick_(context_) {}
  ~Listener() override { stop(); }

  Status bind() { return listen_at(acceptor_, address_); }

  const ListenAddress& address() const override { return address_; }

  void add_to(grpc::ServerBuilder& builder,
              std::shared_ptr<grpc::ServerCredentials> credentials) override {
    using Type = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
    grpc_ =
        builder.experimental().AddExternalConnectionAcceptor(Type::FROM_FD, std::move(credentials));
  }

  void start() override {
    accept();
    tick();
    executor_ = io::os_executor("grpc accept");
    executor_->post([this] { context_.run(); });
  }

  void stop() override {
    if (!executor_) return;
    net::post(context_, [this] {
      stopping_ = true;
      error_code ignored;
      acceptor_.close(ignored);
      retry_.reset();
      tick_.cancel();
      for (const auto& [id, socket] : waiting_) socket->close(ignored);
      waiting_.clear();
    });
    executor_.reset();
  }

 private:
  struct Connection {
    int descriptor;
    std::uint64_t cookie;
    bool is_open() const { return cookie_of(descriptor) == cookie; }
  };
  struct Since {
    Strangers::Id id;
    io::MonotonicTime at;
  };

  void accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (stopping_) return;
      if (error) return accept_later();  // out of file descriptors, say
      enter(std::move(socket));
      accept();
    });
  }
  void accept_later() {
    retry_.emplace(context_, retry_after);
    retry_->async_wait([this](error_code error) {
      if (!error && !stopping_) accept();
    });
  }

  void enter(tcp::socket socket) {
    error_code error;
    const tcp::endpoint from = socket.remote_endpoint(error);
    if (error) return;  // it went away
    const io::MonotonicTime now = clock_->monotonic();
    look_after(now);
    if (watch_.size() >= strangers_max_) put_out();
    if (open_.size() >= connections_max_) sweep(now);
    if (open_.size() >= connections_max_) return calls_.turned_away();
    socket.set_option(tcp::no_delay(true), error);
    const Strangers::Id id = next_++;
    const int descriptor = socket.native_handle();
    open_.emplace(id, Connection{descriptor, cookie_of(descriptor)});
    watch_.add(id, origin_of(from.address()),
               grpc_peer_name(from.address().to_string(), from.address().is_v6(), from.port()));
    came_.push_back({id, now});
    const auto waiting = std::make_shared<tcp::socket>(std::move(socket));
    waiting_.emplace(id, waiting);
    wait_for_first_record(waiting, [this, id](bool spoke) {
      if (!spoke) return forget(id);
      hand_over(id);
    });
  }

  void hand_over(Strangers::Id id) {
    const auto found = waiting_.find(id);
    if (found == waiting_.end()) return;
    const io::MonotonicTime now = clock_->monotonic();
    if (!watch_.may_begin(id, now)) {
      calls_.came_too_often();
      return forget(id);
    }
    error_code error;
    const int descriptor = found->second->release(error);
    waiting_.erase(found);
    if (error) return forget(id);
    ::fcntl(descriptor, F_SETFL, O_NONBLOCK);
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    begun_.push_back({id, now});
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = descriptor;
    grpc_->HandleNewConnection(&connection);
  }

  /// Who said nothing until the timeout goes; whose handshake began that long ago and who is still
  /// there has shown who they are.
  void look_after(io::MonotonicTime now) {
    const auto is_over = [&](const std::deque<Since>& some) {
      return !some.empty() && now - some.front().at >= limits_.handshake_timeout;
    };
    for (; is_over(came_); came_.pop_front())
      if (waiting_.contains(came_.front().id)) forget(came_.front().id);
    for (; is_over(begun_); begun_.pop_front()) watch_.remove(begun_.front().id);
  }
  void tick() {
    tick_.expires_after(std::chrono::seconds(1));
    tick_.async_wait([this](error_code error) {
      if (error || stopping_) return;
      look_after(clock_->monotonic());
      tick();
    });
  }
  void forget(Strangers::Id id) {
    watch_.remove(id);
    open_.erase(id);
    const auto waiting = waiting_.extract(id);
    if (waiting.empty()) return;
    error_code ignored;
    waiting.mapped()->close(ignored);  // what waits for it holds it
  }

  /// If gRPC has it, that sees the end of the connection and closes it.
  void put_out() {
    const std::optional<Strangers::Id> id = watch_.victim();
    if (!id) return;
    if (const auto found = open_.find(*id); found != open_.end() && found->second.is_open()) {
      ::shutdown(found->second.descriptor, SHUT_RDWR);
      calls_.put_out();
    }
    forget(*id);
  }

  void sweep(io::MonotonicTime now) {
    if (swept_ && now - *swept_ < sweep_every) return;
    swept_ = now;
    std::erase_if(open_, [this](const auto& one) {
      if (one.second.is_open()) return false;
      watch_.remove(one.first);
      return true;
    });
  }

  const GrpcListenerLimits limits_;
  const std::size_t connections_max_, strangers_max_;
  PortWatch& watch_;
  CallCounts& calls_;
  const std::unique_ptr<io::Clock> clock_ = io::os_clock();
  net::io_context context_{1};
  // The rest belongs to the context's thread, once it runs.
  tcp::acceptor acceptor_;
  ListenAddress address_;
  std::optional<net::steady_timer> retry_;
  net::steady_timer tick_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> grpc_;
  std::unordered_map<Strangers::Id, Connection> open_;
  /// Strangers, and some that are gone, the oldest first: of those that gRPC has, and the others.
  std::deque<Since> begun_, came_;
  std::unordered_map<Strangers::Id, std::shared_ptr<tcp::socket>> waiting_;
  Strangers::Id next_ = 1;
  std::optional<io::MonotonicTime> swept_;
  bool stopping_ = false;
  std::unique_ptr<io::Executor> executor_;
};

}  // namespace

Result<std::unique_ptr<GrpcListener>> GrpcListener::open(ListenAddress address,
                                                         const GrpcListenerLimits& limits,
                                                         PortWatch& watch, CallCounts& calls) {
  auto listener = std::make_unique<Listener>(std::move(address), limits, watch, calls);
  TRY(listener->bind());
  return std::unique_ptr<GrpcListener>(std::move(listener));
}

}  // namespace meridian::api::internal
