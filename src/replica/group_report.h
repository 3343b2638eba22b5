// How a replica of several stands: its view of who leads, what is committed, how far others are.
//
// Values. Made on the raft executor (RaftNode::report).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/u128.h"
#include "consensus/raft_node.h"
#include "replica/group_config.h"

namespace meridian::replica {

struct GroupReport {
  enum class Part : std::uint8_t {
    none,     ///< Is no member.
    learner,  ///< Gets the log, has no vote.
    voter,
    leaving,  ///< Votes until the change under way is complete, then it is a member no more.
  };
  struct Peer {
    MemberInfo member;
    std::string client_address;
    u128 storage = 0;  ///< Its disk's, as it said when it linked to us; 0: not known.
    Part part = Part::none;
    bool votes = false;
    // The rest is known to a leader only.
    std::uint64_t matched = 0;  ///< Its log is known to hold this entry.
    std::uint64_t lag = 0;      ///< Entries of the leader's log after that.
    consensus::PeerProgress::State state = consensus::PeerProgress::State::probe;
    bool is_active = false;  ///< It was heard of within two election timeouts.
  };

  std::uint64_t id = 0;
  std::string region;
  std::string address;         ///< Where its peers reach it.
  std::string client_address;  ///< Where clients do.
  u128 storage = 0;
  Part part = Part::none;
  bool is_changing = false;               ///< A change of members is not complete.
  std::vector<std::uint64_t> ids_left{};  ///< Of members that left: never used again.
  consensus::Role role = consensus::Role::follower;
  bool may_propose = false;  ///< Leads and has applied all that earlier leaders ordered.
  std::uint64_t term = 0;
  std::uint64_t leader = 0;    ///< 0: not known.
  std::string leader_address;  ///< For clients; empty: not known.
  std::uint64_t commit_index = 0, applied_index = 0, last_index = 0;
  std::uint64_t global_index = 0;  ///< Entries known to be in two regions; 0 if it does not lead.
  std::uint64_t elections = 0;     ///< That it stood for since it was opened.
  std::uint64_t failover_bound_ms = 0;
  std::uint64_t election_timeout_ms = 0;
  bool lacks_room = false;  ///< Its disk is full: its log takes nothing until there is room.
  std::vector<Peer> peers;  ///< By id.
};

GroupReport::Part part_of(const consensus::Membership& membership, std::uint64_t id);

}  // namespace meridian::replica
