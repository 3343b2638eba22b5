#include "storage/internal/state_manifest.h"

#include <fmt/format.h>

#include "proof/merkle.h"

namespace meridian::storage {
namespace {

constexpr std::uint16_t version = 1;
constexpr std::size_t chunk_entry_size = 60;
constexpr Byte chunk_digest_domain = 0x04;

Error malformed(std::string_view what) {
  return fail(Code::data_loss, fmt::format("state manifest: {}", what));
}

}  // namespace

crypto::Digest state_chunk_digest(ChunkId id, Bytes bytes) {
  std::array<Byte, 7> prefix{chunk_digest_domain};
  store_le(&prefix[1], id.kind);
  store_le(&prefix[3], id.number);
  return crypto::Sha256().update(Bytes(prefix)).update(bytes).finish();
}

crypto::Digest state_digest(std::span<const ChunkPlace> chunks) {
  proof::Frontier frontier;
  for (const ChunkPlace& chunk : chunks) frontier.append(proof::leaf_hash(chunk.digest));
  return frontier.root();
}

void encode_manifest(const ManifestBody& body, Buffer& out) {
  out.clear();
  ByteWriter writer(out);
  writer.u16(version);
  writer.zeros(2);
  writer.u32(static_cast<std::uint32_t>(body.manifest.parts.size()));
  writer.u64(body.manifest.record_index);
  writer.u64(body.manifest.entry_index);
  writer.u64(body.manifest.term);
  writer.u64(body.chunks.size());
  writer.bytes(body.manifest.digest);
  for (const ChunkPlace& chunk : body.chunks) {
    writer.u16(chunk.id.kind);
    writer.zeros(2);
    writer.u32(chunk.id.number);
    writer.u32(chunk.size);
    writer.u64(chunk.file);
    writer.u64(chunk.position);
    writer.bytes(chunk.digest);
  }
  for (const Buffer& part : body.manifest.parts) {
    writer.u64(part.size());
    writer.bytes(part);
  }
}

Result<ManifestBody> decode_manifest(Bytes bytes) {
  ByteReader reader(bytes);
  ManifestBody body;
  if (reader.u16() != version || reader.u16() != 0) return malformed("unknown version");
  std::uint32_t parts = reader.u32();
  body.manifest.record_index = reader.u64();
  body.manifest.entry_index = reader.u64();
  body.manifest.term = reader.u64();
  std::uint64_t chunks = reader.u64();
  body.manifest.digest = reader.array<32>();
  if (!reader.ok() || parts > state_parts_max) return malformed("malformed header");
  if (chunks > reader.remaining() / chunk_entry_size) return malformed("fewer chunks than it says");
  body.chunks.reserve(chunks);
  for (std::uint64_t i = 0; i < chunks; ++i) {
    ChunkPlace chunk{};
    chunk.id.kind = reader.u16();
    bool sound = reader.u16() == 0;
    chunk.id.number = reader.u32();
    chunk.size = reader.u32();
    chunk.file = reader.u64();
    chunk.position = reader.u64();
    chunk.digest = reader.array<32>();
    if (!body.chunks.empty()) sound = sound && body.chunks.back().id < chunk.id;
    sound =
        sound && chunk.position >= sealed_file_header_size && chunk.size <= state_chunk_size_max;
    if (!sound) return malformed(fmt::format("malformed chunk {}", i));
    body.chunks.push_back(chunk);
  }
  for (std::uint32_t i = 0; i < parts; ++i) {
    std::uint64_t size = reader.u64();
    if (size > reader.remaining()) return malformed(fmt::format("part {} is cut off", i));
    body.manifest.parts.push_back(to_buffer(reader.take(static_cast<std::size_t>(size))));
  }
  if (!reader.done()) return malformed("its size is not what its fields say");
  if (state_digest(body.chunks) != body.manifest.digest) {
    return malformed("the digest is not that of its chunks");
  }
  return body;
}

void encode_chunk(ChunkId id, Bytes bytes, Buffer& out) {
  out.clear();
  out.reserve(state_chunk_prefix_size + bytes.size());
  ByteWriter writer(out);
  writer.u16(id.kind);
  writer.zeros(2);
  writer.u32(id.number);
  writer.u32(static_cast<std::uint32_t>(bytes.size()));
  writer.bytes(bytes);
}

Result<Chunk> decode_chunk(Bytes plain) {
  ByteReader reader(plain);
  Chunk chunk{};
  chunk.id.kind = reader.u16();
  std::uint16_t zero = reader.u16();
  chunk.id.number = reader.u32();
  std::uint32_t size = reader.u32();
  chunk.bytes = reader.take(size);
  if (!reader.done() || zero != 0) return fail(Code::data_loss, "malformed state chunk");
  return chunk;
}

}  // namespace meridian::storage
