#include "replica/cosign_message.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "replica/peer_message.h"

namespace meridian::replica {

namespace {

void put(const proof::TreeHead& head, ByteWriter& out) {
  out.u64(raw(head.size));
  out.bytes(head.root);
}

void put(const ReplicaKeys& keys, ByteWriter& out) {
  out.bytes(keys.log);
  out.bytes(keys.cosigner);
  out.bytes(keys.exchange);
}

proof::TreeHead take_head(ByteReader& in) {
  proof::TreeHead head;
  head.size = proof::TreeSize{in.u64()};
  head.root = in.array<32>();
  return head;
}

ReplicaKeys take_keys(ByteReader& in) {
  ReplicaKeys keys;
  keys.log = in.array<32>();
  keys.cosigner = in.array<32>();
  keys.exchange = in.array<32>();
  return keys;
}

Error bad(std::string_view what, std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("{}: {}", what, why));
}

bool is_size(proof::TreeSize size) { return raw(size) >= 1 && raw(size) <= proof::tree_size_max; }

bool is_range(const TileRange& range) {
  return range.level < proof::tile_level_count && range.first % TileRange::width == 0 &&
         range.first <= proof::tree_size_max && range.count >= 1 && range.count <= TileRange::width;
}

}  // namespace

Buffer CosignQuestion::encode() const {
  ASSERT(!origin.empty() && origin.size() <= origin_size_max);
  Buffer bytes;
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(PeerTag::cosign_request));
  out.u8(static_cast<std::uint8_t>(kind));
  out.u64(number);
  out.u8(static_cast<std::uint8_t>(origin.size()));
  out.bytes(as_bytes(origin));
  put(keys, out);
  if (kind == Kind::cosign || kind == Kind::root || kind == Kind::state) put(head, out);
  if (kind == Kind::hashes) {
    ASSERT(is_range(range));
    out.u8(range.level);
    out.u64(range.first);
    out.u16(range.count);
  }
  return bytes;
}

Result<CosignQuestion> CosignQuestion::decode(Bytes bytes) {
  const auto wrong = [](std::string_view why) { return bad("a question about a tree", why); };
  ByteReader in(bytes);
  if (in.u8() != static_cast<std::uint8_t>(PeerTag::cosign_request)) return wrong("another tag");
  CosignQuestion question;
  const std::uint8_t kind = in.u8();
  question.number = in.u64();
  question.origin = as_text(in.take(in.u8()));
  question.keys = take_keys(in);
  if (!in.ok() || question.origin.empty()) return wrong("too short");
  if (kind < 1 || kind > 5) return wrong(fmt::format("kind {} is not known", kind));
  question.kind = static_cast<Kind>(kind);
  if (question.kind == Kind::cosign || question.kind == Kind::root ||
      question.kind == Kind::state) {
    question.head = take_head(in);
    if (!is_size(question.head.size)) return wrong("no tree has this size");
  }
  if (question.kind == Kind::hashes) {
    question.range.level = in.u8();
    question.range.first = in.u64();
    question.range.count = in.u16();
    if (!is_range(question.range)) return wrong("no tile has this range");
  }
  if (!in.done()) return wrong("another length than its kind has");
  return question;
}

Buffer CosignAnswer::encode() const {
  Buffer bytes;
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(PeerTag::cosign_answer));
  out.u8(static_cast<std::uint8_t>(kind));
  out.u64(number);
  put(keys, out);
  if (kind == Kind::cosigned || kind == Kind::root || kind == Kind::state) put(head, out);
  if (kind == Kind::cosigned) {
    ASSERT(cosignature.size() == cosignature_size);
    out.bytes(cosignature);
  }
  if (kind == Kind::hashes)
    for (const proof::Hash& hash : hashes) out.bytes(hash);
  if (kind == Kind::refused) out.bytes(as_bytes(why));
  return bytes;
}

Result<CosignAnswer> CosignAnswer::decode(Bytes bytes) {
  const auto wrong = [](std::string_view why) { return bad("an answer about a tree", why); };
  ByteReader in(bytes);
  if (in.u8() != static_cast<std::uint8_t>(PeerTag::cosign_answer)) return wrong("another tag");
  CosignAnswer answer;
  const std::uint8_t kind = in.u8();
  answer.number = in.u64();
  answer.keys = take_keys(in);
  if (!in.ok()) return wrong("too short");
  if (kind < 1 || kind > 6) return wrong(fmt::format("kind {} is not known", kind));
  answer.kind = static_cast<Kind>(kind);
  if (answer.kind == Kind::cosigned || answer.kind == Kind::root || answer.kind == Kind::state) {
    answer.head = take_head(in);
    if (!is_size(answer.head.size)) return wrong("no tree has this size");
  }
  if (answer.kind == Kind::cosigned) answer.cosignature = to_buffer(in.take(cosignature_size));
  if (answer.kind == Kind::hashes)
    while (in.remaining() >= sizeof(proof::Hash) && answer.hashes.size() < TileRange::width)
      answer.hashes.push_back(in.array<32>());
  if (answer.kind == Kind::refused && in.remaining() <= why_size_max)
    answer.why = as_text(in.take(in.remaining()));
  if (!in.done()) return wrong("another length than its kind has");
  return answer;
}

}  // namespace meridian::replica
