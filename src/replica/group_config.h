// What a replica of several is told: who it is, where it listens, and who founded the cell.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/u128.h"
#include "consensus/raft_node.h"
#include "io/network.h"

namespace meridian::replica {

struct MemberInfo {
  std::uint64_t id = 0;  ///< Raft id: of one disk, for ever.
  std::string region;
  std::string address;  ///< "host:port" where its peers reach it.
  u128 storage = 0;     ///< Of the disk that the id belongs to, if a record says so; else 0.
  bool operator==(const MemberInfo&) const = default;
};

struct GroupConfig {
  std::uint64_t id = 0;  ///< Of this replica.
  std::string region;
  std::string listen;  ///< "host:port" for peers.
  /// The same list on every founder, this one included. On a replica that joins later: members that
  /// it may ask.
  std::vector<MemberInfo> founders;
  bool joins = false;          ///< Was no founder: starts empty, and copies a member's state.
  std::string client_address;  ///< Where clients reach this replica, for others to send them here.
  std::string home;            ///< Region that leadership moves back to; empty: stays where it is.
  consensus::Timing timing;
  /// The worst there should be, for the failover bound that is reported.
  io::Duration round_trip{}, sync{};
  consensus::RaftLimits limits;
  std::uint64_t copy_bytes_per_second = 0;  ///< When taking a state; 0: no limit.
  /// Of its log past a checkpoint that it keeps as a leader for members that copy its state
  /// (RaftNode::keep_for_copies), and at most half of the disk's free bytes.
  std::uint64_t copy_log_bytes_max = std::uint64_t{16} << 30;
};

}  // namespace meridian::replica
