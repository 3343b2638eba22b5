// One file's content twice: as programs see it (page cache) and as it would survive (platter).
//
// Between two syncs the operations wait in order. When power fails each file draws one of several
// fates: everything waiting is lost, everything is kept, a prefix of the operations with the last
// one torn, or each 512-byte sector on its own. Sizes are metadata and change in order, as in a
// journal; a size that survives without its data reads as zeros. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "sim/random.h"
#include "sim/sparse_bytes.h"

namespace meridian::sim::internal {

class StoredFile {
 public:
  static constexpr std::uint64_t sector_size = 512;

  std::uint64_t size() const { return visible_.size(); }
  std::size_t read(std::uint64_t offset, MutableBytes out) const {
    return visible_.read(offset, out);
  }
  void write(std::uint64_t offset, Bytes bytes);
  void write_zeros(std::uint64_t offset, std::uint64_t count);
  void resize(std::uint64_t size);

  void sync();
  /// What Linux does when a sync fails: some pages were written, the others are marked clean all
  /// the same, so that readers still see them and no later sync writes them.
  void fail_sync(Random& random);
  /// Decides what survives; afterwards that is all there is.
  void lose_power(Random& random);
  /// Rots one bit where it is stored. False if `offset` is past the end.
  bool flip_bit(std::uint64_t offset, unsigned bit);

 private:
  struct Operation {
    enum class Kind : std::uint8_t { write, write_zeros, resize };
    Kind kind;
    std::uint64_t offset;  // for resize: the new size
    std::uint64_t size;
    Buffer bytes;  // only of write
  };

  static void apply(const Operation& operation, SparseBytes& target);
  /// Brings what survives of pending_ into durable_ and empties pending_.
  void persist_some(Random& random);

  SparseBytes visible_;
  SparseBytes durable_;
  std::vector<Operation> pending_;
};

}  // namespace meridian::sim::internal
