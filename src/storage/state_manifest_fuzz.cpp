// The manifest of a state checkpoint and its chunks: whatever decodes encodes to the same bytes.
#include <cstdlib>

#include "storage/internal/state_manifest.h"

namespace {

using namespace meridian;

void require(bool condition) {
  if (!condition) std::abort();
}

/// The input as it is, and with the digest put right, so that more than the digest is tried.
void decode(Buffer input) {
  constexpr std::size_t digest_at = 40;
  constexpr std::size_t chunks_at = 72;
  constexpr std::size_t chunk_size = 60;
  if (input.size() >= chunks_at) {
    std::vector<storage::ChunkPlace> chunks;
    ByteReader reader(Bytes(input).subspan(chunks_at));
    std::uint64_t count = load_le<std::uint64_t>(&input[32]);
    for (std::uint64_t i = 0; i < count && reader.remaining() >= chunk_size; ++i) {
      reader.take(chunk_size - 32);
      chunks.push_back({});
      chunks.back().digest = reader.array<32>();
    }
    crypto::Digest digest = storage::state_digest(chunks);
    std::copy(digest.begin(), digest.end(), input.begin() + digest_at);
  }
  auto body = storage::decode_manifest(input);
  if (!body) return;
  Buffer again;
  storage::encode_manifest(*body, again);
  require(again == input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes input(data, size);
  static_cast<void>(storage::decode_manifest(input));
  decode(to_buffer(input));
  auto chunk = storage::decode_chunk(input);
  if (chunk) {
    Buffer again;
    storage::encode_chunk(chunk->id, chunk->bytes, again);
    require(equal(again, input));
  }
  return 0;
}
