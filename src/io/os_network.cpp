#include "io/internal/peer_hub.h"
// (above: <utility> before Boost)
#include <fmt/format.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <mutex>
#include <optional>

#include "base/assert.h"
#include "io/internal/inbound_link.h"
#include "io/internal/outbound_link.h"
#include "io/network.h"

namespace meridian::io {
namespace {

namespace net = boost::asio;
using tcp = net::ip::tcp;
using boost::system::error_code;
using internal::HostPort;
using internal::InboundLink;
using internal::OutboundLink;
using internal::PeerHub;

class OsNetwork final : public Network {
 public:
  explicit OsNetwork(const OsNetworkOptions& options) : options_(options) {}
  ~OsNetwork() override { stop(); }

  Status start(std::string_view address, Buffer hello, Executor& executor,
               Handler handler) override;
  std::string address() const override { return address_; }
  void set_peer(PeerId peer, std::string_view address) override;
  void remove_peer(PeerId peer) override;
  bool send(PeerId to, Channel channel, Parts parts) override;
  std::uint64_t queued_bytes(PeerId to, Channel channel) const override;

 private:
  using LinkKey = std::pair<PeerId, Channel>;

  void stop();
  Status listen(std::string_view address);
  Result<tcp::endpoint> resolve(std::string_view address);
  void accept();
  std::shared_ptr<OutboundLink> link_to(PeerId to, Channel channel);

  const OsNetworkOptions options_;
  std::string address_;
  mutable std::mutex mutex_;  // guards the next two
  std::map<PeerId, std::string> peers_;
  std::map<LinkKey, std::shared_ptr<OutboundLink>> links_;
  std::unique_ptr<PeerHub> hub_;  // from start() on
  std::optional<net::executor_work_guard<net::io_context::executor_type>> work_;
  std::optional<tcp::acceptor> acceptor_;
  std::optional<net::steady_timer> accept_again_;
  std::unique_ptr<Executor> thread_;  // runs the context
};

Status OsNetwork::start(std::string_view address, Buffer hello, Executor& executor,
                        Handler handler) {
  ASSERT(hub_ == nullptr);
  if (hello.size() > options_.limits.hello_size_max) {
    return fail(Code::invalid_argument, fmt::format("a hello of {} bytes is longer than {}",
                                                    hello.size(), options_.limits.hello_size_max));
  }
  hub_ = std::make_unique<PeerHub>(options_, std::move(hello), executor, std::move(handler));
  Status listens = listen(address);
  if (!listens) {
    acceptor_.reset();
    hub_.reset();
    return listens;
  }
  accept_again_.emplace(hub_->context);
  work_.emplace(hub_->context.get_executor());
  accept();
  thread_ = os_executor("peers");
  thread_->post([this] { hub_->context.run(); });
  return {};
}

Status OsNetwork::listen(std::string_view address) {
  tcp::endpoint endpoint = TRY(resolve(address));
  error_code error;
  acceptor_.emplace(hub_->context);
  acceptor_->open(endpoint.protocol(), error);
  if (!error) acceptor_->set_option(net::socket_base::reuse_address(true), error);
  if (!error) acceptor_->bind(endpoint, error);
  if (!error) acceptor_->listen(net::socket_base::max_listen_connections, error);
  if (!error) address_ = internal::format_endpoint(acceptor_->local_endpoint(error));
  if (error) {
    return fail(Code::unavailable,
                fmt::format("cannot listen for other nodes on {}: {}", address, error.message()));
  }
  return {};
}

Result<tcp::endpoint> OsNetwork::resolve(std::string_view address) {
  HostPort parts = TRY(internal::parse_host_port(address));
  error_code error;
  net::ip::address ip = net::ip::make_address(parts.host, error);
  if (!error) return tcp::endpoint(ip, parts.port);
  tcp::resolver resolver(hub_->context);
  auto found = resolver.resolve(parts.host, std::to_string(parts.port), error);
  if (error || found.empty()) {
    return fail(Code::invalid_argument,
                fmt::format("cannot listen for other nodes on {}: {}", address, error.message()));
  }
  return found.begin()->endpoint();
}

void OsNetwork::accept() {
  acceptor_->async_accept([this](error_code error, tcp::socket socket) {
    if (!error) {
      InboundLink::begin(*hub_, std::move(socket));
      return accept();
    }
    // Out of file descriptors, say.
    accept_again_->expires_after(std::chrono::milliseconds(100));
    accept_again_->async_wait([this](error_code cancelled) {
      if (!cancelled) accept();
    });
  });
}

void OsNetwork::stop() {
  if (!hub_) return;
  hub_->gate->close();
  hub_->context.stop();
  thread_.reset();
  // Only this thread is left. Operations under way hold their links until the context goes.
  links_.clear();
  hub_->inbound.clear();
  acceptor_.reset();
  accept_again_.reset();
  work_.reset();
  hub_.reset();
}

void OsNetwork::set_peer(PeerId peer, std::string_view address) {
  ASSERT(peer != PeerId{});
  std::lock_guard lock(mutex_);
  peers_[peer] = std::string(address);
  for (auto& [key, link] : links_) {
    if (key.first != peer) continue;
    net::post(hub_->context, [link = link, to = std::string(address)] { link->set_address(to); });
  }
}

void OsNetwork::remove_peer(PeerId peer) {
  std::lock_guard lock(mutex_);
  peers_.erase(peer);
  std::erase_if(links_, [&](const auto& entry) {
    if (entry.first.first != peer) return false;
    net::post(hub_->context, [link = entry.second] { link->retire(); });
    return true;
  });
}

bool OsNetwork::send(PeerId to, Channel channel, Parts parts) {
  ASSERT(hub_ != nullptr);
  ASSERT(parts.size() <= message_parts_max);
  std::size_t size = 0;
  for (const SharedBytes& part : parts) {
    ASSERT(part != nullptr);
    size += part->size();
  }
  ASSERT(size <= message_size_max);
  std::shared_ptr<OutboundLink> link = link_to(to, channel);
  return link && link->send(std::move(parts));
}

std::shared_ptr<OutboundLink> OsNetwork::link_to(PeerId to, Channel channel) {
  std::lock_guard lock(mutex_);
  auto peer = peers_.find(to);
  if (peer == peers_.end()) return nullptr;
  std::shared_ptr<OutboundLink>& link = links_[{to, channel}];
  if (!link) {
    Duration delay = options_.delay ? options_.delay(to).one_way : Duration{};
    link = std::make_shared<OutboundLink>(*hub_, to, channel, peer->second, delay);
  }
  return link;
}

std::uint64_t OsNetwork::queued_bytes(PeerId to, Channel channel) const {
  std::lock_guard lock(mutex_);
  auto found = links_.find({to, channel});
  return found == links_.end() ? 0 : found->second->queued_bytes();
}

}  // namespace

std::unique_ptr<Network> os_network(const OsNetworkOptions& options) {
  return std::make_unique<OsNetwork>(options);
}

}  // namespace meridian::io
