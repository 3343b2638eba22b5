// One direction of one channel between two simulated nodes: a queue, a connection and its breaks.
//
//   idle --send--> connecting --admitted--> up --broken--> waiting --reconnect_after--> connecting
//                      |                                      ^
//                      +------- refused, timed out -----------+
//
// Owned by the sender's NetNode; timers on the wire hold it weakly, as the sender may crash. What
// has left the queue no longer needs the link: it knows its Inbound.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "sim/internal/wire.h"

namespace meridian::sim::internal {

/// The receiver's end of a connection.
struct Inbound {
  NetNode* node;  ///< The receiver; null once it crashed.
  io::PeerId from;
  io::Channel channel;
  bool is_broken = false;  ///< Half of what is still in flight arrives.
};

class NetLink : public std::enable_shared_from_this<NetLink> {
 public:
  NetLink(Wire& wire, NetNode& from, io::PeerId peer, io::Channel channel, std::string address);
  /// The sender crashed or forgot the peer: its queue is lost.
  ~NetLink();

  bool send(io::Parts parts);
  std::uint64_t queued_bytes() const { return queued_bytes_; }
  void set_address(const std::string& address);
  /// Sends on what was held.
  void resume();
  void break_now(const std::string& why);

  const std::string& to() const { return to_; }
  io::Channel channel() const { return channel_; }
  const std::shared_ptr<Inbound>& inbound() const { return inbound_; }
  /// The receiver's process died: the news takes its way back, if that is open.
  void tell_gone();

 private:
  enum class State : std::uint8_t { idle, connecting, up, waiting };
  /// Runs `then(link)` after `delay` unless the link was lost or broken meanwhile.
  template <typename Then>
  void later(io::Duration delay, Then then);

  void connect();
  void reach();
  void answer(const Result<io::PeerId>& admitted, NetNode* node);
  void up();
  void fail_connect(const std::string& why);
  void down(const std::string& why);
  void tell(bool is_up, const std::string& why);
  void drop_queue();

  void pump();
  void depart();
  void fly(const io::Parts& parts, io::Duration delay);
  io::Parts copy(const io::Parts& parts) const;
  NetCounts& counts();

  Wire& wire_;
  NetNode& from_;
  io::PeerId peer_;
  io::Channel channel_;
  std::string address_;
  std::string to_;  // who listens there, once known
  State state_ = State::idle;
  std::uint64_t epoch_ = 0;  // of the connection: timers of an older one do nothing
  std::string told_why_;     // the last failure told, until the link is up again
  std::shared_ptr<Inbound> inbound_;
  std::deque<io::Parts> queue_;
  std::uint64_t queued_bytes_ = 0;
  bool is_sending_ = false;           // the front of the queue is on its way into the wire
  io::MonotonicTime last_arrival_{};  // nothing sent later arrives earlier
};

}  // namespace meridian::sim::internal
