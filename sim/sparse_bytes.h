// The content of a simulated file: bytes in 4 KiB chunks; chunks never written are zeros and cost
// nothing. Copies share chunks until one writes, so a copy per crash point is cheap.
// A value; not thread-safe. Cost: O(log chunks) per chunk touched.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "base/bytes.h"

namespace meridian::sim {

class SparseBytes {
 public:
  std::uint64_t size() const { return size_; }
  /// Cuts, or grows with zeros.
  void resize(std::uint64_t size);
  /// Overwrites or appends; a gap before `offset` becomes zeros.
  void write(std::uint64_t offset, Bytes bytes);
  /// As write(), of `count` zeros.
  void write_zeros(std::uint64_t offset, std::uint64_t count);
  /// Fills `out` as far as there are bytes at `offset` and returns how many.
  std::size_t read(std::uint64_t offset, MutableBytes out) const;

 private:
  static constexpr std::uint64_t chunk_size = 4096;
  using Chunk = std::array<Byte, chunk_size>;

  Chunk& own_chunk(std::uint64_t index);

  std::uint64_t size_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Chunk>> chunks_;  // bytes past size_ are kept zero
};

}  // namespace meridian::sim
