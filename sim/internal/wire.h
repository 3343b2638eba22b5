// What the nodes of a sim::Net share: who listens where, which paths are open, dice and timers.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "sim/network.h"
#include "sim/random.h"

namespace meridian::sim::internal {

class NetNode;

inline io::Duration sum(io::Duration a, io::Duration b) {
  return io::Duration{static_cast<std::int64_t>(a) + static_cast<std::int64_t>(b)};
}

class Wire {
 public:
  Wire(World& world, NetOptions options);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  const NetOptions& options() const { return options_; }
  Random& random() { return random_; }
  io::MonotonicTime now() { return world_.clock().monotonic(); }
  /// Without a delay time need not move for it.
  void after(io::Duration delay, io::Task task);

  Path path(const std::string& from, const std::string& to) const;
  /// How long the next message takes; throws the dice.
  io::Duration latency(const Path& path);
  io::Duration up_to(io::Duration longest);
  bool is_open(const std::string& from, const std::string& to) const;
  bool is_held(const std::string& from, const std::string& to, io::Channel channel) const;
  /// Shared, as tasks that die with an executor may outlive the wire.
  std::shared_ptr<NetCounts> counts(const std::string& from, const std::string& to,
                                    io::Channel channel);

  void add(NetNode& node);
  void remove(NetNode& node);
  NetNode* find(const std::string& name) const;
  /// Takes `address`, with a free port for port 0. Errors: as Network::start().
  Result<std::string> listen(NetNode& node, std::string_view address);
  NetNode* listener(const std::string& address) const;
  /// Who listens at `address`, or did last: what faults call it. Empty: nobody ever.
  std::string name_at(const std::string& address) const;

 private:
  friend class sim::Net;
  using Pair = std::pair<std::string, std::string>;  // from, to

  World& world_;
  NetOptions options_;
  Random random_;
  std::unique_ptr<io::Executor> executor_;
  std::map<std::string, NetNode*> nodes_;
  std::map<std::string, NetNode*> listeners_;  // by address
  std::map<std::string, std::string> names_;   // by address, kept
  std::map<Pair, Path> paths_;
  std::set<Pair> blocked_;
  std::set<std::string> isolated_;
  std::set<std::pair<Pair, io::Channel>> held_;
  std::map<std::pair<Pair, io::Channel>, std::shared_ptr<NetCounts>> counts_;
  unsigned free_port_ = 20'000;
};

}  // namespace meridian::sim::internal
