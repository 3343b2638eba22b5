// A connection that another node made to us: its greeting, our reply, then its messages.
//
//   (TLS --judge()-->) greeting --admit()--> admitted: read frames ... closed by the peer, or
//             `--refused---------'--.         |           replaced by its next one
//   malformed frame, review() says no --------'--> reply with the reason --> drained --> closed
//
// With a LinkSecurity the greeting comes after a handshake, and an open link is reviewed each
// second. All of it runs on the context's thread, but for the handler. In PeerHub::inbound while it
// lives.
#pragma once

#include "io/internal/peer_hub.h"
// (above: <utility> before Boost)
#include <array>
#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <vector>

#include "io/internal/frame_decoder.h"
#include "io/internal/link_stream.h"
#include "io/internal/peer_frame.h"

namespace meridian::io::internal {

class InboundLink : public std::enable_shared_from_this<InboundLink> {
 public:
  /// Takes a new connection into the hub, or tells it that it is one too many.
  static void begin(PeerHub& hub, boost::asio::ip::tcp::socket socket);
  InboundLink(PeerHub& hub, boost::asio::ip::tcp::socket socket, std::size_t open_before);

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

  void limit_greeting();
  void expect_tls();
  void begin_tls();
  void judge();
  void read_greeting();
  void read_hello(const GreetingHead& head);
  void ask_to_admit();
  void answer(const Result<PeerId>& admitted);
  void replace_older();
  void refuse(const Error& error);
  void drain();
  void close();
  void review_later();

  void read();
  void take(std::size_t count);
  void deliver(std::vector<Parts> messages, std::uint64_t cost);
  bool must_pause();

  PeerHub& hub_;
  std::shared_ptr<LinkStream> stream_;
  const std::size_t open_before_;    // links here when it came
  boost::asio::steady_timer timer_;  // of the greeting, of the next review, or of draining
  TlsContext context_;               // null in the clear
  std::optional<LinkPeer> who_;      // as TLS says
  bool is_closed_ = false;
  bool is_admitted_ = false;
  bool is_refused_ = false;
  bool is_reading_ = false;
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
