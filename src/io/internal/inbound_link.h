// A connection that another node made to us: its greeting, our reply, then its messages.
//
//   greeting --admit()--> admitted: read frames ... closed by the peer, or replaced by its next one
//       `---- refused ------> reply with the reason --> drained for a second --> closed
//                   malformed frame -----^
//
// All of it runs on the context's thread, but for the handler. In PeerHub::inbound while it lives.
#pragma once

#include "io/internal/peer_hub.h"
// (above: <utility> before Boost)
#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <vector>

#include "io/internal/frame_decoder.h"
#include "io/internal/peer_frame.h"

namespace meridian::io::internal {

class InboundLink : public std::enable_shared_from_this<InboundLink> {
 public:
  /// Takes a new connection into the hub, or tells it that it is one too many.
  static void begin(PeerHub& hub, boost::asio::ip::tcp::socket socket);
  InboundLink(PeerHub& hub, boost::asio::ip::tcp::socket socket);

 private:
  using ErrorCode = boost::system::error_code;
  /// What was posted to the executor and is not handled yet; shared with it.
  struct Flow {
    std::atomic<std::uint64_t> undelivered_bytes{0};
    std::atomic<bool> is_paused{false};
  };
  /// A callback that keeps the link alive and does nothing once it is closed.
  template <typename Function>
  auto guarded(Function function);

  void read_greeting();
  void read_hello(const GreetingHead& head);
  void ask_to_admit();
  void answer(const Result<PeerId>& admitted);
  void replace_older();
  void refuse(const Error& error);
  void drain();
  void close();

  void read();
  void take(std::size_t count);
  void deliver(std::vector<Parts> messages, std::uint64_t cost);
  bool must_pause();

  PeerHub& hub_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;  // of the greeting, or of draining
  bool is_closed_ = false;
  bool is_admitted_ = false;
  PeerId peer_{};
  Channel channel_{};
  std::array<Byte, greeting_head_size> head_{};
  Buffer hello_;
  Buffer reply_;
  FrameDecoder decoder_;
  std::vector<boost::asio::mutable_buffer> rooms_;
  const std::shared_ptr<Flow> flow_ = std::make_shared<Flow>();
};

}  // namespace meridian::io::internal
