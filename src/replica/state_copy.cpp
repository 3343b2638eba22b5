// offer   = version(2)=1 zero(6) cell(16) generation(8) record_index(8) entry_index(8) term(8)
//           state_digest(32) root(32) chunk_count(8) chunk_bytes(8) size(4) zero(4) membership
// request = version(2)=1 kind(1) zero(1) chunk_kind(2) zero(2) chunk_number(4) zero(4)
//           record_index(8) first(8) last(8)
// piece   = version(2)=1 kind(1) zero(5) body
// records = first(8) count(4) payload_count(4) proof_count(4) zero(4) count × size(2)
//           payload_count × { record - first(4) size(4) } proof_count × hash(32) headers payloads
//           SHA-256 of the payloads(32), if payload_count is not 0
// list    = first(8) count(4) zero(4) count × { kind(2) zero(2) number(4) size(4) digest(32) }
// chunk   = kind(2) zero(2) number(4) first(8) bytes
#include "replica/state_copy.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "ledger/header.h"
#include "storage/record_store.h"

namespace meridian::replica {

namespace {

constexpr std::uint16_t version = 1;
constexpr std::size_t chunk_info_size = 44;

Error malformed(std::string_view what, std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("{}: {}", what, why));
}

void begin_piece(ByteWriter& out, PieceKind kind) {
  out.u16(version);
  out.u8(static_cast<std::uint8_t>(kind));
  out.zeros(5);
}

Status read_prefix(ByteReader& in, PieceKind kind) {
  const bool known = in.u16() == version;
  const bool right = in.u8() == static_cast<std::uint8_t>(kind);
  const auto zeros = in.array<5>();
  if (!in.ok() || !known) return malformed("piece", "unknown version");
  if (!right || zeros != std::array<Byte, 5>{}) return malformed("piece", "of another kind");
  return {};
}

Status check_size(Bytes bytes) {
  if (bytes.size() <= piece_size_max) return {};
  return malformed("piece",
                   fmt::format("it has {} bytes, at most {}", bytes.size(), piece_size_max));
}

void write_info(ByteWriter& out, const storage::StateChunkInfo& chunk) {
  out.u16(chunk.id.kind);
  out.u16(0);
  out.u32(chunk.id.number);
  out.u32(chunk.size);
  out.bytes(chunk.digest);
}

}  // namespace

// --- offer ---

Buffer StateOffer::encode() const {
  ASSERT(membership.size() <= membership_size_max);
  Buffer bytes;
  ByteWriter out(bytes);
  out.u16(version);
  out.zeros(6);
  out.id(cell);
  for (const std::uint64_t number : {generation, record_index, entry_index, term}) out.u64(number);
  out.bytes(state_digest);
  out.bytes(root);
  out.u64(chunk_count);
  out.u64(chunk_bytes);
  out.u32(static_cast<std::uint32_t>(membership.size()));
  out.u32(0);
  out.bytes(membership);
  return bytes;
}

Result<StateOffer> StateOffer::decode(Bytes bytes) {
  constexpr std::string_view what = "state offer";
  ByteReader in(bytes);
  StateOffer offer;
  const bool known = in.u16() == version && in.array<6>() == std::array<Byte, 6>{};
  offer.cell = in.id();
  offer.generation = in.u64();
  offer.record_index = in.u64();
  offer.entry_index = in.u64();
  offer.term = in.u64();
  offer.state_digest = in.array<32>();
  offer.root = in.array<32>();
  offer.chunk_count = in.u64();
  offer.chunk_bytes = in.u64();
  const std::uint32_t size = in.u32();
  const bool zero = in.u32() == 0;
  if (!in.ok()) return malformed(what, "it is cut short");
  if (!known || !zero) return malformed(what, "unknown version");
  if (offer.record_index == 0 || offer.record_index > proof::tree_size_max)
    return malformed(what, fmt::format("record_index is {}", offer.record_index));
  if (offer.entry_index == 0 || offer.generation == 0)
    return malformed(what, "generation and entry_index are never 0");
  if (offer.chunk_count == 0 ||
      offer.chunk_bytes / storage::state_chunk_size_max > offer.chunk_count)
    return malformed(what, "its chunk counts are impossible");
  if (size > membership_size_max)
    return malformed(what,
                     fmt::format("membership has {} bytes, at most {}", size, membership_size_max));
  if (in.remaining() != size) return malformed(what, "its size is not what its fields say");
  offer.membership = to_buffer(in.take(size));
  return offer;
}

// --- request ---

Buffer PieceRequest::encode() const {
  Buffer bytes;
  ByteWriter out(bytes);
  out.u16(version);
  out.u8(static_cast<std::uint8_t>(kind));
  out.u8(0);
  out.u16(chunk.kind);
  out.u16(0);
  out.u32(chunk.number);
  out.u32(0);
  out.u64(record_index);
  out.u64(first);
  out.u64(last);
  return bytes;
}

Result<PieceRequest> PieceRequest::decode(Bytes bytes) {
  constexpr std::string_view what = "request for a piece";
  ByteReader in(bytes);
  PieceRequest request;
  bool sound = in.u16() == version;
  request.kind = PieceKind{in.u8()};
  sound = in.u8() == 0 && sound;
  request.chunk.kind = in.u16();
  sound = in.u16() == 0 && sound;
  request.chunk.number = in.u32();
  sound = in.u32() == 0 && sound;
  request.record_index = in.u64();
  request.first = in.u64();
  request.last = in.u64();
  if (!in.done() || !sound) return malformed(what, "unknown version, or another size");
  if (request.first > request.last) return malformed(what, "its range ends before it begins");
  if (request.kind != PieceKind::chunk && request.chunk != storage::ChunkId{})
    return malformed(what, "it names a chunk and asks for something else");
  const std::uint64_t count = request.last - request.first;
  switch (request.kind) {
    case PieceKind::records:
      if (request.last > request.record_index || count > piece_records_max)
        return malformed(what,
                         fmt::format("records {} to {} of {}: at most {} at once", request.first,
                                     request.last, request.record_index, piece_records_max));
      return request;
    case PieceKind::chunk_list:
    case PieceKind::chunk:
      if (count == 0) return malformed(what, "it asks for nothing");
      return request;
  }
  return malformed(what, fmt::format("kind {} is unknown", static_cast<unsigned>(request.kind)));
}

std::string PieceRequest::describe() const {
  switch (kind) {
    case PieceKind::records:
      if (first == last) return fmt::format("the proof of the first {} records", first);
      return fmt::format("records {} to {}", first, last - 1);
    case PieceKind::chunk_list:
      return fmt::format("state chunks {} to {} of the list", first, last);
    case PieceKind::chunk:
      return fmt::format("state chunk {}/{}, bytes {} to {}", chunk.kind, chunk.number, first,
                         last);
  }
  return "a piece of unknown kind";
}

// --- records ---

Buffer RecordsPiece::encode() const {
  Buffer bytes;
  std::size_t size = 64 + 2 * sizes.size() + 8 * payloads.size() + 32 * proof.size();
  for (const PayloadOf& payload : payloads) size += payload.bytes.size();
  bytes.reserve(size + headers.size());
  ByteWriter out(bytes);
  begin_piece(out, PieceKind::records);
  out.u64(first);
  out.u32(static_cast<std::uint32_t>(sizes.size()));
  out.u32(static_cast<std::uint32_t>(payloads.size()));
  out.u32(static_cast<std::uint32_t>(proof.size()));
  out.u32(0);
  out.bytes({reinterpret_cast<const Byte*>(sizes.data()), sizes.size() * sizeof(std::uint16_t)});
  for (const PayloadOf& payload : payloads) {
    out.u32(static_cast<std::uint32_t>(payload.record - first));
    out.u32(static_cast<std::uint32_t>(payload.bytes.size()));
  }
  for (const proof::Hash& hash : proof) out.bytes(hash);
  out.bytes(headers);
  const std::size_t payloads_at = bytes.size();
  for (const PayloadOf& payload : payloads) out.bytes(payload.bytes);
  if (!payloads.empty()) out.bytes(crypto::sha256(Bytes(bytes).subspan(payloads_at)));
  return bytes;
}

Result<RecordsPiece> RecordsPiece::decode(Bytes bytes) {
  constexpr std::string_view what = "piece of records";
  TRY(check_size(bytes));
  ByteReader in(bytes);
  TRY(read_prefix(in, PieceKind::records));
  RecordsPiece piece;
  piece.first = in.u64();
  const std::uint32_t count = in.u32();
  const std::uint32_t payload_count = in.u32();
  const std::uint32_t proof_count = in.u32();
  const bool zero = in.u32() == 0;
  if (!in.ok() || !zero) return malformed(what, "malformed counts");
  if (piece.first > proof::tree_size_max || count > piece_records_max || payload_count > count ||
      proof_count > proof::proof_size_max)
    return malformed(what, fmt::format("impossible counts: {} records from {}, {} payloads, {} "
                                       "hashes",
                                       count, piece.first, payload_count, proof_count));
  std::uint64_t headers_size = 0;
  piece.sizes.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    piece.sizes.push_back(in.u16());
    if (piece.sizes.back() < ledger::header_common_size ||
        piece.sizes.back() > ledger::header_size_max)
      return malformed(what, fmt::format("the header of record {} has {} bytes", piece.first + i,
                                         piece.sizes.back()));
    headers_size += piece.sizes.back();
  }
  std::uint64_t payloads_size = 0;
  std::vector<std::uint32_t> payload_sizes;
  for (std::uint32_t i = 0; i < payload_count; ++i) {
    const std::uint64_t record = piece.first + in.u32();
    payload_sizes.push_back(in.u32());
    const bool ascends = piece.payloads.empty() || piece.payloads.back().record < record;
    if (!ascends || record >= piece.last() ||
        payload_sizes.back() > storage::record_payload_size_max)
      return malformed(
          what, fmt::format("payload {} of {} stands in a wrong place", i + 1, payload_count));
    piece.payloads.push_back({record, {}});
    payloads_size += payload_sizes.back();
  }
  for (std::uint32_t i = 0; i < proof_count; ++i) piece.proof.push_back(in.array<32>());
  piece.headers = in.take(headers_size);
  const Bytes payloads = in.take(payloads_size);
  const auto digest = payload_count > 0 ? in.array<32>() : crypto::Digest{};
  if (!in.done()) return malformed(what, "its size is not what its fields say");
  if (payload_count > 0 && digest != crypto::sha256(payloads))
    return malformed(what, "its payloads are not those that were sent");
  std::size_t at = 0;
  for (std::uint32_t i = 0; i < payload_count; ++i) {
    piece.payloads[i].bytes = payloads.subspan(at, payload_sizes[i]);
    at += payload_sizes[i];
  }
  return piece;
}

// --- chunks ---

Buffer ChunkListPiece::encode() const {
  Buffer bytes;
  bytes.reserve(24 + chunks.size() * chunk_info_size);
  ByteWriter out(bytes);
  begin_piece(out, PieceKind::chunk_list);
  out.u64(first);
  out.u32(static_cast<std::uint32_t>(chunks.size()));
  out.u32(0);
  for (const storage::StateChunkInfo& chunk : chunks) write_info(out, chunk);
  return bytes;
}

Result<ChunkListPiece> ChunkListPiece::decode(Bytes bytes) {
  constexpr std::string_view what = "list of state chunks";
  TRY(check_size(bytes));
  ByteReader in(bytes);
  TRY(read_prefix(in, PieceKind::chunk_list));
  ChunkListPiece piece;
  piece.first = in.u64();
  const std::uint32_t count = in.u32();
  const bool zero = in.u32() == 0;
  if (!in.ok() || !zero || in.remaining() != std::uint64_t{count} * chunk_info_size)
    return malformed(what, "its size is not what its fields say");
  piece.chunks.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    storage::StateChunkInfo chunk{};
    chunk.id.kind = in.u16();
    const bool sound = in.u16() == 0;
    chunk.id.number = in.u32();
    chunk.size = in.u32();
    chunk.digest = in.array<32>();
    const bool ascends = piece.chunks.empty() || piece.chunks.back().id < chunk.id;
    if (!sound || !ascends || chunk.size > storage::state_chunk_size_max)
      return malformed(what, fmt::format("chunk {} stands in a wrong place or is too large", i));
    piece.chunks.push_back(chunk);
  }
  return piece;
}

Buffer ChunkPiece::encode() const {
  Buffer piece;
  piece.reserve(24 + bytes.size());
  ByteWriter out(piece);
  begin_piece(out, PieceKind::chunk);
  out.u16(id.kind);
  out.u16(0);
  out.u32(id.number);
  out.u64(first);
  out.bytes(bytes);
  return piece;
}

Result<ChunkPiece> ChunkPiece::decode(Bytes bytes) {
  constexpr std::string_view what = "piece of a state chunk";
  TRY(check_size(bytes));
  ByteReader in(bytes);
  TRY(read_prefix(in, PieceKind::chunk));
  ChunkPiece piece;
  piece.id.kind = in.u16();
  const bool zero = in.u16() == 0;
  piece.id.number = in.u32();
  piece.first = in.u64();
  if (!in.ok() || !zero) return malformed(what, "it is cut short");
  piece.bytes = in.take(in.remaining());
  return piece;
}

}  // namespace meridian::replica
