// What the links of one os_network() share: the io thread's context, the handler, the
// limits.
#pragma once

#include <utility>  // Boost 1.74 forgets it

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "io/executor.h"
#include "io/link_security.h"
#include "io/network.h"

namespace meridian::io::internal {

class InboundLink;

/// Lets handlers run until it is closed, which waits for the one that runs. Recursive: a handler
/// may destroy its network.
class HandlerGate {
 public:
  explicit HandlerGate(Network::Handler handler) : handler_(std::move(handler)) {}

  template <typename Function>
  void run(Function&& function) {
    std::lock_guard lock(mutex_);
    if (is_open_) function(handler_);
  }
  void close() {
    std::lock_guard lock(mutex_);
    is_open_ = false;
  }

 private:
  std::recursive_mutex mutex_;
  const Network::Handler handler_;
  bool is_open_ = true;
};

struct PeerHub {
  PeerHub(const OsNetworkOptions& options, Buffer the_hello, Executor& the_executor,
          Network::Handler handler)
      : limits(options.limits),
        security(options.security),
        hello(std::move(the_hello)),
        executor(the_executor),
        gate(std::make_shared<HandlerGate>(std::move(handler))) {}

  /// Runs `function(handler)` on the executor, unless the network is gone by then.
  template <typename Function>
  void call(Function function) {
    executor.post([gate = gate, function = std::move(function)]() mutable {
      gate->run([&](const Network::Handler& handler) { function(handler); });
    });
  }

  const NetworkLimits limits;
  const std::shared_ptr<LinkSecurity> security;  ///< Null: in the clear.
  const Buffer hello;
  Executor& executor;
  const std::shared_ptr<HandlerGate> gate;
  boost::asio::io_context context{1};
  // The rest belongs to the context's thread.
  std::set<std::shared_ptr<InboundLink>> inbound;
};

inline std::chrono::nanoseconds ns(Duration duration) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(duration));
}

/// No delay for small messages. A peer that vanished without a word, or took nothing of what waits
/// for it, loses the link after 15 s.
void set_link_options(boost::asio::ip::tcp::socket& socket);

struct HostPort {
  std::string host;  ///< A name or an address, without brackets.
  std::uint16_t port;
};
/// "host:port" or "[::1]:port". Errors: invalid_argument.
Result<HostPort> parse_host_port(std::string_view text);
std::string format_endpoint(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace meridian::io::internal
