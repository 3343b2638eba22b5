// The network between simulated nodes: an io::Network for each, and everything that goes wrong.
//
// A test owns one Net and makes a Network per running node; each starts, sends and is destroyed as
// in production. Destroying one is the crash of its process: what is in flight to it and what it
// had queued is lost; make_network() with the same name is its restart. Of what
// it had already sent about half still arrives, from the dead. Everything happens on an executor of
// the World, with dice thrown from the World's seed, so a seed replays. Links behave as the ones of
// os_network(): one per peer and channel, made by a round trip, admitted by the receiver, refused,
// broken and made again after reconnect_after. Worse than they: messages of a link that stays up
// may be lost, doubled or overtaken, and some of a broken link come late. One thread only. Outlives
// its Networks; the World outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/network.h"
#include "sim/world.h"

namespace meridian::sim {

/// What befalls messages from one node to another; the other direction has its own.
struct Path {
  io::Duration latency = io::milliseconds(1);
  io::Duration jitter{};  ///< Added to latency: uniform in [0, jitter]. Keeps the order.
  double loss = 0;        ///< Probability, 0 to 1; of each message, also the two below.
  double duplicate = 0;   ///< Arrives again, up to `late_max` later.
  double reorder = 0;     ///< Comes up to `late_max` late, and others of its link overtake it.
  io::Duration late_max = io::milliseconds(50);
  std::uint64_t bytes_per_second = 0;  ///< Of each channel by itself; 0: no limit.
};

struct NetOptions {
  io::NetworkLimits limits;
  /// The path of a pair that set_path() says nothing of, e.g. from a table of regions. None:
  /// Path{}.
  std::function<Path(const std::string& from, const std::string& to)> path;
  /// What arrives is a copy, as from a socket, so that no test passes because two nodes share
  /// memory. Without: the buffers that were sent, to run large tests faster.
  bool copy_parts = true;
};

/// Messages. sent + doubled = delivered + lost + those under way.
struct NetCounts {
  std::uint64_t sent = 0;       ///< send() took it.
  std::uint64_t refused = 0;    ///< send() did not; counted nowhere else.
  std::uint64_t doubled = 0;    ///< Second arrivals that were scheduled.
  std::uint64_t delivered = 0;  ///< The handler was called.
  std::uint64_t lost = 0;
};

namespace internal {
class Wire;
}

class Net {
 public:
  explicit Net(World& world, NetOptions options = {});
  /// Asserts that its networks are gone.
  ~Net();
  Net(const Net&) = delete;
  Net& operator=(const Net&) = delete;

  /// The network of node `name`, until destroyed. Asserts that no other of that name lives.
  /// Its start() takes any host name; addresses are this Net's alone.
  std::unique_ptr<io::Network> make_network(std::string name);

  void set_path(const std::string& from, const std::string& to, const Path& path);
  void set_path_both_ways(const std::string& a, const std::string& b, const Path& path);

  /// A partition, of one direction: what leaves or arrives while blocked is lost, no link can be
  /// made either way, and nobody is told: a link that is up stays up.
  void block(const std::string& from, const std::string& to);
  void block_both_ways(const std::string& a, const std::string& b);
  void unblock(const std::string& from, const std::string& to);
  /// Blocks each node from all nodes of other groups, both ways. Nodes not named are untouched.
  void partition(const std::vector<std::vector<std::string>>& groups);
  /// Blocks `name` from every other node, also those made later, both ways.
  void isolate(const std::string& name);

  /// A data path that is stuck while other channels flow: messages wait in the queue of the sender,
  /// until it is full, and go on in order when released.
  void hold(const std::string& from, const std::string& to, io::Channel channel);
  void release(const std::string& from, const std::string& to, io::Channel channel);

  /// Ends all of the above: blocks, isolations and holds; set_path() stays.
  void heal();

  /// The links from `from` to `to` that are up break now, and the sender is told. What was queued
  /// is lost; of what is in flight about half.
  void break_links(const std::string& from, const std::string& to);
  void break_link(const std::string& from, const std::string& to, io::Channel channel);

  /// Of all nodes, or of one direction, since the beginning.
  NetCounts counts(io::Channel channel) const;
  NetCounts counts(const std::string& from, const std::string& to, io::Channel channel) const;

 private:
  std::unique_ptr<internal::Wire> wire_;
};

}  // namespace meridian::sim
