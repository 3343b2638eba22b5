#include "sim/internal/net_node.h"

#include <fmt/format.h>

#include "base/assert.h"

namespace meridian::sim::internal {

NetNode::NetNode(Wire& wire, std::string name) : wire_(wire), name_(std::move(name)) {
  wire_.add(*this);
}

NetNode::~NetNode() {
  handler_.reset();
  links_.clear();
  wire_.remove(*this);
  for (const auto& weak : inbound_) {
    if (auto inbound = weak.lock()) inbound->node = nullptr;
  }
}

Status NetNode::start(std::string_view address, Buffer hello, io::Executor& executor,
                      Handler handler) {
  ASSERT(executor_ == nullptr);
  std::size_t hello_max = wire_.options().limits.hello_size_max;
  if (hello.size() > hello_max) {
    return fail(Code::invalid_argument,
                fmt::format("a hello of {} bytes is longer than {}", hello.size(), hello_max));
  }
  address_ = TRY(wire_.listen(*this, address));
  hello_ = std::move(hello);
  executor_ = &executor;
  handler_ = std::make_shared<Handler>(std::move(handler));
  return {};
}

void NetNode::set_peer(io::PeerId peer, std::string_view address) {
  ASSERT(peer != io::PeerId{});
  peers_[peer] = std::string(address);
  for (auto& [key, link] : links_) {
    if (key.first == peer) link->set_address(std::string(address));
  }
}

void NetNode::remove_peer(io::PeerId peer) {
  peers_.erase(peer);
  std::erase_if(links_, [&](const auto& entry) { return entry.first.first == peer; });
}

bool NetNode::send(io::PeerId to, io::Channel channel, io::Parts parts) {
  ASSERT(executor_ != nullptr);
  ASSERT(parts.size() <= io::message_parts_max);
  std::size_t size = 0;
  for (const io::SharedBytes& part : parts) {
    ASSERT(part != nullptr);
    size += part->size();
  }
  ASSERT(size <= io::message_size_max);
  auto peer = peers_.find(to);
  if (peer == peers_.end()) return false;
  std::shared_ptr<NetLink>& link = links_[{to, channel}];
  if (!link) link = std::make_shared<NetLink>(wire_, *this, to, channel, peer->second);
  return link->send(std::move(parts));
}

std::uint64_t NetNode::queued_bytes(io::PeerId to, io::Channel channel) const {
  auto found = links_.find({to, channel});
  return found == links_.end() ? 0 : found->second->queued_bytes();
}

void NetNode::call(std::function<void(const Handler&)> task, std::function<void()> otherwise) {
  ASSERT(executor_ != nullptr);
  executor_->post([weak = std::weak_ptr<Handler>(handler_), task = std::move(task),
                   otherwise = std::move(otherwise)] {
    if (auto handler = weak.lock()) {
      task(*handler);
    } else if (otherwise) {
      otherwise();
    }
  });
}

Result<io::PeerId> NetNode::admit(const Handler& handler, Bytes hello) const {
  const io::NetworkLimits& limits = wire_.options().limits;
  std::erase_if(inbound_, [](const auto& weak) { return weak.expired(); });
  if (inbound_.size() >= limits.inbound_links_max) {
    return fail(Code::resource_exhausted,
                fmt::format("{} links are open here already", inbound_.size()));
  }
  return handler.admit(hello, nullptr);
}

void NetNode::add(const std::shared_ptr<Inbound>& inbound) { inbound_.push_back(inbound); }

void NetNode::tell_gone(const NetNode& node) {
  for (auto& [key, link] : links_) {
    if (link->inbound() && link->inbound()->node == &node) link->tell_gone();
  }
}

std::vector<std::shared_ptr<NetLink>> NetNode::links_to(const std::string& name) const {
  std::vector<std::shared_ptr<NetLink>> found;
  for (const auto& [key, link] : links_) {
    if (link->to() == name) found.push_back(link);
  }
  return found;
}

}  // namespace meridian::sim::internal
