// How long a message to each peer and its answer take, measured all the time: what the failover
// bound follows from. A small message on the control channel at each look at the group (twice a
// second); the answer comes from the peer's raft executor, so its delay counts too, as it does for
// heartbeats.
//
//   ping = 8 time(8)     pong = 9 time(8), as it came (docs/formats/membership.md)
//
// On the raft executor.
#pragma once

#include <functional>
#include <map>

#include "io/clock.h"
#include "io/network.h"
#include "io/recent_max.h"
#include "io/recent_usual.h"
#include "replica/peer_message.h"

namespace meridian::replica {

class RoundTrips {
 public:
  static constexpr io::Duration window = io::seconds(30);  ///< io::RecentMax

  using Send = std::function<void(std::uint64_t to, io::Parts)>;
  RoundTrips(io::Clock& clock, Send send) : clock_(clock), send_(std::move(send)) {}

  void ask(std::uint64_t peer);
  /// A message of `from` with either tag.
  void receive(std::uint64_t from, const io::Parts& message);
  /// The longest of late; zero if it never answered.
  io::Duration longest(std::uint64_t peer) const;
  io::Duration usual(std::uint64_t peer) const;  ///< io::RecentUsual

 private:
  io::Clock& clock_;
  Send send_;
  struct Seen {
    io::RecentMax longest{window};
    io::RecentUsual usual;
  };
  std::map<std::uint64_t, Seen> seen_;
};

}  // namespace meridian::replica
