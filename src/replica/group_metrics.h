// The group's state as metrics: meridian_raft_*. Owned by the raft executor.
#pragma once

#include <cstdint>
#include <map>

#include "metrics/registry.h"
#include "replica/group_report.h"

namespace meridian::replica {

class GroupMetrics {
 public:
  explicit GroupMetrics(metrics::Registry& registry);
  void show(const GroupReport& report);
  void show_client_pace(std::uint64_t percent) {
    client_pace_.set(static_cast<std::int64_t>(percent));
  }
  void show_clock_ahead(io::Duration ahead) {
    clock_ahead_ms_.set(static_cast<std::int64_t>(ahead) / 1'000'000);
  }

 private:
  metrics::Registry& registry_;
  metrics::Gauge& term_;
  metrics::Gauge& is_leader_;
  metrics::Gauge& commit_index_;
  metrics::Gauge& applied_index_;
  metrics::Gauge& global_index_;
  metrics::Gauge& failover_bound_ms_;
  metrics::Gauge& election_timeout_ms_;
  metrics::Gauge& lacks_room_;
  metrics::Gauge& client_pace_;
  metrics::Gauge& clock_ahead_ms_;
  metrics::Counter& elections_;
  std::uint64_t elections_shown_ = 0;
  std::map<std::uint64_t, metrics::Gauge*> peer_lag_;  ///< Made when a peer is first seen.
};

}  // namespace meridian::replica
