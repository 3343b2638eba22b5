// manifest = key_size(4) run_count(4) next_number(8) then run_count × { number(8) pairs(8) }
#include "storage/run_manifest.h"

#include <fmt/format.h>

namespace meridian::storage {

Buffer encode_run_manifest(const RunManifest& manifest) {
  Buffer bytes;
  ByteWriter out(bytes);
  out.u32(manifest.key_size);
  out.u32(static_cast<std::uint32_t>(manifest.runs.size()));
  out.u64(manifest.next_number);
  for (const RunManifest::Run& run : manifest.runs) {
    out.u64(run.number);
    out.u64(run.pairs);
  }
  return bytes;
}

Result<RunManifest> decode_run_manifest(std::string_view index, Bytes bytes) {
  ByteReader in(bytes);
  RunManifest manifest{.key_size = in.u32()};
  const std::uint32_t count = in.u32();
  manifest.next_number = in.u64();
  if (!in.ok() || in.remaining() != std::uint64_t{count} * 16)
    return fail(Code::data_loss, fmt::format("the manifest of index {} is malformed", index));
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t number = in.u64();
    manifest.runs.push_back({number, in.u64()});
  }
  return manifest;
}

std::string run_path(std::string_view index, std::uint64_t number) {
  return fmt::format("index/{}/{:016x}.run", index, number);
}

}  // namespace meridian::storage
