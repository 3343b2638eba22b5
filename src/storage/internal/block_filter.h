// Split-block Bloom filter (Putze, Sanders, Singler 2007; the Parquet format's layout): may a run
// hold this key? One cache line per question; at 16 bits a key about 0.1 % false answers.
//
// The hash of a key is fixed for ever, since filters are stored. Values; const calls from any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/sorted_runs.h"

namespace meridian::storage {

/// A stable 64-bit hash of a key (the finaliser of splitmix64 over its three words).
inline std::uint64_t stable_hash(const RunKey& key) {
  const auto mix = [](std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  };
  std::uint64_t hash = mix(high64(key.high) + 0x9e3779b97f4a7c15ULL);
  hash = mix(hash ^ low64(key.high));
  return mix(hash ^ key.low);
}

class BlockFilter {
 public:
  BlockFilter() = default;
  /// Room for `keys` at 16 bits each, in whole blocks of 32 bytes.
  explicit BlockFilter(std::uint64_t keys);
  /// Errors: data_loss unless `bytes` are whole blocks.
  static Result<BlockFilter> decode(Bytes bytes);
  Buffer encode() const;

  void insert(std::uint64_t hash) {
    Block& block = blocks_[block_of(hash)];
    for (std::size_t i = 0; i < words; ++i) block[i] |= bit(hash, i);
  }
  bool may_contain(std::uint64_t hash) const {
    const Block& block = blocks_[block_of(hash)];
    std::uint32_t missing = 0;
    for (std::size_t i = 0; i < words; ++i) missing |= bit(hash, i) & ~block[i];
    return missing == 0;
  }
  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&blocks_[block_of(hash)]); }
  std::size_t memory_bytes() const { return blocks_.size() * sizeof(Block); }

 private:
  static constexpr std::size_t words = 8;
  using Block = std::array<std::uint32_t, words>;
  static constexpr std::array<std::uint32_t, words> salts = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU,
                                                             0xa2b7289dU, 0x705495c7U, 0x2df1424bU,
                                                             0x9efc4947U, 0x5c6bfb31U};

  static std::uint32_t bit(std::uint64_t hash, std::size_t word) {
    return std::uint32_t{1} << ((static_cast<std::uint32_t>(hash) * salts[word]) >> 27);
  }
  std::size_t block_of(std::uint64_t hash) const {
    return static_cast<std::size_t>(((hash >> 32) * blocks_.size()) >> 32);
  }

  std::vector<Block> blocks_;
};

}  // namespace meridian::storage
