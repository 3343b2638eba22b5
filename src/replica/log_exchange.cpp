#include "replica/log_exchange.h"

namespace meridian::replica {

namespace {

using consensus::EntryKind;
using consensus::LogEntry;

constexpr std::uint32_t entries_max = 65'536 / 2 - 1;

Error malformed(std::string_view what) {
  return {Code::invalid_argument, "an answer with log entries is malformed: " + std::string(what)};
}

}  // namespace

io::Parts encode_log_request(const LogRequest& request) {
  auto head = std::make_shared<Buffer>();
  ByteWriter out(*head);
  out.u8(static_cast<std::uint8_t>(PeerTag::log_request));
  out.u64(request.nonce);
  out.u64(request.first);
  return {std::move(head)};
}

Result<LogRequest> decode_log_request(const io::Parts& parts) {
  if (parts.size() != 1) return malformed("parts");
  ByteReader in(*parts[0]);
  in.u8();
  LogRequest request;
  request.nonce = in.u64();
  request.first = in.u64();
  if (!in.done()) return malformed("request");
  return request;
}

io::Parts encode_log_answer(const LogAnswer& answer) {
  auto head = std::make_shared<Buffer>();
  ByteWriter out(*head);
  const consensus::RaftNode::LogPiece& piece = answer.piece;
  out.u8(static_cast<std::uint8_t>(PeerTag::log_answer));
  out.u64(answer.nonce);
  out.u8(answer.in_doubt ? 1 : 0);
  out.u8(piece.leads ? 1 : 0);
  out.u64(piece.term);
  out.u64(piece.first_index);
  out.u64(piece.last.index);
  out.u64(piece.last.term);
  out.u64(piece.prev_term);
  io::Parts parts{head};
  out.u32(static_cast<std::uint32_t>(piece.entries.size()));
  for (const LogEntry& entry : piece.entries) {
    out.u64(entry.index);
    out.u64(entry.term);
    out.u8(static_cast<std::uint8_t>(entry.kind));
    out.u8(entry.change ? 1 : 0);
    out.u8(entry.bytes ? 1 : 0);
    if (entry.change) parts.push_back(entry.change);
    if (entry.bytes) parts.push_back(entry.bytes);
  }
  return parts;
}

Result<LogAnswer> decode_log_answer(const io::Parts& parts) {
  if (parts.empty()) return malformed("no parts");
  ByteReader in(*parts[0]);
  in.u8();
  LogAnswer answer;
  consensus::RaftNode::LogPiece& piece = answer.piece;
  answer.nonce = in.u64();
  answer.in_doubt = in.u8() != 0;
  piece.leads = in.u8() != 0;
  piece.term = in.u64();
  piece.first_index = in.u64();
  piece.last.index = in.u64();
  piece.last.term = in.u64();
  piece.prev_term = in.u64();
  const std::uint32_t count = in.u32();
  if (!in.ok() || count > entries_max) return malformed("head");
  std::size_t next = 1;
  for (std::uint32_t i = 0; i < count; ++i) {
    LogEntry entry;
    entry.index = in.u64();
    entry.term = in.u64();
    const std::uint8_t kind = in.u8();
    const bool has_change = in.u8() != 0;
    const bool has_bytes = in.u8() != 0;
    if (!in.ok() || kind > static_cast<std::uint8_t>(EntryKind::membership) ||
        next + (has_change ? 1 : 0) + (has_bytes ? 1 : 0) > parts.size())
      return malformed("entry");
    if (i > 0 && entry.index != piece.entries.back().index + 1) return malformed("order");
    entry.kind = static_cast<EntryKind>(kind);
    if (has_change) entry.change = parts[next++];
    if (has_bytes) entry.bytes = parts[next++];
    if (has_change != (entry.kind == EntryKind::membership)) return malformed("kind");
    entry.size = entry.bytes ? entry.bytes->size() : 0;
    piece.entries.push_back(std::move(entry));
  }
  if (!in.done() || next != parts.size()) return malformed("length");
  return answer;
}

}  // namespace meridian::replica
