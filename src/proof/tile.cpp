// tile    = "tile/" level "/" index [".p/" width]      level 0..63
//         | "tile/entries/" index [".p/" width]
// index   = *("x" 3DIGIT "/") 3DIGIT                   no leading "x000/"
// width   = 1..255
// (C2SP tlog-tiles, "Merkle Tree" and "Log entries")
#include "proof/tile.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "proof/internal/text.h"

namespace meridian::proof {

namespace {

constexpr std::uint64_t tile_index_max = (std::uint64_t{1} << 56) - 1;

Error bad_path(std::string_view path, std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("tile path {}: {}", quoted(path), why));
}

std::optional<std::uint64_t> three_digits(std::string_view text) {
  if (text.size() != 3) return std::nullopt;
  std::uint64_t value = 0;
  for (char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return value;
}

}  // namespace

std::string tile_path(const TileId& tile) {
  ASSERT(tile.width >= 1);
  ASSERT(tile.width <= tile_width);
  std::string path = tile.kind == TileKind::entries ? std::string("tile/entries/")
                                                    : fmt::format("tile/{}/", tile.level);
  std::string digits = fmt::format("{:03}", tile.index);
  digits.insert(0, (3 - digits.size() % 3) % 3, '0');
  for (std::size_t at = 0; at + 3 < digits.size(); at += 3) {
    path += 'x';
    path += digits.substr(at, 3);
    path += '/';
  }
  path += digits.substr(digits.size() - 3);
  if (tile.width < tile_width) path += fmt::format(".p/{}", tile.width);
  return path;
}

Result<TileId> parse_tile_path(std::string_view path) {
  std::string_view rest = path;
  if (!rest.starts_with("tile/")) return bad_path(path, "does not begin with tile/");
  rest.remove_prefix(5);
  TileId tile;
  std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return bad_path(path, "ends after the level");
  std::string_view level = rest.substr(0, slash);
  rest.remove_prefix(slash + 1);
  if (level == "entries") {
    tile.kind = TileKind::entries;
  } else {
    std::optional<std::uint64_t> number = parse_strict_decimal(level, 63);
    if (!number) return bad_path(path, "the level is not entries or a number of 0..63");
    tile.level = static_cast<std::uint8_t>(*number);
  }
  std::size_t partial = rest.find(".p/");
  if (partial != std::string_view::npos) {
    std::optional<std::uint64_t> width =
        parse_strict_decimal(rest.substr(partial + 3), tile_width - 1);
    if (!width || *width == 0) return bad_path(path, "the width is not a number of 1..255");
    tile.width = static_cast<std::uint16_t>(*width);
    rest = rest.substr(0, partial);
  }
  bool first = true;
  while (true) {
    bool more = rest.starts_with('x');
    if (more) rest.remove_prefix(1);
    std::optional<std::uint64_t> digits = three_digits(rest.substr(0, 3));
    if (!digits) return bad_path(path, "the index is not of groups of three digits");
    if (first && more && *digits == 0) return bad_path(path, "the index begins with x000");
    if (tile.index > (tile_index_max - *digits) / 1000) return bad_path(path, "index too large");
    tile.index = tile.index * 1000 + *digits;
    rest.remove_prefix(3);
    first = false;
    if (!more) break;
    if (!rest.starts_with('/')) return bad_path(path, "no / after a group that begins with x");
    rest.remove_prefix(1);
  }
  if (!rest.empty()) return bad_path(path, "text after the index");
  return tile;
}

std::uint16_t tile_width_at(std::uint8_t level, std::uint64_t index, TreeSize size) {
  if (level >= tile_level_count) return 0;
  std::uint64_t there = raw(size) >> (tile_height * level);
  if (index >= there / tile_width + 1) return 0;
  std::uint64_t after_first = there - index * tile_width;
  return static_cast<std::uint16_t>(std::min<std::uint64_t>(after_first, tile_width));
}

std::vector<TileId> tiles_of(TreeSize size) {
  std::vector<TileId> tiles;
  auto add = [&](TileKind kind, std::uint8_t level) {
    for (std::uint64_t index = 0; tile_width_at(level, index, size) != 0; ++index) {
      tiles.push_back({kind, level, index, tile_width_at(level, index, size)});
    }
  };
  for (std::uint8_t level = 0; level < tile_level_count; ++level) add(TileKind::hashes, level);
  add(TileKind::entries, 0);
  return tiles;
}

Buffer encode_hash_tile(std::span<const Hash> hashes) {
  Buffer bytes;
  bytes.reserve(hashes.size() * sizeof(Hash));
  for (const Hash& hash : hashes) bytes.insert(bytes.end(), hash.begin(), hash.end());
  return bytes;
}

Result<Hashes> decode_hash_tile(Bytes bytes, std::uint16_t width) {
  if (bytes.size() != width * sizeof(Hash)) {
    return fail(Code::invalid_argument,
                fmt::format("hash tile: {} bytes instead of {} for {} hashes", bytes.size(),
                            width * sizeof(Hash), width));
  }
  Hashes hashes(width);
  ByteReader reader(bytes);
  for (Hash& hash : hashes) hash = reader.array<sizeof(Hash)>();
  return hashes;
}

void append_entry(Buffer& bundle, Bytes entry) {
  ASSERT(entry.size() <= entry_size_max);
  bundle.push_back(static_cast<Byte>(entry.size() >> 8));
  bundle.push_back(static_cast<Byte>(entry.size() & 0xFF));
  bundle.insert(bundle.end(), entry.begin(), entry.end());
}

Result<std::vector<Bytes>> decode_entry_bundle(Bytes bundle, std::uint16_t width) {
  std::vector<Bytes> entries;
  entries.reserve(width);
  Bytes rest = bundle;
  for (std::size_t i = 0; i < width; ++i) {
    std::size_t size = rest.size() < 2 ? entry_size_max : (std::size_t{rest[0]} << 8) | rest[1];
    if (rest.size() < 2 + size) {
      return fail(Code::invalid_argument,
                  fmt::format("entry bundle: ends inside entry {} of {}", i, width));
    }
    entries.push_back(rest.subspan(2, size));
    rest = rest.subspan(2 + size);
  }
  if (!rest.empty()) {
    return fail(Code::invalid_argument,
                fmt::format("entry bundle: {} bytes after its {} entries", rest.size(), width));
  }
  return entries;
}

}  // namespace meridian::proof
