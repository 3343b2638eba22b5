// What a key costs: insert, a look-up that finds nothing, and its share of writing and merging
// runs.
#include <benchmark/benchmark.h>

#include "base/assert.h"
#include "sim/disk.h"
#include "sim/entropy.h"
#include "sim/random.h"
#include "storage/internal/fixed_keys.h"
#include "storage/sorted_runs.h"

namespace meridian::storage {
namespace {

constexpr std::uint64_t batch = 16;  // keys prefetched ahead, as apply does

struct Index {
  sim::Disk disk;
  sim::Entropy entropy{1};
  FixedKeys keys;
  SealedContext context{disk, entropy, keys, 1};
  std::unique_ptr<SortedRuns> runs;
  sim::Random random{7};
  std::uint64_t inserted = 0;

  Index() {
    auto opened = SortedRuns::open(context, {"ids", 16}, {});
    ASSERT(opened.has_value());
    runs = std::move(*opened);
  }
  void write() {
    runs->freeze();
    ASSERT(runs->write_frozen().has_value());
    ASSERT(runs->retire().has_value());
    while (*runs->merge_some()) {
    }
  }
  /// As apply does with new ids: find (nothing), then insert.
  void add(std::uint64_t count) {
    for (std::uint64_t done = 0; done < count; done += batch) {
      std::array<RunKey, batch> ids;
      for (RunKey& id : ids) {
        id = {make_u128(random.next(), random.next()), 0};
        runs->prefetch(id);
      }
      for (const RunKey& id : ids) {
        ASSERT(!*runs->find(id));
        runs->insert(id, inserted++);
      }
    }
  }
};

/// Random new ids, with a run written every `range(0)` keys: the whole cost, no debt left.
void insert_random_ids(benchmark::State& state) {
  const auto run_size = static_cast<std::uint64_t>(state.range(0));
  std::uint64_t keys = 0;
  for (auto _ : state) {
    Index index;
    for (int round = 0; round < 5; ++round) {
      index.add(run_size);
      index.write();
    }
    ASSERT(index.runs->debt_bytes() == 0);
    keys += 5 * run_size;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(keys));
}
BENCHMARK(insert_random_ids)->Arg(4'096)->Arg(1 << 20)->Unit(benchmark::kMillisecond);

void find_nothing(benchmark::State& state) {
  Index index;
  for (int round = 0; round < 7; ++round) {
    index.add(static_cast<std::uint64_t>(state.range(0)));
    index.write();
  }
  for (auto _ : state) {
    const RunKey id{make_u128(index.random.next(), 1), 0};
    index.runs->prefetch(id);
    benchmark::DoNotOptimize(index.runs->find(id));
  }
}
BENCHMARK(find_nothing)->Arg(4'096)->Arg(1 << 18);

void find_in_a_run(benchmark::State& state) {
  Index index;
  for (std::uint64_t i = 0; i < 100'000; ++i) index.runs->insert({make_u128(i * 77, i), 0}, i);
  index.write();
  for (auto _ : state) {
    const std::uint64_t i = index.random.below(100'000);
    benchmark::DoNotOptimize(index.runs->find({make_u128(i * 77, i), 0}));
  }
}
BENCHMARK(find_in_a_run);

}  // namespace
}  // namespace meridian::storage
