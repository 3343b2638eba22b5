// Where the entries of an open write-ahead log stand, and reading them again. One thread.
//
// Groups in the order of their indexes, which is also that of files and positions: what replaces or
// truncates comes later. Memory: 40 bytes a group. Cost: a binary search.
#pragma once

#include <cstdint>
#include <deque>

#include "storage/internal/wal_file.h"
#include "storage/wal.h"

namespace meridian::storage {

/// A group of which at least one entry is in the log.
struct WalGroupPlace {
  std::uint64_t first_index;
  std::uint64_t last_index;  ///< The last that is in the log: the group may hold later ones.
  std::uint64_t file_number;
  std::uint64_t position;
  std::size_t size;  ///< Of its frame.
};

class WalIndex {
 public:
  bool empty() const { return groups_.empty(); }
  std::uint64_t first_index() const { return empty() ? 0 : groups_.front().first_index; }
  std::uint64_t last_index() const { return empty() ? 0 : groups_.back().last_index; }

  /// Entries from `index` on are not in the log any more.
  void cut(std::uint64_t index);
  /// A group was written: cuts at its first index, then adds it.
  void add(const WalGroupPlace& group);
  /// Forgets the groups of the oldest file, which is `number`.
  void drop_file(std::uint64_t number);
  void clear() { groups_.clear(); }

  /// The groups from that on which holds `index` (which is in the log).
  std::deque<WalGroupPlace>::const_iterator find(std::uint64_t index) const;
  std::deque<WalGroupPlace>::const_iterator end() const { return groups_.end(); }

 private:
  std::deque<WalGroupPlace> groups_;
};

/// Wal::read. `files` have dense numbers and hold all groups of `index`; `last_index` is the log's.
Result<std::uint64_t> read_entries(const SealedContext& context, const WalIndex& index,
                                   std::deque<WalFile>& files, std::uint64_t last_index,
                                   std::uint64_t first, std::uint64_t bytes_max,
                                   const Wal::Visit& visit);

}  // namespace meridian::storage
