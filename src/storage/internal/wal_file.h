// Files of the write-ahead log: preallocated ahead of need, recycled under a new number and key.
//
// A file is prepared under another name and renamed to NNNNNNNNNNNNNNNN.wal only when its header
// and size are durable, so a .wal file always had a sound header. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/internal/wal_group.h"
#include "storage/sealed_file.h"

namespace meridian::storage {

inline constexpr std::string_view wal_directory = "wal";

struct WalFile {
  std::uint64_t number;
  std::unique_ptr<io::File> file;
  FrameSealer sealer;
  std::uint64_t size;                  ///< Preallocated; the first group may be larger.
  std::uint64_t end = wal_block_size;  ///< Where the next group goes.
  std::uint64_t dirty_end = 0;         ///< Bytes at or past this are known to be zero.
  /// Of the log as its last group left it. The next file begins at most one higher: without this
  /// one the log still holds all from there on, whatever was replaced since.
  std::uint64_t last_index = 0;

  bool is_used() const { return end > wal_block_size; }  ///< There is a group in it.
};

/// wal/NNNNNNNNNNNNNNNN.wal
std::string wal_path(std::uint64_t number);

class WalSupply {
 public:
  static constexpr std::size_t spares_max = 4;

  WalSupply(const SealedContext& context, std::uint64_t file_size)
      : context_(context), file_size_(file_size) {}

  /// Takes over what earlier processes left in `names` (the listing of wal/).
  Status adopt(const std::vector<std::string>& names);
  /// Goes on preparing file `number`: about `bytes` more. Out of disk space is not an error here;
  /// take() will tell.
  Status prepare_some(std::uint64_t number, std::uint64_t bytes);
  /// File `number`, ready and durable. Errors: resource_exhausted, with nothing changed.
  Result<WalFile> take(std::uint64_t number);
  /// Keeps a file that is no longer needed for recycling, or removes it. Durable when it returns.
  Status retire(std::uint64_t number);

 private:
  Status prepare_fresh(std::uint64_t number, std::uint64_t bytes);
  Status prepare_recycled(std::uint64_t number);
  Status publish(std::uint64_t number, std::string_view from, std::unique_ptr<io::File> file,
                 bool recycled);
  Status abandon();

  SealedContext context_;
  std::uint64_t file_size_;
  std::vector<std::string> spares_;    // paths
  std::unique_ptr<io::File> growing_;  // wal/next.tmp
  std::optional<WalFile> ready_;
};

}  // namespace meridian::storage
