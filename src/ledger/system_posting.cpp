// Commands of the replica and the door that are not about accounts or streams.
#include "base/assert.h"
#include "ledger/internal/ledger_state.h"

namespace meridian::ledger::internal {

Outcome LedgerState::judge_system(const CommandPlace& place, Effect&) {
  const Byte* command = entry->command(place.number);
  CommandKind kind = kinds[place.number];
  if (kind == CommandKind::open_generation) {
    if (record_of(place) != RecordIndex{0}) return outcome(SystemOutcome::refused);
    auto open = load_command<OpenGeneration>(command);
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
  // The others (state_digest, erase_subject, door_refusals, dropped_tail) only state a fact.
  return Outcome::created;
}

}  // namespace meridian::ledger::internal
