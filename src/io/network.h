// Messages between the nodes of a cell: the only door to their links. os_network() talks TCP;
// sim::Network loses, delays, doubles and reorders.
//
// Unreliable on purpose, as Raft expects: a message arrives once, or not at all, or (in the
// simulator) twice or late; an answer is the only proof of arrival. What arrives is whole and
// unchanged. Each channel of each peer is a link of its own, so that a MiB of entries never delays
// a heartbeat. Parts of a message are shared, never copied, and arrive as the same parts.
// Thread-safe. Handlers are called on the executor given to start() and must be short.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/clock.h"
#include "io/executor.h"
#include "io/link_security.h"

namespace meridian::io {

enum class PeerId : std::uint64_t {};  ///< A replica's Raft id: never 0, never used again.

enum class Channel : std::uint8_t {
  control,  ///< Heartbeats, votes, acknowledgements: small and urgent.
  entries,  ///< Log entries.
  bulk,     ///< State and segments being copied.
};
inline constexpr std::size_t channel_count = 3;

using SharedBytes = std::shared_ptr<const Buffer>;
using Parts = std::vector<SharedBytes>;  ///< Of a message, in order; none is null.

inline constexpr std::size_t message_parts_max = 65'536;
inline constexpr std::size_t message_size_max = 16 << 20;  ///< All parts together.

/// What a message counts for in a queue: its bytes, and the memory around it and around each part.
inline std::uint64_t queue_cost(const Parts& parts) {
  constexpr std::uint64_t each = 64;
  std::uint64_t cost = each;
  for (const SharedBytes& part : parts) cost += each + part->size();
  return cost;
}

struct NetworkLimits {
  /// Waiting on one link, by queue_cost(); a message that does not fit is not queued. One always
  /// fits an empty link.
  std::uint64_t queued_bytes_max = 64 << 20;
  /// Received on one link and not yet handled; then it is not read on until half of that is.
  std::uint64_t undelivered_bytes_max = 32 << 20;
  std::size_t hello_size_max = 512;
  std::size_t inbound_links_max = 256;
  Duration reconnect_after = milliseconds(100);
  Duration connect_timeout = seconds(2);
};

class Network {
 public:
  struct Handler {
    /// Another node introduced itself: who it is, or why it may not talk to us (its link closes and
    /// it is told why). `shown` is who its certificate says it is, which its hello must not
    /// contradict; null on a link in the clear.
    std::function<Result<PeerId>(Bytes hello, const LinkPeer* shown)> admit;
    /// In the order sent, except in the simulator.
    std::function<void(PeerId from, Channel channel, Parts parts)> received;
    /// Our link to `peer` came up, or broke (`why` says how, for people): then what was sent on it
    /// may be lost, and what was queued is. A link that cannot be made is told as broken once, and
    /// again when the reason changes, e.g. from nobody listening to a refusal of its admit().
    std::function<void(PeerId peer, Channel channel, bool is_up, const std::string& why)> link;
  };

  /// Stops, once a handler that runs is done; none is called any more.
  virtual ~Network() = default;
  /// Listens at `address` ("host:port"; port 0 takes a free one) and introduces itself to others
  /// with `hello`. Once, before all else. Errors: unavailable if the address is in use,
  /// invalid_argument if it is none or `hello` is longer than hello_size_max.
  virtual Status start(std::string_view address, Buffer hello, Executor& executor,
                       Handler handler) = 0;
  /// Where start() listens, with the port it got.
  virtual std::string address() const = 0;

  /// Where `peer` listens. Connects when something is sent, and again while there is a peer.
  /// A changed address breaks the old links. One that is none is told by Handler::link.
  virtual void set_peer(PeerId peer, std::string_view address) = 0;
  /// Closes its links, without telling; what was queued is lost. Its own links to us are its.
  virtual void remove_peer(PeerId peer) = 0;

  /// Queues `parts` and returns at once. False if they were not: unknown peer, link down (it is
  /// being connected; Handler::link will tell) or full. Asserts the limits above.
  virtual bool send(PeerId to, Channel channel, Parts parts) = 0;
  /// Queued on the link and not yet handed to the kernel: what a sender bounds itself by.
  virtual std::uint64_t queued_bytes(PeerId to, Channel channel) const = 0;
};

/// Tests of distant regions on one machine: every message is held back before it is written.
struct LinkDelay {
  Duration one_way{};
};

struct OsNetworkOptions {
  NetworkLimits limits;
  /// Asked for each link when it is first used, by the thread that does. None: no delay.
  std::function<LinkDelay(PeerId to)> delay;
  /// Null: links are in the clear, and any node may try admit().
  std::shared_ptr<LinkSecurity> security;
};
/// One thread of its own for all sockets.
std::unique_ptr<Network> os_network(const OsNetworkOptions& options);

}  // namespace meridian::io
