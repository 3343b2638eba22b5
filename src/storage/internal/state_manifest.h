// The manifest of a state checkpoint (docs/formats/segment.md): which chunk is where. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "storage/state_store.h"

namespace meridian::storage {

inline constexpr std::uint32_t tag_chunk = 11;
inline constexpr std::uint32_t tag_manifest = 12;
inline constexpr std::size_t state_chunk_prefix_size = 12;
inline constexpr std::size_t state_parts_max = 64;

struct ChunkPlace {
  ChunkId id;
  std::uint32_t size;      ///< Of the chunk's bytes.
  std::uint64_t file;      ///< state/NNNNNNNNNNNNNNNN.chunks
  std::uint64_t position;  ///< Of its frame.
  crypto::Digest digest;
  bool operator==(const ChunkPlace&) const = default;
};

struct ManifestBody {
  StateManifest manifest;
  std::vector<ChunkPlace> chunks;  ///< Ascending by id.
};

crypto::Digest state_chunk_digest(ChunkId id, Bytes bytes);
/// The RFC 6962 root over the chunks' digests.
crypto::Digest state_digest(std::span<const ChunkPlace> chunks);

void encode_manifest(const ManifestBody& body, Buffer& out);
/// Errors: data_loss naming the field; also if the digest is not that of the chunks.
Result<ManifestBody> decode_manifest(Bytes bytes);

void encode_chunk(ChunkId id, Bytes bytes, Buffer& out);
struct Chunk {
  ChunkId id;
  Bytes bytes;  ///< View into what was decoded.
};
Result<Chunk> decode_chunk(Bytes plain);

}  // namespace meridian::storage
