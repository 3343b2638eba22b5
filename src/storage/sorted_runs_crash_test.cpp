// Power fails at every change of the disk: an index opened with the manifest of the last committed
// checkpoint holds exactly what it held then, and goes on from there.
#include <gtest/gtest.h>

#include "storage/internal/runs_rig.h"

namespace meridian::storage {
namespace {

struct Committed {
  Buffer manifest;
  RunModel model;
  int round = 0;
};

constexpr int rounds = 10;

RunKey key_of(const RunsRig& rig, int round, std::uint64_t i) {
  const auto r = static_cast<std::uint64_t>(round);
  return rig.options.key_size == 16 ? RunKey{make_u128(i * 31 % 97, r), 0}
                                    : RunKey{i % 3, r * 100 + i};
}

/// Plays rounds until one fails or all are done; `committed` is what the state checkpoint (durable
/// by itself here) names.
void play(RunsRig& rig, SortedRuns& runs, Committed& committed, bool commits) {
  RunModel model = committed.model;
  for (int round = committed.round; round < rounds; ++round) {
    for (std::uint64_t i = 0; i < 60; ++i) {
      const RunKey key = key_of(rig, round, i);
      runs.insert(key, i);
      model[key] = i;
    }
    runs.freeze();
    auto written = runs.write_frozen();
    if (!written) return;
    if (!commits && round % 3 == 2) return;  // the process ends before the checkpoint is committed
    committed = {*written, model, round + 1};
    if (!runs.retire()) return;
    for (int step = 0; step < 3; ++step)
      if (!runs.merge_some()) return;
  }
}

void crash_everywhere(std::size_t key_size, bool commits) {
  std::uint64_t total = 0;
  {
    RunsRig rig(key_size);
    auto runs = rig.must_open({});
    Committed committed;
    play(rig, *runs, committed, commits);
    total = rig.disk->mutation_count();
  }
  ASSERT_GT(total, 10U);
  for (std::uint64_t at = 1; at <= total; ++at) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      SCOPED_TRACE("key size " + std::to_string(key_size) + ", mutation " + std::to_string(at) +
                   ", seed " + std::to_string(seed));
      RunsRig rig(key_size, seed);
      rig.disk->crash_at_mutation(at);
      Committed committed;
      if (auto runs = rig.open({})) play(rig, **runs, committed, commits);
      rig.disk = rig.disk->crash(seed);
      auto runs = rig.must_open(committed.manifest);
      ASSERT_NE(runs, nullptr);
      expect_holds(*runs, committed.model);
      ASSERT_EQ(*runs->find(key_of(rig, committed.round, 0)), std::nullopt) << "was not committed";
      play(rig, *runs, committed, true);
      EXPECT_EQ(committed.round, rounds);
      expect_holds(*runs, committed.model);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(SortedRunsCrash, at_any_moment_costs_nothing_that_was_committed) {
  crash_everywhere(16, true);
  crash_everywhere(24, true);
}

TEST(SortedRunsCrash, before_a_commit_leaves_the_checkpoint_before) {
  crash_everywhere(16, false);
  crash_everywhere(24, false);
}

}  // namespace
}  // namespace meridian::storage
