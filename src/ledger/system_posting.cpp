// Commands of the replica and the door that are not about accounts or streams.
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

Outcome LedgerState::judge_system(const CommandPlace& place, Effect&) {
  const Byte* command = entry->command(place.number);
  CommandKind kind = kinds[place.number];
  if (kind == CommandKind::open_generation) {
    auto open = load_command<OpenGeneration>(command);
    if (record_of(place) != RecordIndex{0} && !may_follow(open, *this, record_of(place)))
      return outcome(SystemOutcome::refused);
    generation = open.generation;
    feature_level = open.feature_level;
  } else if (kind == CommandKind::set_feature_level) {
    auto level = load_command<SetFeatureLevel>(command).feature_level;
    ASSERT(level <= feature_level_newest);
    if (level <= feature_level) return outcome(SystemOutcome::refused);
    feature_level = level;
  } else if (kind == CommandKind::time_advance) {
    auto time = load_command<TimeAdvance>(command).time;
    if (time <= place.time || time > timestamp_max) return outcome(SystemOutcome::refused);
    advanced_to = time;
  }
  // The others (state_digest, erase_subject, door_refusals, dropped_tail, member_change) only state
  // a fact.
  return Outcome::created;
}

}  // namespace meridian::ledger::internal
