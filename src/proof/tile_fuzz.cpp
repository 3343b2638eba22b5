// Tile paths, tiles, bundles and frontiers: whatever is accepted is written back byte for byte.
#include "base/assert.h"
#include "proof/merkle.h"
#include "proof/tile.h"

using namespace meridian;
using namespace meridian::proof;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes bytes(data, size);
  Result<TileId> tile = parse_tile_path(as_text(bytes));
  if (tile.has_value()) {
    ASSERT(tile_path(*tile) == as_text(bytes));
    ASSERT(tile_width_at(tile->level, tile->index, TreeSize{tree_size_max}) <= tile_width);
  }
  Result<Frontier> frontier = Frontier::decode(bytes);
  if (frontier.has_value()) {
    ASSERT(equal(frontier->encode(), bytes));
    if (raw(frontier->size()) < tree_size_max) frontier->append(Hash{});
    (void)frontier->root();
  }
  if (size < 2) return 0;
  auto width = static_cast<std::uint16_t>(1 + data[0]);
  Bytes rest = bytes.subspan(1);
  Result<std::vector<Bytes>> entries = decode_entry_bundle(rest, width);
  if (entries.has_value()) {
    Buffer again;
    for (Bytes entry : *entries) append_entry(again, entry);
    ASSERT(equal(again, rest));
  }
  Result<Hashes> hashes = decode_hash_tile(rest, width);
  if (hashes.has_value()) ASSERT(equal(encode_hash_tile(*hashes), rest));
  return 0;
}
