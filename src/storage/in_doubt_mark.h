// The durable mark of a replica that may have forgotten what it acknowledged (the last group of its
// log did not open): it must neither vote nor acknowledge until a leader has supplied its log again
// past `after_index`, also after further restarts (DESIGN section 5).
//
// File `in_doubt` (docs/formats/slot_file.md). One thread. An error of set or clear is final: stop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/slot_file.h"

namespace meridian::storage {

class InDoubtMark {
 public:
  static constexpr std::string_view path = "in_doubt";

  /// With IfMissing::create only in a new data directory. What it read is durable when this
  /// returns. Errors: data_loss if it cannot be read, or is missing and must not be.
  static Result<InDoubtMark> open(io::Disk& disk, IfMissing if_missing, std::string_view at = path);

  /// The last index that is sound, while the mark is set.
  const std::optional<std::uint64_t>& after_index() const { return after_index_; }
  /// Durable when it returns, and before Wal::drop_tail(), or a crash between the two forgets it.
  Status set(std::uint64_t after_index);
  /// Durable when it returns.
  Status clear();

 private:
  explicit InDoubtMark(SlotFile file) : file_(std::move(file)) {}
  Status save(bool is_set, std::uint64_t after_index);

  SlotFile file_;
  std::optional<std::uint64_t> after_index_;
};

}  // namespace meridian::storage
