// What a turn of the epoch costs, per row: all keys of persons wrapped anew, and the table written
// (to a disk in memory); and, where it goes on beside other work, how long that waits for it.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "base/assert.h"
#include "io/clock.h"
#include "storage/cell_key_table.h"
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

/// In steps, as replicas of a cell do. `longest_ms`: the longest that anything waited for one.
void turn_in_steps(benchmark::State& state) {
  KeyRig rig;
  rig.create();
  auto opened = CellKeyTable::open(rig.context(), *rig.keys, rig.clock);
  ASSERT(opened.has_value());
  CellKeyTable& table = **opened;
  std::uint32_t turns = 0;
  std::uint64_t records = 0;
  ASSERT(*table.turn(++turns, *table.offer(), records++));
  table.make_in(1);
  const auto persons = static_cast<std::uint64_t>(state.range(0));
  for (std::uint64_t person = 1; person <= persons; ++person) {
    ASSERT(table.for_sealing(person, 0).has_value());
    if (person % 10'000 != 0 && person != persons) continue;
    for (const KeyRow& row : table.take_unfolded()) ASSERT(table.add(row, records++).has_value());
    ASSERT(table.folded(records).has_value());
  }
  const std::unique_ptr<io::Clock> clock = io::os_clock();
  io::Duration longest{};
  for (auto _ : state) {
    io::MonotonicTime since = clock->monotonic();
    const auto note = [&] {
      const io::MonotonicTime now = clock->monotonic();
      longest = std::max(longest, now - since);
      since = now;
    };
    ASSERT(*table.turn(++turns, *table.offer(), records++));
    note();
    while (table.is_turning()) {
      ASSERT(table.turn_on(records).has_value());
      note();
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(table.rows()));
  state.counters["longest_ms"] = static_cast<double>(static_cast<std::int64_t>(longest)) / 1e6;
}
BENCHMARK(turn_in_steps)->Arg(20'000)->Arg(500'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace meridian::storage
