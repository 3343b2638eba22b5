// Chunks of a state checkpoint, read back from the files that its manifest names.
//
// Keeps the files it has read from open. One thread; a pin and the store have one each.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "storage/internal/state_manifest.h"
#include "storage/sealed_file.h"

namespace meridian::storage {

std::string chunks_path(std::uint64_t number);

class ChunkReader {
 public:
  explicit ChunkReader(const SealedContext& context) : context_(context) {}

  /// The chunk's frame as it was written, prefix and bytes, checked against its digest.
  /// Errors: data_loss naming the chunk, its file and where in it.
  Result<Buffer> read(const ChunkPlace& place);
  /// `error` as the loss of this chunk.
  Error lost(const ChunkPlace& place, Error error) const;

 private:
  SealedContext context_;
  std::map<std::uint64_t, SealedReader> readers_;
};

}  // namespace meridian::storage
