// One simulated life of a cell, all of it chosen by a seed: what clients do, what goes wrong.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "replica/canary.h"
#include "sim_cluster/group.h"

namespace meridian::sim_cluster {

struct Plan {
  std::uint64_t seed = 1;
  std::string workload{};  ///< Empty: one that the seed chooses.
  std::string fault{};     ///< One or several, with commas; empty: what the seed chooses.
  std::string canary{};    ///< A planted bug; empty: none.
};

/// The one command that runs `plan` again.
std::string command_of(const Plan& plan);

struct RunResult {
  std::optional<std::string> violation;
  std::string workload;
  std::vector<std::string> faults;
  std::uint64_t trace_hash = 0;
  std::uint64_t strikes = 0;     ///< Faults that happened.
  std::uint64_t copies = 0;      ///< States copied from a peer.
  std::uint64_t resupplies = 0;  ///< Logs whose end was in doubt.
  std::uint64_t repairs = 0;     ///< Of replicas that had rotted.
  std::uint64_t replaced = 0;    ///< Machines, by the operator.
  std::uint64_t upgrades = 0;    ///< Cells that began at level 1 and ended at the newest.
  std::uint64_t outdated = 0;    ///< Replicas that stopped as the cell's level was newer.
  std::uint64_t lost_nodes = 0;
  std::uint64_t simulated_ms = 0;
  Clients::Counts clients{};
  Checker::Counts checks{};
};

/// `trace`: told of every fault, with the time.
RunResult run(const Plan& plan, const std::function<void(const std::string&)>& trace = {});

/// Planted bugs, with the workload and fault that show each soonest.
struct CanaryPlan {
  std::string_view name;
  bool replica::Canary::*bug;
  std::string_view workload, fault;
};
std::span<const CanaryPlan> canaries();
const CanaryPlan* find_canary(std::string_view name);

}  // namespace meridian::sim_cluster
