// Bytes of a link, in pieces of any size: what is understood, written again, is what was read, and
// the pieces make no difference. Greetings and replies likewise.
#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "io/internal/frame_decoder.h"
#include "io/internal/peer_frame.h"

namespace meridian::io::internal {
namespace {

struct Outcome {
  Buffer understood;  // the messages, written again
  std::string error;
  bool operator==(const Outcome&) const = default;
};

void check_error(const Error& error) {
  ASSERT(error.code == Code::invalid_argument);
  ASSERT(!error.message.empty());
}

/// Puts up to `piece` bytes into the room offered. Returns how many.
std::size_t put(std::span<const MutableBytes> room, Bytes bytes, std::size_t piece) {
  std::size_t left = std::min(piece, bytes.size());
  std::size_t done = 0;
  for (MutableBytes place : room) {
    ASSERT(!place.empty());
    std::size_t count = std::min(left, place.size());
    if (count > 0) std::memcpy(place.data(), bytes.data() + done, count);
    done += count;
    left -= count;
  }
  return done;
}

void take_messages(FrameDecoder& decoder, Buffer& out) {
  while (auto message = decoder.next()) {
    append_frame_head(out, *message);
    for (const SharedBytes& part : *message) out.insert(out.end(), part->begin(), part->end());
  }
}

Outcome decode(Bytes bytes, std::size_t piece) {
  Outcome outcome;
  FrameDecoder decoder;
  while (!bytes.empty()) {
    std::size_t count = put(decoder.room(), bytes, piece);
    ASSERT(count > 0);
    bytes = bytes.subspan(count);
    Status status = decoder.filled(count);
    take_messages(decoder, outcome.understood);
    if (!status) {
      check_error(status.error());
      outcome.error = status.error().message;
      break;
    }
  }
  return outcome;
}

void check_frames(Bytes bytes, std::size_t piece) {
  Outcome whole = decode(bytes, bytes.size());
  ASSERT(whole.understood.size() <= bytes.size());
  ASSERT(std::equal(whole.understood.begin(), whole.understood.end(), bytes.begin()));
  ASSERT(whole == decode(bytes, 1));
  ASSERT(whole == decode(bytes, piece));
}

void check_heads(Bytes bytes) {
  if (bytes.size() < greeting_head_size) return;
  Bytes head = bytes.first(greeting_head_size);
  if (Result<GreetingHead> greeting = decode_greeting_head(head, 512)) {
    ASSERT(greeting->hello_size <= 512);
    Buffer again = encode_greeting(greeting->channel, Buffer(greeting->hello_size));
    ASSERT(equal(Bytes(again).first(greeting_head_size), head));
  } else {
    check_error(greeting.error());
  }
  if (Result<ReplyHead> reply = decode_reply_head(head)) {
    ASSERT(reply->reason_size <= reason_size_max);
    Status status;
    if (!reply->is_admitted) {
      status = fail(Code::internal, std::string(reply->reason_size, 'x'));
    }
    ASSERT(equal(Bytes(encode_reply(status)).first(reply_head_size), head));
  } else {
    check_error(reply.error());
  }
}

}  // namespace
}  // namespace meridian::io::internal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meridian::io::internal;
  meridian::Bytes bytes(data, size);
  check_heads(bytes);
  if (bytes.empty()) return 0;
  check_frames(bytes.subspan(1), std::size_t{1} + bytes[0]);
  return 0;
}
