#include "storage/internal/chunk_reader.h"

#include <fmt/format.h>

#include "storage/internal/file_names.h"

namespace meridian::storage {

std::string chunks_path(std::uint64_t number) {
  return fmt::format("state/{}", numbered_name(number, ".chunks"));
}

Result<Buffer> ChunkReader::read(const ChunkPlace& place) {
  auto found = readers_.find(place.file);
  if (found == readers_.end()) {
    auto opened = SealedReader::open(context_, chunks_path(place.file), Purpose::state, place.file);
    if (!opened) return lost(place, opened.error());
    found = readers_.emplace(place.file, std::move(*opened)).first;
  }
  auto frame = found->second.read(place.position);
  if (!frame) return lost(place, frame.error());
  auto chunk = decode_chunk(frame->plain);
  bool right = frame->tag_word == tag_chunk && chunk && chunk->id == place.id &&
               chunk->bytes.size() == place.size &&
               state_chunk_digest(place.id, chunk->bytes) == place.digest;
  if (!right) return lost(place, fail(Code::data_loss, "another chunk's bytes"));
  return std::move(frame->plain);
}

Error ChunkReader::lost(const ChunkPlace& place, Error error) const {
  bool missing = error.code == Code::not_found || error.code == Code::out_of_range;
  if (missing) error.code = Code::data_loss;
  return with_context(
      error,
      fmt::format("state chunk {}/{} ({} bytes), {} at byte {}", place.id.kind, place.id.number,
                  place.size, context_.disk.display(chunks_path(place.file)), place.position));
}

}  // namespace meridian::storage
