// Reads a write-ahead log after a start: where it ends, and whether the end is clean, ambiguous or
// damaged (docs/formats/wal.md, "After a crash"). One thread; changes nothing on disk.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "storage/internal/wal_file.h"
#include "storage/internal/wal_index.h"
#include "storage/wal.h"

namespace meridian::storage {

struct WalScan {
  std::deque<WalFile> files;  ///< In order of number.
  WalIndex index;
  std::uint64_t last_index = 0;  ///< Also of a log without entries, if a group says so.

  bool has_group = false;                 ///< If not, those below mean nothing.
  std::size_t current = 0;                ///< Of `files`: holds the last group.
  std::uint64_t last_group_position = 0;  ///< In files[current].
  std::uint32_t sequence = 0;             ///< Of the last group.
  std::size_t last_group_size = 0;

  std::optional<Wal::AmbiguousTail> tail;
  std::size_t tail_file = 0;  ///< Of `files`; the tail begins at its `end`, if there are any.
  /// Numbers of files that are a part of the tail and not in `files`, ascending.
  std::vector<std::uint64_t> lost_files;
  /// The last file when it was prepared and never used and its header is rotten: to be removed.
  std::optional<std::uint64_t> unusable_file;
};

struct WalListener {
  const Wal::Visit& visit;
  const Wal::Progress& progress;
  const Wal::Truncated& truncated;
};

/// `numbers` ascending. Calls the listener as Wal::open does.
Result<WalScan> scan_wal(const SealedContext& context, const std::vector<std::uint64_t>& numbers,
                         std::uint64_t from_index, bool damage_is_tail,
                         const WalListener& listener);

}  // namespace meridian::storage
