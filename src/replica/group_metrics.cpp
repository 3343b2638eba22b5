#include "replica/group_metrics.h"

#include <string>

namespace meridian::replica {

GroupMetrics::GroupMetrics(metrics::Registry& registry)
    : registry_(registry),
      term_(registry.gauge("meridian_raft_term", "Term of this replica.")),
      is_leader_(registry.gauge("meridian_raft_is_leader", "1 if this replica leads, else 0.")),
      commit_index_(registry.gauge("meridian_raft_commit_index",
                                   "Newest entry that this replica knows to be committed.")),
      applied_index_(registry.gauge("meridian_raft_applied_index",
                                    "Newest entry that is part of this replica's state.")),
      global_index_(registry.gauge(
          "meridian_raft_global_index",
          "Newest entry that is known to be in two regions; 0 on a replica that does not lead.")),
      failover_bound_ms_(registry.gauge(
          "meridian_raft_failover_bound_ms",
          "Longest time from the death of a leader to the next commit, with a healthy quorum.")),
      election_timeout_ms_(
          registry.gauge("meridian_raft_election_timeout_ms",
                         "Silence of a leader after which this replica may stand for election.")),
      lacks_room_(registry.gauge("meridian_raft_lacks_room",
                                 "1 if the disk is so full that the log takes nothing, else 0.")),
      client_pace_(registry.gauge(
          "meridian_client_pace_percent",
          "What this leader lets clients write, in percent of what they wrote before a replica "
          "that is not level yet copied its state; 100: as much as they like.")),
      clock_ahead_ms_(registry.gauge(
          "meridian_clock_ahead_milliseconds",
          "How far this replica's clock is ahead of the median of those of the voters that answer; "
          "beyond 500 either way it orders nothing and hands leadership over.")),
      elections_(registry.counter("meridian_raft_elections_total",
                                  "Elections that this replica stood for since it was opened.")) {}

void GroupMetrics::show(const GroupReport& report) {
  const auto set = [](metrics::Gauge& gauge, std::uint64_t value) {
    gauge.set(static_cast<std::int64_t>(value));
  };
  set(term_, report.term);
  set(is_leader_, report.role == consensus::Role::leader ? 1 : 0);
  set(commit_index_, report.commit_index);
  set(applied_index_, report.applied_index);
  set(global_index_, report.global_index);
  set(failover_bound_ms_, report.failover_bound_ms);
  set(election_timeout_ms_, report.election_timeout_ms);
  set(lacks_room_, report.lacks_room ? 1 : 0);
  elections_.increment(report.elections - elections_shown_);
  elections_shown_ = report.elections;
  for (const GroupReport::Peer& peer : report.peers) {
    metrics::Gauge*& gauge = peer_lag_[peer.member.id];
    if (gauge == nullptr)
      gauge = &registry_.gauge("meridian_raft_peer_lag_entries",
                               "Entries of the leader's log that a peer is not known to have; 0 on "
                               "a replica that does not lead.",
                               {{"peer", std::to_string(peer.member.id)}});
    set(*gauge, peer.lag);
  }
}

}  // namespace meridian::replica
