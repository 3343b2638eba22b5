// The io::Network of one simulated node: its links, and its end of those of others.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/network.h"
#include "sim/internal/net_link.h"
#include "sim/internal/wire.h"

namespace meridian::sim::internal {

class NetNode final : public io::Network {
 public:
  NetNode(Wire& wire, std::string name);
  ~NetNode() override;
  NetNode(const NetNode&) = delete;
  NetNode& operator=(const NetNode&) = delete;

  Status start(std::string_view address, Buffer hello, io::Executor& executor,
               Handler handler) override;
  std::string address() const override { return address_; }
  void set_peer(io::PeerId peer, std::string_view address) override;
  void remove_peer(io::PeerId peer) override;
  bool send(io::PeerId to, io::Channel channel, io::Parts parts) override;
  std::uint64_t queued_bytes(io::PeerId to, io::Channel channel) const override;

  // For Wire and NetLink:
  const std::string& name() const { return name_; }
  const Buffer& hello() const { return hello_; }
  /// Runs `task(handler)` on the node's executor unless the node is gone by then; true if it ran.
  void call(std::function<void(const Handler&)> task, std::function<void()> otherwise = {});
  /// Asks the handler, within the limits. On the node's executor.
  Result<io::PeerId> admit(const Handler& handler, Bytes hello) const;
  void add(const std::shared_ptr<Inbound>& inbound);
  /// Another node's process died.
  void tell_gone(const NetNode& node);
  std::vector<std::shared_ptr<NetLink>> links_to(const std::string& name) const;

 private:
  Wire& wire_;
  std::string name_;
  std::string address_;
  Buffer hello_;
  io::Executor* executor_ = nullptr;  // null until started
  std::shared_ptr<Handler> handler_;  // tasks hold it weakly: none runs when this is gone
  std::map<io::PeerId, std::string> peers_;
  std::map<std::pair<io::PeerId, io::Channel>, std::shared_ptr<NetLink>> links_;
  mutable std::vector<std::weak_ptr<Inbound>> inbound_;  // those that live; pruned when counted
};

}  // namespace meridian::sim::internal
