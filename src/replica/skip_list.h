// Entries that an operator had this replica skip: poison, which stops every replica that applies it
// and so would keep the cell from ever starting again (docs/decisions/0022).
//
//   file `skips` in the data directory, put there by `meridian recovery skip` while it is stopped
//     -> the entry of that index and digest is not applied; in its place stands one that the list
//        gives, the same on every replica: an entry_skipped record, at the time after the last
//
// A value. Bytes: docs/formats/skips.md. A replica that skips what others applied, or the other way
// round, has another tree than they, and stops as one that differs (tree_comparison.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "crypto/sha256.h"
#include "io/disk.h"
#include "ledger/ledger.h"
#include "replica/ordered_log.h"

namespace meridian::replica {

struct SkippedEntry {
  std::uint64_t index = 0;
  crypto::Digest digest{};  ///< SHA-256 of the entry's bytes.
  bool operator==(const SkippedEntry&) const = default;
};

class SkipList {
 public:
  static constexpr std::string_view path = "skips";
  static constexpr std::size_t entries_max = 64;

  /// Errors: data_loss if the file is none of ours.
  static Result<SkipList> read(io::Disk& disk);
  /// Adds `entry` and writes the file; nothing if it is there. Errors: failed_precondition if
  /// another digest is at its index, or there are entries_max.
  Status add(io::Disk& disk, const SkippedEntry& entry);

  const std::vector<SkippedEntry>& entries() const { return entries_; }
  /// Cost: a hash of `entry`, if one of its index is listed.
  bool covers(std::uint64_t index, Bytes entry) const;

 private:
  std::vector<SkippedEntry> entries_;  ///< Ascending by index.
};

/// What stands in the place of `entry`, which is skipped and comes next after what `ledger` holds.
/// One record, as the entry had one at least and the next may be stamped right behind it. It raises
/// the cell to the level that has such records, if it is below. Errors: failed_precondition if the
/// ledger is empty, as nothing can open it then.
Result<EntryBytes> substitute_of(const CommittedEntry& entry, const ledger::Ledger& ledger);

/// For an operator whose replica stops at an entry: which one, and how to skip it. `directory`: of
/// the replica's data.
std::string skip_advice(std::uint64_t index, Bytes entry, std::string_view directory);

}  // namespace meridian::replica
