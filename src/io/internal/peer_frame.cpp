#include "io/internal/peer_frame.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"

namespace meridian::io::internal {
namespace {

// Two magics: a socket connected to itself, which TCP allows, must not take its greeting for a
// reply.
constexpr std::string_view greeting_magic = "mrdngree";
constexpr std::string_view reply_magic = "mrdnrepl";

Status check_start(ByteReader& reader, std::string_view magic) {
  if (as_text(reader.take(magic.size())) != magic) {
    return fail(Code::invalid_argument, "these are not the bytes of a Meridian node");
  }
  std::uint16_t version = reader.u16();
  if (version != peer_link_version) {
    return fail(Code::invalid_argument, fmt::format("version {} of the link; version {} is spoken "
                                                    "here. Run releases that share one",
                                                    version, peer_link_version));
  }
  return {};
}

}  // namespace

Buffer encode_greeting(Channel channel, Bytes hello) {
  Buffer out;
  ByteWriter writer(out);
  writer.bytes(as_bytes(greeting_magic));
  writer.u16(peer_link_version);
  writer.u8(static_cast<std::uint8_t>(channel));
  writer.u8(0);
  writer.u32(static_cast<std::uint32_t>(hello.size()));
  writer.bytes(hello);
  return out;
}

Result<GreetingHead> decode_greeting_head(Bytes head, std::size_t hello_size_max) {
  ASSERT(head.size() == greeting_head_size);
  ByteReader reader(head);
  TRY(check_start(reader, greeting_magic));
  std::uint8_t channel = reader.u8();
  std::uint8_t reserved = reader.u8();
  std::uint32_t hello_size = reader.u32();
  if (channel >= channel_count || reserved != 0) {
    return fail(Code::invalid_argument,
                fmt::format("channel {} is not one of the {} known", channel, channel_count));
  }
  if (hello_size > hello_size_max) {
    return fail(Code::invalid_argument,
                fmt::format("a hello of {} bytes is longer than {}", hello_size, hello_size_max));
  }
  return GreetingHead{static_cast<Channel>(channel), hello_size};
}

Buffer encode_reply(const Status& admitted) {
  std::string_view reason;
  if (!admitted) reason = std::string_view(admitted.error().message).substr(0, reason_size_max);
  Buffer out;
  ByteWriter writer(out);
  writer.bytes(as_bytes(reply_magic));
  writer.u16(peer_link_version);
  writer.u8(admitted ? 0 : 1);
  writer.u8(0);
  writer.u32(static_cast<std::uint32_t>(reason.size()));
  writer.bytes(as_bytes(reason));
  return out;
}

Result<ReplyHead> decode_reply_head(Bytes head) {
  ASSERT(head.size() == reply_head_size);
  ByteReader reader(head);
  TRY(check_start(reader, reply_magic));
  std::uint8_t refused = reader.u8();
  std::uint8_t reserved = reader.u8();
  std::uint32_t reason_size = reader.u32();
  std::size_t size_max = refused == 0 ? 0 : reason_size_max;
  if (refused > 1 || reserved != 0 || reason_size > size_max) {
    return fail(Code::invalid_argument,
                fmt::format("a reply of kind {} with {} bytes of reason", refused, reason_size));
  }
  return ReplyHead{refused == 0, reason_size};
}

void append_frame_head(Buffer& out, const Parts& parts) {
  ASSERT(parts.size() <= message_parts_max);
  ByteWriter writer(out);
  writer.u32(static_cast<std::uint32_t>(parts.size()));
  std::size_t size = 0;
  for (const SharedBytes& part : parts) {
    writer.u32(static_cast<std::uint32_t>(part->size()));
    size += part->size();
  }
  ASSERT(size <= message_size_max);
}

}  // namespace meridian::io::internal
