// Commands of the replica and the door that are not about accounts or streams.
#include <algorithm>

#include "base/assert.h"
#include "ledger/internal/ledger_state.h"

namespace meridian::ledger::internal {

namespace {

/// A later generation follows the one before and says which records of it are lost: from some
/// record at or before this one up to what was signed last, as far as that is known; none if all of
/// that is here (docs/decisions/0011, 0014).
bool may_follow(const OpenGeneration& open, const LedgerState& state, RecordIndex record) {
  return open.cell == state.cell && open.generation == state.generation + 1 &&
         open.feature_level == state.feature_level && open.lost_count <= open.predecessor_size &&
         open.predecessor_size - open.lost_count <= raw(record);
}

}  // namespace

/// The first grant says which key is the cell's. A member may be handed it again.
bool LedgerState::take_grant(const CellKeyGrant& grant, RecordIndex record) {
  if (grant.member == 0 || grant.check == 0) return false;
  if (cell_key.check != 0 && grant.check != cell_key.check) return false;
  const auto at = std::lower_bound(
      cell_key.grants.begin(), cell_key.grants.end(), grant.member,
      [](const CellKey::Grant& one, std::uint64_t member) { return one.member < member; });
  const bool is_known = at != cell_key.grants.end() && at->member == grant.member;
  if (!is_known && cell_key.grants.size() == cell_key_grants_max) return false;
  cell_key.check = grant.check;
  if (is_known)
    at->record = record;
  else
    cell_key.grants.insert(at, {grant.member, record});
  return true;
}

Outcome LedgerState::judge_system(const CommandPlace& place, Effect&) {
  const Byte* command = entry->command(place.number);
  CommandKind kind = kinds[place.number];
  if (kind == CommandKind::open_generation) {
    auto open = load_command<OpenGeneration>(command);
    if (record_of(place) != RecordIndex{0} && !may_follow(open, *this, record_of(place)))
      return outcome(SystemOutcome::refused);
    generation = open.generation;
    feature_level = open.feature_level;
  } else if (kind == CommandKind::entry_skipped) {
    // Takes the level that it needs along: the cell got there without activating it.
    const auto level = std::max(feature_level, load_command<EntrySkipped>(command).feature_level);
    ASSERT(level <= level_max);
    if (level < level_needed(kind)) return outcome(SystemOutcome::needs_newer_level);
    feature_level = level;
  } else if (feature_level < level_needed(kind)) {
    return outcome(SystemOutcome::needs_newer_level);
  } else if (kind == CommandKind::set_retention && feature_level < residency_level &&
             load_command<SetRetention>(command).residency != 0) {
    return outcome(SystemOutcome::needs_newer_level);
  } else if (kind == CommandKind::set_feature_level) {
    auto level = load_command<SetFeatureLevel>(command).feature_level;
    ASSERT(level <= level_max);
    if (level <= feature_level) return outcome(SystemOutcome::refused);
    feature_level = level;
  } else if (kind == CommandKind::time_advance) {
    auto time = load_command<TimeAdvance>(command).time;
    if (time <= place.time || time > timestamp_max) return outcome(SystemOutcome::refused);
    advanced_to = time;
  } else if (kind == CommandKind::cell_key_grant) {
    if (!take_grant(load_command<CellKeyGrant>(command), record_of(place)))
      return outcome(SystemOutcome::refused);
  }
  // The others (state_digest, erase_subject, door_refusals, dropped_tail, member_change,
  // subject_key, turn_epoch) only state a fact.
  return Outcome::created;
}

}  // namespace meridian::ledger::internal
