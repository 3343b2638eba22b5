// Simulated lives of a cell by seed, the ones that failed once, and that a seed replays.
//
// MERIDIAN_SIM_SEEDS=N lives N seeds, MERIDIAN_SIM_FIRST=S from S on; more by meridian-sim.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "sim_cluster/faults.h"
#include "sim_cluster/scenario.h"

namespace meridian::sim_cluster {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

void expect_no_violation(const Plan& plan) {
  const RunResult life = run(plan);
  EXPECT_FALSE(life.violation.has_value()) << *life.violation << "\nagain: " << command_of(plan);
}

TEST(sim_seeds, no_seed_loses_or_changes_a_record) {
  const std::uint64_t first = from_environment("MERIDIAN_SIM_FIRST", 1);
  const std::uint64_t count = from_environment("MERIDIAN_SIM_SEEDS", 50);
  for (std::uint64_t seed = first; seed < first + count && !HasFailure(); ++seed)
    expect_no_violation({.seed = seed});
}

TEST(sim_seeds, every_fault_strikes_every_workload) {
  std::uint64_t seed = 1;
  for (const Workload& workload : workloads())
    for (const Fault& fault : faults())
      expect_no_violation({.seed = seed++,
                           .workload = std::string(workload.name),
                           .fault = std::string(fault.name)});
}

TEST(sim_seeds, a_seed_lives_the_same_life_twice) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    std::string first, second;
    const RunResult one = run({.seed = seed}, [&](const std::string& line) { first += line; });
    const RunResult two = run({.seed = seed}, [&](const std::string& line) { second += line; });
    EXPECT_EQ(one.trace_hash, two.trace_hash) << seed;
    EXPECT_EQ(first, second);
    EXPECT_NE(one.trace_hash, run({.seed = seed + 100}).trace_hash);
  }
}

TEST(sim_seeds, the_faults_happen_and_the_checks_see_something) {
  Checker::Counts checks{};
  std::uint64_t strikes = 0, copies = 0, upgrades = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const RunResult life = run({.seed = seed});
    strikes += life.strikes;
    copies += life.copies;
    upgrades += life.upgrades;
    checks.records += life.checks.records;
    checks.reads += life.checks.reads;
    checks.states += life.checks.states;
    checks.checkpoints += life.checks.checkpoints;
    checks.receipts += life.checks.receipts;
    checks.stale_reads += life.checks.stale_reads;
  }
  EXPECT_GE(strikes, 20u * 10);
  EXPECT_GE(copies, 1u);
  EXPECT_GE(upgrades, 1u);
  EXPECT_GE(checks.records, 20u * 50);
  EXPECT_GE(checks.reads, 20u);
  EXPECT_GE(checks.states, 20u * 20);
  EXPECT_GE(checks.checkpoints, 20u * 5);
  EXPECT_GE(checks.receipts, 20u * 5);
  EXPECT_GE(checks.stale_reads, 20u * 5);
}

/// sim_cluster/regressions.txt: `seed workload fault | fixed by: why`, `-` for what the seed
/// chooses.
TEST(sim_seeds, what_failed_once_does_not_fail_again) {
  std::ifstream file(MERIDIAN_SOURCE_DIR "/sim_cluster/regressions.txt");
  ASSERT_TRUE(file.is_open());
  std::uint64_t lives = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words(line);
    Plan plan;
    std::string bar;
    words >> plan.seed >> plan.workload >> plan.fault >> bar;
    ASSERT_EQ(bar, "|") << line;
    for (std::string* name : {&plan.workload, &plan.fault})
      if (*name == "-") name->clear();
    ASSERT_TRUE(plan.workload.empty() || find_workload(plan.workload) != nullptr) << line;
    ASSERT_TRUE(plan.fault.empty() || !find_faults(plan.fault).empty()) << line;
    expect_no_violation(plan);
    ++lives;
  }
  EXPECT_GE(lives, 1u);
}

}  // namespace
}  // namespace meridian::sim_cluster
