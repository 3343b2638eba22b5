// What a turn of the epoch costs, per row: all keys of persons wrapped anew, and the table written
// (to a disk in memory).
#include <benchmark/benchmark.h>

#include "base/assert.h"
#include "storage/internal/key_rig.h"
#include "storage/key_table.h"

namespace meridian::storage {
namespace {

/// Of that many persons: two rows each.
void turn_of_the_epoch(benchmark::State& state) {
  KeyRig rig;
  rig.create();
  auto opened = KeyTable::open(rig.context(), *rig.keys, rig.clock);
  ASSERT(opened.has_value());
  KeyTable& table = **opened;
  const auto persons = static_cast<std::uint64_t>(state.range(0));
  for (std::uint64_t person = 1; person <= persons; ++person) {
    ASSERT(table.for_sealing(person, 0).has_value());
    if (person % 10'000 == 0 || person == persons) ASSERT(table.sync().has_value());
  }
  for (auto _ : state) ASSERT(table.turn().has_value());
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(table.rows()));
}
BENCHMARK(turn_of_the_epoch)->Arg(50)->Arg(20'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace meridian::storage
