// Our messages to one peer on one channel: a queue, and the connection that empties it.
//
//   idle --send--> connecting --reply: admitted--> up --broken--> waiting --reconnect_after--.
//                      ^  `--refused, no answer------------------>--^                         |
//                      `----------------------------------------------------------------------'
//
// With a LinkSecurity a TLS handshake comes before the greeting, and a link that is up is reviewed
// each second. One whose certificates end before long is renewed, which nobody is told of and
// nothing is lost by: what was begun is written, the peer reads it to its end and closes, and what
// is sent meanwhile waits for the next connection.
//
//   none --make_again--> draining --batch written--> finishing --peer closed--> connecting --up-->
//   none
//
// send() and queued_bytes() may be called by any thread, everything else runs on the context's.
// Operations under way keep the link alive; those of an older connection are told by their epoch.
#pragma once

#include "io/internal/peer_hub.h"
// (above: <utility> before Boost)
#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "io/internal/link_stream.h"
#include "io/internal/peer_frame.h"

namespace meridian::io::internal {

class OutboundLink : public std::enable_shared_from_this<OutboundLink> {
 public:
  /// `delay` of each message before it is written.
  OutboundLink(PeerHub& hub, PeerId peer, Channel channel, std::string address, Duration delay);

  bool send(Parts parts);
  std::uint64_t queued_bytes() const;
  /// Closes it for good, without telling.
  void retire();
  void set_address(std::string address);

 private:
  /// Held back by the delay, as what is on its way through a long cable; not part of the queue.
  static constexpr std::uint64_t delayed_bytes_max = std::uint64_t{1} << 30;
  /// Of one write: more would only hold memory longer.
  static constexpr std::size_t batch_bytes = 256 << 10;
  static constexpr std::size_t batch_messages = 256;
  static constexpr std::size_t iovecs_max = 64;  // asio's own limit for a write

  using Time = std::chrono::steady_clock::time_point;
  using ErrorCode = boost::system::error_code;
  using Tcp = boost::asio::ip::tcp;
  enum class State : std::uint8_t { idle, connecting, up, waiting };
  enum class Renewal : std::uint8_t { none, draining, finishing, connecting };
  struct Delayed {
    Time due;
    Parts parts;
  };
  /// A callback of this connection: does nothing once that is gone.
  template <typename Function>
  auto guarded(Function function);

  void connect();
  void resolve(const HostPort& address);
  void open(const std::vector<Tcp::endpoint>& endpoints);
  void secure();
  void judge();
  void greet();
  void read_reply();
  void take_reply(const ReplyHead& head);
  void take_error(const ErrorCode& error);
  void up();
  void review_later();
  void renew();
  void finish_old();
  void lose(const std::string& why);
  void retry();
  void tell(bool is_up, const std::string& why);
  std::string describe(const ErrorCode& error) const;
  bool is(State state) const;
  void enter(State state);
  void close();

  void write();
  bool take_batch();
  void release_delayed(Time now);
  void write_some();
  void advance(std::size_t written);

  PeerHub& hub_;
  const PeerId peer_;
  const Channel channel_;
  const Duration delay_;
  const std::shared_ptr<std::atomic<bool>> is_retired_;  // also asked by what waits to be told

  mutable std::mutex mutex_;  // guards the next block
  State state_ = State::idle;
  std::deque<Parts> queue_;
  std::deque<Delayed> delayed_;  // by due
  std::uint64_t queued_bytes_ = 0;
  std::uint64_t delayed_bytes_ = 0;
  bool is_writing_ = false;  // the context's thread empties the queue, or is asked to

  std::string address_;
  std::uint64_t epoch_ = 0;
  std::string told_why_;                // the last failure told, until the link is up again
  std::shared_ptr<LinkStream> stream_;  // of this connection; null before the first
  TlsContext context_;                  // null in the clear
  std::optional<LinkPeer> who_;         // as TLS says
  bool is_admitted_ = false;            // on this connection
  Renewal renewal_ = Renewal::none;
  Tcp::resolver resolver_;
  boost::asio::steady_timer timer_;  // of connecting, of the next review, then of the next attempt
  boost::asio::steady_timer delay_timer_;  // of the first that is delayed
  Buffer greeting_;
  std::array<Byte, reply_head_size> reply_head_{};
  Buffer reason_;
  std::vector<Parts> batch_;  // being written
  std::uint64_t batch_cost_ = 0;
  Buffer batch_heads_;
  std::vector<boost::asio::const_buffer> rest_;  // of the batch
  std::size_t rest_begin_ = 0;
};

}  // namespace meridian::io::internal
