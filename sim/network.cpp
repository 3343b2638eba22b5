#include "sim/network.h"

#include "base/assert.h"
#include "sim/internal/net_link.h"
#include "sim/internal/net_node.h"
#include "sim/internal/wire.h"

namespace meridian::sim {
namespace {

void add(NetCounts& sum, const NetCounts& more) {
  sum.sent += more.sent;
  sum.refused += more.refused;
  sum.doubled += more.doubled;
  sum.delivered += more.delivered;
  sum.lost += more.lost;
}

}  // namespace

Net::Net(World& world, NetOptions options)
    : wire_(std::make_unique<internal::Wire>(world, std::move(options))) {}

Net::~Net() = default;

std::unique_ptr<io::Network> Net::make_network(std::string name) {
  ASSERT(!name.empty());
  return std::make_unique<internal::NetNode>(*wire_, std::move(name));
}

void Net::set_path(const std::string& from, const std::string& to, const Path& path) {
  wire_->paths_[{from, to}] = path;
}

void Net::set_path_both_ways(const std::string& a, const std::string& b, const Path& path) {
  set_path(a, b, path);
  set_path(b, a, path);
}

void Net::block(const std::string& from, const std::string& to) {
  ASSERT(from != to);
  wire_->blocked_.insert({from, to});
}

void Net::block_both_ways(const std::string& a, const std::string& b) {
  block(a, b);
  block(b, a);
}

void Net::unblock(const std::string& from, const std::string& to) {
  wire_->blocked_.erase({from, to});
}

void Net::partition(const std::vector<std::vector<std::string>>& groups) {
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (std::size_t k = i + 1; k < groups.size(); ++k) {
      for (const std::string& a : groups[i]) {
        for (const std::string& b : groups[k]) block_both_ways(a, b);
      }
    }
  }
}

void Net::isolate(const std::string& name) { wire_->isolated_.insert(name); }

void Net::hold(const std::string& from, const std::string& to, io::Channel channel) {
  wire_->held_.insert({{from, to}, channel});
}

void Net::release(const std::string& from, const std::string& to, io::Channel channel) {
  wire_->held_.erase({{from, to}, channel});
  internal::NetNode* node = wire_->find(from);
  if (node == nullptr) return;
  for (const auto& link : node->links_to(to)) link->resume();
}

void Net::heal() {
  wire_->blocked_.clear();
  wire_->isolated_.clear();
  auto held = wire_->held_;
  for (const auto& [pair, channel] : held) release(pair.first, pair.second, channel);
}

void Net::break_links(const std::string& from, const std::string& to) {
  for (std::size_t i = 0; i < io::channel_count; ++i) {
    break_link(from, to, static_cast<io::Channel>(i));
  }
}

void Net::break_link(const std::string& from, const std::string& to, io::Channel channel) {
  internal::NetNode* node = wire_->find(from);
  if (node == nullptr) return;
  for (const auto& link : node->links_to(to)) {
    if (link->channel() == channel) link->break_now("the link was cut");
  }
}

NetCounts Net::counts(io::Channel channel) const {
  NetCounts sum;
  for (const auto& [key, counts] : wire_->counts_) {
    if (key.second == channel) add(sum, *counts);
  }
  return sum;
}

NetCounts Net::counts(const std::string& from, const std::string& to, io::Channel channel) const {
  return *wire_->counts(from, to, channel);
}

}  // namespace meridian::sim
