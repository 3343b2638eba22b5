// Clients of a simulated cell: send through any door, send again what has no known outcome, read.
//
// What they are told goes to the Checker. One thread: the World's.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "sim_cluster/checker.h"
#include "sim_cluster/workloads.h"

namespace meridian::sim_cluster {

class Clients {
 public:
  Clients(Checker& checker, sim::Random random) : checker_(checker), random_(random) {}

  /// From now on there are accounts 1 to `count`, and requests are of `workload`.
  void use(std::uint64_t count, const Workload& workload);
  /// Sends one request through `node`: a new one, or one sent before with the same ids. Nothing if
  /// there is no account, or the node is down.
  void send(Node& node);
  /// A linearizable read.
  void read(Node& node);

  struct Counts {
    std::uint64_t sent, repeated, acknowledged, refused, unknown;
  };
  Counts counts() const { return counts_; }

 private:
  struct Sent {
    std::unique_ptr<ledger::Request> request;  // a copy, to send again
    std::vector<u128> ids;
    bool is_open = false;
    bool was_refused = false;  // by every door so far
    bool was_unknown = false;
    bool was_answered = false;
  };
  std::size_t choose();
  void submit(Node& node, std::size_t number);
  void take_answer(std::size_t number, const Result<replica::Answer>& answer);

  Checker& checker_;
  sim::Random random_;
  const Workload* workload_ = nullptr;
  ClientMemory memory_;
  std::vector<Sent> sent_;
  std::deque<std::size_t> unknown_;
  Counts counts_{};
};

}  // namespace meridian::sim_cluster
