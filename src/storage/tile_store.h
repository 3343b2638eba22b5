// Hash tiles of the Merkle log (C2SP tlog-tiles; docs/formats/segment.md): plain files of hashes.
//
// Level L hash i is the root of the complete subtree of leaves [i·256^L, (i+1)·256^L). One writer;
// any thread reads what was appended. Not durable until sync(). Everything read is checked against
// a root by its user.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "crypto/sha256.h"
#include "io/disk.h"

namespace meridian::storage {

class TileStore {
 public:
  static constexpr std::uint8_t levels = 6;  ///< 256^6 records

  /// Opens `tiles/`, dropping hashes past what a tree of `record_count` leaves has.
  /// Errors: data_loss if some are missing, naming level and index.
  static Result<std::unique_ptr<TileStore>> open(io::Disk&, std::uint64_t record_count);
  /// What is there, up to the first missing hash of each level; nothing is changed.
  static Result<std::unique_ptr<TileStore>> open_read_only(io::Disk&);
  virtual ~TileStore() = default;

  /// The hashes that follow count(level); one write. Errors: of the disk; then every later append
  /// is refused, and the process must stop.
  virtual Status append(std::uint8_t level, std::span<const crypto::Digest> hashes) = 0;
  /// Makes everything appended before this call durable. May run beside append in another thread.
  virtual Status sync() = 0;
  virtual std::uint64_t count(std::uint8_t level) const = 0;
  /// Errors: out_of_range past count(level).
  virtual Result<std::vector<crypto::Digest>> read(std::uint8_t level, std::uint64_t first,
                                                   std::size_t count) = 0;
  /// Writes hashes that are there once more, durably: the damaged ones, as their user knows them to
  /// be. A crash leaves each as it was or right. May run beside append. Errors: out_of_range past
  /// count(level); of the disk: the process must stop.
  virtual Status rewrite(std::uint8_t level, std::uint64_t first,
                         std::span<const crypto::Digest> hashes) = 0;
};

}  // namespace meridian::storage
