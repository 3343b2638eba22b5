// The hard state of a Raft replica: what it may never forget, or it elects two leaders in one term.
//
// File `hard_state` (docs/formats/slot_file.md). One thread. An error of a save is final: stop.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/slot_file.h"

namespace meridian::storage {

struct HardState {
  std::uint64_t term = 0;
  std::uint64_t vote = 0;  ///< Whom this replica voted for in `term`; 0 = nobody yet.
  /// Known to be committed, maybe behind what is. Whoever opens the file bounds it by the end of
  /// the log: both are not made durable in one step.
  std::uint64_t commit = 0;
  bool operator==(const HardState&) const = default;
};

class HardStateFile {
 public:
  static constexpr std::string_view path = "hard_state";

  /// With IfMissing::create only in a new data directory. What it read is durable when this
  /// returns. Errors: data_loss if it cannot be read, or is missing and must not be.
  static Result<HardStateFile> open(io::Disk& disk, IfMissing if_missing,
                                    std::string_view at = path);

  const HardState& state() const { return state_; }
  /// Set if one slot is not as it was written, for people: which, and what is not known for that.
  const std::optional<std::string>& damage() const { return damage_; }
  /// A vote may be forgotten: a slot cannot be read, and it may have been the newer one. Until the
  /// next save, which writes over that slot: whoever goes on sets the mark of in_doubt_mark.h
  /// first.
  bool is_in_doubt() const { return in_doubt_; }

  /// Durable when it returns. Asserts that the term does not go down, and that a vote once given in
  /// a term stays.
  Status save(const HardState& state);
  /// For a change of `commit` alone: written without a sync, so a crash may undo it. Something was
  /// saved before (asserted).
  Status save_commit_hint(std::uint64_t commit);

 private:
  explicit HardStateFile(SlotFile file) : file_(std::move(file)) {}

  SlotFile file_;
  HardState state_;
  std::optional<std::string> damage_;
  bool in_doubt_ = false;
};

}  // namespace meridian::storage
