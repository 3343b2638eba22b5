// Names and bytes of a published log (C2SP tlog-tiles, https://c2sp.org/tlog-tiles): tile paths,
// hash tiles and entry bundles. An entry is a record's header.
//
// Pure functions. Everything parsed here may come from a stranger: one text per tile, anything else
// is an error. Bytes: docs/formats/proof.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "proof/merkle.h"

namespace meridian::proof {

inline constexpr std::size_t entry_size_max = 65535;  ///< Of one entry, without its length.

enum class TileKind : std::uint8_t { hashes, entries };

/// Which tile: `level` is 0 for entries; `index` counts tiles; `width` is 256 for a full tile,
/// 1..255 for a partial one.
struct TileId {
  TileKind kind = TileKind::hashes;
  std::uint8_t level = 0;
  std::uint64_t index = 0;
  std::uint16_t width = tile_width;
  bool operator==(const TileId&) const = default;
};

/// "tile/0/x001/x234/067", "tile/entries/000.p/17": relative to the log's prefix.
std::string tile_path(const TileId& tile);
/// Errors: invalid_argument unless `path` is exactly what tile_path gives for some tile with
/// level <= 63 and index <= 2^56 - 1.
Result<TileId> parse_tile_path(std::string_view path);

/// Width of tile `index` of `level` in a tree of `size`: 256 full, 1..255 partial, 0 not there.
std::uint16_t tile_width_at(std::uint8_t level, std::uint64_t index, TreeSize size);
/// Every tile a log of `size` serves: hash tiles of all levels, then entry bundles.
std::vector<TileId> tiles_of(TreeSize size);

Buffer encode_hash_tile(std::span<const Hash> hashes);
/// Errors: invalid_argument unless `bytes` are exactly `width` hashes.
Result<Hashes> decode_hash_tile(Bytes bytes, std::uint16_t width);

/// Adds u16 big-endian size and `entry` to `bundle`. Asserts entry_size_max.
void append_entry(Buffer& bundle, Bytes entry);
/// Views into `bundle`. Errors: invalid_argument unless it holds exactly `width` entries.
Result<std::vector<Bytes>> decode_entry_bundle(Bytes bundle, std::uint16_t width);

}  // namespace meridian::proof
