#include "sim/internal/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/assert.h"
#include "sim/internal/net_node.h"

namespace meridian::sim::internal {
namespace {

constexpr unsigned port_max = 65'535;

std::uint64_t seed_from(Entropy& entropy) {
  std::array<Byte, 8> bytes{};
  entropy.fill(bytes);
  return load_le<std::uint64_t>(bytes.data());
}

/// The parts of "host:port"; none if it is no such thing.
std::optional<std::pair<std::string, unsigned>> split(std::string_view address) {
  std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view digits = address.substr(colon + 1);
  unsigned port = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  if (port > port_max) return std::nullopt;
  return std::pair{std::string(address.substr(0, colon)), port};
}

}  // namespace

Wire::Wire(World& world, NetOptions options)
    : world_(world),
      options_(std::move(options)),
      random_(seed_from(world.entropy())),
      executor_(world.make_executor("wire")) {}

Wire::~Wire() { ASSERT(nodes_.empty()); }

Path Wire::path(const std::string& from, const std::string& to) const {
  auto found = paths_.find({from, to});
  if (found != paths_.end()) return found->second;
  return options_.path ? options_.path(from, to) : Path{};
}

io::Duration Wire::up_to(io::Duration longest) {
  ASSERT(longest >= io::Duration{});
  std::uint64_t limit = static_cast<std::uint64_t>(longest) + 1;
  return io::Duration{static_cast<std::int64_t>(random_.below(limit))};
}

io::Duration Wire::latency(const Path& path) { return sum(path.latency, up_to(path.jitter)); }

void Wire::after(io::Duration delay, io::Task task) {
  if (delay == io::Duration{}) {
    executor_->post(std::move(task));
  } else {
    executor_->post_after(delay, std::move(task));
  }
}

std::shared_ptr<NetCounts> Wire::counts(const std::string& from, const std::string& to,
                                        io::Channel channel) {
  std::shared_ptr<NetCounts>& counts = counts_[{{from, to}, channel}];
  if (!counts) counts = std::make_shared<NetCounts>();
  return counts;
}

bool Wire::is_open(const std::string& from, const std::string& to) const {
  if (from == to) return true;
  if (isolated_.contains(from) || isolated_.contains(to)) return false;
  return !blocked_.contains({from, to});
}

bool Wire::is_held(const std::string& from, const std::string& to, io::Channel channel) const {
  return held_.contains({{from, to}, channel});
}

void Wire::add(NetNode& node) {
  bool is_new = nodes_.emplace(node.name(), &node).second;
  ASSERT(is_new);  // a restart destroys the old network first
}

void Wire::remove(NetNode& node) {
  nodes_.erase(node.name());
  std::erase_if(listeners_, [&](const auto& entry) { return entry.second == &node; });
  for (auto& [name, other] : nodes_) other->tell_gone(node);
}

NetNode* Wire::find(const std::string& name) const {
  auto found = nodes_.find(name);
  return found == nodes_.end() ? nullptr : found->second;
}

Result<std::string> Wire::listen(NetNode& node, std::string_view address) {
  auto parts = split(address);
  if (!parts) {
    return fail(Code::invalid_argument,
                fmt::format("cannot listen on \"{}\": write host:port", address));
  }
  auto& [host, port] = *parts;
  std::string whole = fmt::format("{}:{}", host, port);
  while (port == 0 || listeners_.contains(whole)) {
    if (port != 0 && !address.ends_with(":0")) {
      return fail(Code::unavailable, fmt::format("cannot listen on {}: address in use by {}", whole,
                                                 listeners_.at(whole)->name()));
    }
    port = free_port_++;
    ASSERT(port <= port_max);
    whole = fmt::format("{}:{}", host, port);
  }
  listeners_[whole] = &node;
  names_[whole] = node.name();
  return whole;
}

NetNode* Wire::listener(const std::string& address) const {
  auto found = listeners_.find(address);
  return found == listeners_.end() ? nullptr : found->second;
}

std::string Wire::name_at(const std::string& address) const {
  auto found = names_.find(address);
  return found == names_.end() ? std::string() : found->second;
}

}  // namespace meridian::sim::internal
