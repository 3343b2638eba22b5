#include "cell/key_message.h"

#include <fmt/format.h>

#include "base/assert.h"

namespace meridian::cell {

namespace {

Error wrong(std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("a message about keys of persons: {}", why));
}

void put(ByteWriter& out, const KeyNews& news) {
  out.u32(news.turns);
  out.id(news.check);
  out.id(news.candidate);
  out.u8(news.is_complete ? 1 : 0);
}
void put(ByteWriter& out, const KeyQuestion& question) {
  out.id(question.check);
  out.bytes(question.once);
}
void put(ByteWriter& out, const KeyAnswer& answer) {
  out.id(answer.check);
  out.bytes(answer.for_replica);
  out.bytes(answer.for_once);
}
void put(ByteWriter& out, const TableQuestion& question) {
  out.id(question.check);
  out.u32(question.part);
}
void put(ByteWriter& out, const TablePart& part) {
  ASSERT(part.rows.size() <= TablePart::rows_size_max);
  out.id(part.check);
  out.u64(part.place.records);
  out.u32(part.place.turns);
  out.u32(part.part);
  out.u32(part.parts);
  out.bytes(part.rows);
}
void put(ByteWriter&, const TurnStorage&) {}

void put(ByteWriter& out, const ResidencyNews& news) {
  ASSERT(news.keys.size() <= ResidencyNews::keys_max);
  out.u64(news.folded);
  out.u8(static_cast<std::uint8_t>(news.keys.size()));
  for (const auto& [jurisdiction, turn, check] : news.keys) {
    out.u8(jurisdiction);
    out.u16(static_cast<std::uint16_t>(turn));
    out.id(check);
  }
}

void put(ByteWriter& out, const RowsWanted& wanted) {
  ASSERT(wanted.rows.size() <= RowsWanted::rows_max);
  out.u8(static_cast<std::uint8_t>(wanted.rows.size()));
  for (const auto& [subject, retention] : wanted.rows) {
    out.id(subject);
    out.u8(retention);
  }
}
void put(ByteWriter& out, const SealedRequest& sealed) {
  out.u64(sealed.number);
  out.bytes(sealed.request);
}
void put(ByteWriter& out, const SealedAnswer& sealed) {
  out.u64(sealed.number);
  out.bytes(sealed.answer);
}

Result<KeyMessage> take_news(ByteReader& in) {
  KeyNews news;
  news.turns = in.u32();
  news.check = in.id();
  news.candidate = in.id();
  const std::uint8_t complete = in.u8();
  if (complete > 1) return wrong("is_complete is neither 0 nor 1");
  news.is_complete = complete == 1;
  if ((news.turns == 0) != (news.check == 0)) return wrong("turns and check do not fit");
  return news;
}
Result<KeyMessage> take_part(ByteReader& in) {
  TablePart part;
  part.check = in.id();
  part.place.records = in.u64();
  part.place.turns = in.u32();
  part.part = in.u32();
  part.parts = in.u32();
  if (in.remaining() > TablePart::rows_size_max) return wrong("the part is too long");
  part.rows = to_buffer(in.take(in.remaining()));
  if (part.part > part.parts || (part.part == part.parts && part.parts != 0))
    return wrong(fmt::format("part {} of {} is none", part.part, part.parts));
  return part;
}

Result<KeyMessage> take_residency(ByteReader& in) {
  ResidencyNews news;
  news.folded = in.u64();
  const std::size_t count = in.u8();
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const std::uint8_t jurisdiction = in.u8();
    const std::uint16_t turn = in.u16();
    const storage::ResidencyKeys::Held held{jurisdiction, turn, in.id()};
    if (held.jurisdiction == 0 || held.check == 0 || turn > storage::residency_turns_max ||
        (!news.keys.empty() && !(news.keys.back() < held)))
      return wrong("keys of jurisdictions that are none, or not in their order");
    news.keys.push_back(held);
  }
  return news;
}

Result<KeyMessage> take_wanted(ByteReader& in) {
  RowsWanted wanted;
  const std::size_t count = in.u8();
  for (std::size_t i = 0; i < count && in.ok(); ++i) {
    const u128 subject = in.id();
    wanted.rows.push_back({subject, in.u8()});
  }
  return wanted;
}

}  // namespace

Buffer encode_key_message(const KeyMessage& message) {
  Buffer bytes;
  bytes.reserve(256);  // most are short
  ByteWriter out(bytes);
  out.u8(static_cast<std::uint8_t>(message.index() + 1));
  std::visit([&](const auto& one) { put(out, one); }, message);
  return bytes;
}

Result<KeyMessage> decode_key_message(Bytes bytes) {
  ByteReader in(bytes);
  const std::uint8_t kind = in.u8();
  Result<KeyMessage> message = wrong(fmt::format("kind {} is not known", kind));
  switch (kind) {
    case 1: message = take_news(in); break;
    case 2: message = KeyQuestion{in.id(), in.array<32>()}; break;
    case 3: {
      const u128 check = in.id();
      const auto for_replica = in.array<crypto::sealed_box_size>();
      message = KeyAnswer{check, for_replica, in.array<crypto::sealed_box_size>()};
      break;
    }
    case 4: {
      const u128 check = in.id();
      message = TableQuestion{check, in.u32()};
      break;
    }
    case 5: message = take_part(in); break;
    case 6: message = TurnStorage{}; break;
    case 7: message = take_residency(in); break;
    case 8: message = take_wanted(in); break;
    case 9: {
      const std::uint64_t number = in.u64();
      message = SealedRequest{number, to_buffer(in.take(in.remaining()))};
      break;
    }
    case 10: {
      const std::uint64_t number = in.u64();
      message = SealedAnswer{number, to_buffer(in.take(in.remaining()))};
      break;
    }
    default: break;
  }
  if (message && !in.done()) return wrong("another length than its kind has");
  return message;
}

}  // namespace meridian::cell
