// How a replica of several stands: its view of who leads, what is committed, how far others are.
//
// Values. Made on the raft executor (RaftNode::report).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "consensus/raft_node.h"
#include "replica/group_config.h"

namespace meridian::replica {

struct GroupReport {
  struct Peer {
    MemberInfo member;
    std::string client_address;
    bool votes = false;
    // The rest is known to a leader only.
    std::uint64_t matched = 0;  ///< Its log is known to hold this entry.
    std::uint64_t lag = 0;      ///< Entries of the leader's log after that.
    consensus::PeerProgress::State state = consensus::PeerProgress::State::probe;
    bool is_active = false;  ///< It answered within an election timeout.
  };

  std::uint64_t id = 0;
  std::string region;
  consensus::Role role = consensus::Role::follower;
  bool may_propose = false;  ///< Leads and has applied all that earlier leaders ordered.
  std::uint64_t term = 0;
  std::uint64_t leader = 0;    ///< 0: not known.
  std::string leader_address;  ///< For clients; empty: not known.
  std::uint64_t commit_index = 0, applied_index = 0, last_index = 0;
  std::uint64_t global_index = 0;  ///< Entries known to be in two regions; 0 if it does not lead.
  std::uint64_t elections = 0;     ///< That it stood for since it was opened.
  std::uint64_t failover_bound_ms = 0;
  std::vector<Peer> peers;  ///< By id.
};

}  // namespace meridian::replica
