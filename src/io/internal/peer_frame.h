// The bytes on a link between two nodes, but for what is inside the messages. Pure.
//
//   connector -> acceptor   greeting: head (16) hello
//   acceptor -> connector   reply: head (16) reason       admitted, or refused and why
//   connector -> acceptor   frame*: count (4) sizes (4 each) bytes
//   acceptor -> connector   reply                         refused, before it closes a link it
//   admitted
//
// Byte by byte: docs/formats/peer_link.md. FrameDecoder takes frames apart.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "io/network.h"

namespace meridian::io::internal {

inline constexpr std::uint16_t peer_link_version = 1;
inline constexpr std::size_t greeting_head_size = 16;
inline constexpr std::size_t reply_head_size = 16;
inline constexpr std::size_t reason_size_max = 1024;

struct GreetingHead {
  Channel channel;
  std::size_t hello_size;
};
Buffer encode_greeting(Channel channel, Bytes hello);
/// Of greeting_head_size bytes. Errors: invalid_argument for bytes of something else, another
/// version or channel, or a hello longer than `hello_size_max`; the message is for the connector.
Result<GreetingHead> decode_greeting_head(Bytes head, std::size_t hello_size_max);

struct ReplyHead {
  bool is_admitted;
  std::size_t reason_size;  ///< 0 if admitted.
};
/// Admitted, or refused with the error's message, cut to reason_size_max.
Buffer encode_reply(const Status& admitted);
/// Of reply_head_size bytes. Errors: invalid_argument if the peer does not speak this at all.
Result<ReplyHead> decode_reply_head(Bytes head);

constexpr std::size_t frame_head_size(std::size_t parts) { return 4 + 4 * parts; }
/// Appends what precedes the bytes of the parts. Asserts the limits of a message.
void append_frame_head(Buffer& out, const Parts& parts);

}  // namespace meridian::io::internal
