// What clients ask for: each workload makes one request at random.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ledger/entry.h"
#include "sim/random.h"

namespace meridian::sim_cluster {

/// What the clients of a cell remember together.
struct ClientMemory {
  std::uint64_t accounts = 0;  ///< 1 to so many are there.
  u128 next_id = 1'000'000;
  std::vector<u128> pendings;               ///< Newest last.
  std::map<u128, std::uint64_t> revisions;  ///< Of streams: how many events were sent.
};

struct NewRequest {
  std::unique_ptr<ledger::Request> request = std::make_unique<ledger::Request>();
  std::vector<u128> ids{};  ///< One a command.
};

struct Workload {
  std::string_view name;
  NewRequest (*next)(ClientMemory&, sim::Random&);
  /// How often a request that was answered is sent again, through another door.
  double repeats = 0.02;
};

/// transfers, hot_account, two_phase, streams, retries, mix.
std::span<const Workload> workloads();
const Workload* find_workload(std::string_view name);

}  // namespace meridian::sim_cluster
