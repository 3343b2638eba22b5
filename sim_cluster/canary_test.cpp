// Planted bugs: the simulator notices each, or the replica does and its process stops.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "sim_cluster/scenario.h"

namespace meridian::sim_cluster {
namespace {

constexpr std::uint64_t seeds_max = 300;
/// The checker's word (not the name of a function in a backtrace), or the core's last.
constexpr const char* sign = "caught: |panicked at [^ ]*/raft-";

class SimCanary : public testing::TestWithParam<CanaryPlan> {};

/// In a process of its own: an assertion of ours or of the core that fails is as good a catch.
[[noreturn]] void live_until_caught(const CanaryPlan& canary) {
  Plan plan;
  plan.workload = canary.workload;
  plan.fault = canary.fault;
  plan.canary = canary.name;
  for (plan.seed = 1; plan.seed <= seeds_max; ++plan.seed) {
    const RunResult life = run(plan);
    if (!life.violation) continue;
    std::fprintf(stderr, "caught: %s\n%s\n", life.violation->c_str(), command_of(plan).c_str());
    std::abort();
  }
  std::fprintf(stderr, "nothing noticed\n");
  std::exit(0);
}

TEST_P(SimCanary, is_caught) { EXPECT_DEATH(live_until_caught(GetParam()), sign); }

TEST_P(SimCanary, without_the_bug_the_same_lives_are_sound) {
  Plan plan;
  plan.workload = GetParam().workload;
  plan.fault = GetParam().fault;
  for (plan.seed = 1; plan.seed <= 5; ++plan.seed) {
    const RunResult life = run(plan);
    EXPECT_FALSE(life.violation.has_value()) << *life.violation << "\n" << command_of(plan);
  }
}

INSTANTIATE_TEST_SUITE_P(all, SimCanary, testing::ValuesIn(canaries().begin(), canaries().end()),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace meridian::sim_cluster
