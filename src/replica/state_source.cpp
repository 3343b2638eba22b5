#include "replica/state_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "replica/checkpointer.h"
#include "replica/prover.h"

namespace meridian::replica {

namespace {

constexpr std::size_t room_for_prefix = 128;  // and a digest
/// What a piece of records may take besides its prefix and the proof.
constexpr std::size_t records_room = piece_size_max - room_for_prefix - 32 * proof::proof_size_max;
constexpr std::uint64_t first_step = 256;
constexpr std::uint64_t list_chunks_max = 32'768;
static_assert(list_chunks_max * 44 + room_for_prefix <= piece_size_max);

/// Records gathered for one piece, as many as fit.
struct Gathered {
  std::vector<std::uint16_t> sizes;
  Buffer headers;
  std::vector<std::pair<std::uint64_t, Buffer>> payloads;
  std::size_t used = 0;
  bool full = false;
};

/// Headers and payloads of [from, to), until one does not fit.
Status gather(storage::RecordStore& records, std::uint64_t from, std::uint64_t to, Gathered& all) {
  std::vector<std::pair<std::uint64_t, Buffer>> payloads;
  std::size_t payload_bytes = 0;
  TRY(records.scan_payloads(from, to, [&](std::uint64_t record, Bytes payload) {
    payloads.emplace_back(record, to_buffer(payload));
    payload_bytes += payload.size();
    return payload_bytes < records_room;
  }));
  auto payload = payloads.begin();
  return records.scan(from, to, [&](std::uint64_t record, Bytes header) {
    const bool has_payload = payload != payloads.end() && payload->first == record;
    std::size_t size = header.size() + sizeof(std::uint16_t);
    if (has_payload) size += payload->second.size() + 8;
    if (all.used + size > records_room) {
      all.full = true;
      return false;
    }
    all.used += size;
    all.sizes.push_back(static_cast<std::uint16_t>(header.size()));
    all.headers.insert(all.headers.end(), header.begin(), header.end());
    if (has_payload) all.payloads.push_back(std::move(*payload++));
    return true;
  });
}

}  // namespace

Result<StateOffer> StateSource::describe() {
  const Pin pin = parts_.states.pin();
  if (pin == nullptr)
    return fail(Code::not_found,
                "there is no state checkpoint to copy yet: the first comes with the first interval "
                "of records");
  const storage::StateManifest& manifest = pin->manifest();
  const auto part = [&](Checkpointer::Part which) -> Bytes {
    const auto index = static_cast<std::size_t>(which);
    return index < manifest.parts.size() ? Bytes(manifest.parts[index]) : Bytes();
  };
  const proof::Frontier frontier = TRY(proof::Frontier::decode(part(Checkpointer::Part::frontier)));
  StateOffer offer;
  offer.cell = parts_.cell;
  offer.generation = parts_.generation;
  offer.record_index = manifest.record_index;
  offer.entry_index = manifest.entry_index;
  offer.term = manifest.term;
  offer.state_digest = manifest.digest;
  offer.root = frontier.root();
  offer.chunk_count = pin->chunks().size();
  for (const storage::StateChunkInfo& chunk : pin->chunks()) offer.chunk_bytes += chunk.size;
  offer.membership = to_buffer(part(Checkpointer::Part::membership));

  const std::lock_guard lock(mutex_);
  std::erase_if(pins_, [&](const Pin& kept) {
    return kept->manifest().record_index == manifest.record_index;
  });
  if (pins_.size() == offers_max) pins_.erase(pins_.begin());
  pins_.push_back(pin);
  return offer;
}

void StateSource::release(std::uint64_t record_index) {
  const std::lock_guard lock(mutex_);
  std::erase_if(pins_,
                [&](const Pin& kept) { return kept->manifest().record_index == record_index; });
}

Result<StateSource::Pin> StateSource::offered(std::uint64_t record_index) {
  const std::lock_guard lock(mutex_);
  for (const Pin& pin : pins_)
    if (pin->manifest().record_index == record_index) return pin;
  return fail(Code::failed_precondition,
              fmt::format("the state of {} records is not offered any more: ask for a new offer; "
                          "records that were copied still count",
                          record_index));
}

Result<Buffer> StateSource::read(const PieceRequest& request) {
  switch (request.kind) {
    case PieceKind::records: return read_records(request);
    case PieceKind::chunk_list: return read_chunk_list(request);
    case PieceKind::chunk: return read_chunk(request);
  }
  return fail(Code::invalid_argument, "a request for a piece of unknown kind");
}

Result<Buffer> StateSource::read_records(const PieceRequest& request) {
  const std::uint64_t there = parts_.records.count();
  if (request.record_index > there || request.first > request.last ||
      request.last > request.record_index || request.last - request.first > piece_records_max)
    return fail(Code::out_of_range, fmt::format("{} in a tree of {}: there are {} records",
                                                request.describe(), request.record_index, there));
  Gathered all;
  if (request.last - request.first > first_step) all.headers.reserve(records_room);
  // In growing steps: how many fit is known only when their payloads are.
  std::uint64_t next = request.first;
  for (std::uint64_t step = first_step; next < request.last && !all.full; step *= 2) {
    const std::uint64_t end = std::min(request.last, next + step);
    TRY(gather(parts_.records, next, end, all));
    next = end;
  }
  RecordsPiece piece;
  piece.first = request.first;
  piece.sizes = std::move(all.sizes);
  piece.headers = all.headers;
  for (const auto& [record, bytes] : all.payloads) piece.payloads.push_back({record, bytes});
  if (piece.last() > 0 && piece.last() < request.record_index) {
    StoredTiles tiles(parts_.tiles);
    piece.proof = TRY(proof::prove_consistency(proof::TreeSize{piece.last()},
                                               proof::TreeSize{request.record_index}, tiles));
  }
  return piece.encode();
}

Result<Buffer> StateSource::read_chunk_list(const PieceRequest& request) {
  const Pin pin = TRY(offered(request.record_index));
  const auto& chunks = pin->chunks();
  if (request.first >= chunks.size() || request.last > chunks.size() ||
      request.first >= request.last)
    return fail(Code::out_of_range,
                fmt::format("{}: there are {}", request.describe(), chunks.size()));
  const std::uint64_t end = std::min(request.last, request.first + list_chunks_max);
  ChunkListPiece piece;
  piece.first = request.first;
  piece.chunks.assign(chunks.begin() + static_cast<std::ptrdiff_t>(request.first),
                      chunks.begin() + static_cast<std::ptrdiff_t>(end));
  return piece.encode();
}

Result<Buffer> StateSource::read_chunk(const PieceRequest& request) {
  const Pin pin = TRY(offered(request.record_index));
  const Buffer bytes = TRY(pin->read(request.chunk));
  if (request.first >= request.last || request.last > bytes.size())
    return fail(Code::out_of_range,
                fmt::format("{}: it has {} bytes", request.describe(), bytes.size()));
  const std::uint64_t size =
      std::min<std::uint64_t>(request.last - request.first, piece_size_max - room_for_prefix);
  ChunkPiece piece;
  piece.id = request.chunk;
  piece.first = request.first;
  piece.bytes = Bytes(bytes).subspan(request.first, size);
  return piece.encode();
}

}  // namespace meridian::replica
