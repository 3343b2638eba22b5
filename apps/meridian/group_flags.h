// The flags of `meridian serve` that make a node one of a cell's replicas, read and checked.
//
// Values. What the flags do not say follows from the list of founders: region and peers' address of
// this replica, the id of the cell, the timing. One that joins a running cell says it all itself,
// at its first start; later ones read it from its directory (joined_file.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/u128.h"
#include "io/network.h"
#include "replica/group_config.h"

namespace CLI {
class App;
}

namespace meridian::app {

struct GroupFlags {
  std::uint64_t replica_id = 0;
  std::string region;
  std::string home;
  std::string peer_listen;
  std::vector<std::string> founders;
  std::vector<std::string> joins;  ///< Members of the cell that it asks.
  std::string advertise;
  std::string cell;
  std::vector<std::string> link_delays;
  double round_trip_ms = -1;       ///< Less than 0: not given.
  std::int64_t copy_log_mib = -1;  ///< Likewise.
};
void add_group_flags(CLI::App& command, GroupFlags& flags);

struct GroupSettings {
  replica::GroupConfig config;
  io::OsNetworkOptions network;  ///< With the delays of a test.
  /// The cell's id, if nobody named one; none: this replica joins, and cannot know.
  std::optional<u128> derived_cell;
};

/// "1=eu@127.0.0.1:7501". Errors: invalid_argument naming `flag` and what is wrong.
Result<replica::MemberInfo> parse_member(std::string_view text, std::string_view flag);
/// 32 hexadecimal digits, with or without the hyphens of a UUID. Errors: invalid_argument.
Result<u128> parse_cell(std::string_view text);
/// The same for the same founders in any order: all of them begin the same cell.
u128 derive_cell(std::string_view deployment, std::vector<replica::MemberInfo> founders);
/// None: the node is alone. `grpc`: where it listens for clients. Errors: invalid_argument naming
/// the flag and what it lacks; permission_denied if peers would be listened to beyond loopback
/// though it `is_dev`.
Result<std::optional<GroupSettings>> parse_group(const GroupFlags& flags,
                                                 std::string_view deployment,
                                                 const std::string& grpc, bool is_dev);

}  // namespace meridian::app
