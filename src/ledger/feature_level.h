// Numbered semantics of apply (DESIGN section 4): which level a cell is at is a record, so that all
// replicas change at the same one. A node runs the newest level it knows and the one before; which
// those are it says to the others (replica/level_news.h). Level 1 is what cells began with.
//
//   2: subject_key, turn_epoch and entry_skipped may stand in records
//   3: set_retention, place_hold, release_hold, forget_subject, erase_key and expire_class may
//   4: accounts may have the flag requires_signature; events may be signed
//      set_residency, residency_key and turn_residency may stand in records, and set_retention may
//      name a jurisdiction
#pragma once

#include <cstdint>

#include "ledger/command.h"

namespace meridian::ledger {

inline constexpr std::uint32_t feature_level_newest = 4;
inline constexpr std::uint32_t residency_level = 4;  ///< Jurisdictions are known from it on.

/// What one node runs, both included.
struct FeatureLevels {
  std::uint32_t oldest = 0;
  std::uint32_t newest = 0;

  bool contains(std::uint32_t level) const { return oldest <= level && level <= newest; }
  bool operator==(const FeatureLevels&) const = default;
};
/// Of a node whose newest level is `newest`: that and the one before.
constexpr FeatureLevels feature_levels_up_to(std::uint32_t newest) {
  return {newest > 1 ? newest - 1 : 1, newest};
}

/// From which level on commands of `kind` have an effect; below it they are refused
/// (SystemOutcome::needs_newer_level), but for an entry_skipped that takes the level along. A
/// version that does not know the level may not even decode them: they are proposed only where they
/// have an effect.
constexpr std::uint32_t level_needed(CommandKind kind) {
  if (kind >= CommandKind::set_residency && kind <= CommandKind::turn_residency)
    return residency_level;
  if (kind >= CommandKind::set_retention && kind <= CommandKind::expire_class) return 3;
  return kind == CommandKind::subject_key || kind == CommandKind::turn_epoch ||
                 kind == CommandKind::entry_skipped
             ? 2
             : 1;
}

/// Of account_flags::requires_signature.
inline constexpr std::uint32_t level_of_required_signatures = 4;
/// Of events that clients sign: what is sealed with them versions before cannot read.
inline constexpr std::uint32_t level_of_signed_events = 4;
/// The flags that accounts may be made with; others are reserved.
constexpr std::uint16_t account_flags_at(std::uint32_t level) {
  constexpr auto of_before =
      static_cast<std::uint16_t>(account_flags::all & ~account_flags::requires_signature);
  return level < level_of_required_signatures ? of_before : account_flags::all;
}

}  // namespace meridian::ledger
