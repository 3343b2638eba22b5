#include "sim_cluster/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "sim_cluster/faults.h"

namespace meridian::sim_cluster {

namespace {

constexpr std::uint64_t accounts = 6;
constexpr int rounds = 60;
constexpr std::int64_t patience_ms = 30'000;

constexpr std::array planted{
    CanaryPlan{"acknowledge_before_sync", &replica::Canary::acknowledge_before_sync, "transfers",
               "blackout,hanging_disk,isolate"},
    // Stamps must go on from entries that are not applied yet: wrong clocks show whether they do.
    CanaryPlan{"skip_term_check", &replica::Canary::skip_term_check, "transfers",
               "isolate,one_way,clock_jump"},
    CanaryPlan{"admit_any_disk", &replica::Canary::admit_any_disk, "transfers",
               "emptied_disk,isolate"},
    CanaryPlan{"step_before_data", &replica::Canary::step_before_data, "transfers",
               "torn_copy,isolate"},
    CanaryPlan{"drop_ids", &replica::Canary::drop_ids, "retries", "kill"},
    CanaryPlan{"sign_before_commit", &replica::Canary::sign_before_commit, "transfers",
               "isolate,one_way"},
};

/// Each seed has a few kinds of faults, often: more is found than by all kinds, rarely.
std::vector<const Fault*> choose_faults(const Plan& plan, sim::Random& random) {
  std::vector<const Fault*> chosen = find_faults(plan.fault);
  if (!chosen.empty()) return chosen;
  for (const Fault& fault : faults())
    if (random.chance(0.35)) chosen.push_back(&fault);
  if (chosen.empty()) chosen.push_back(&faults().front());
  return chosen;
}

const Workload& choose_workload(const Plan& plan, sim::Random& random) {
  if (plan.workload.empty()) return workloads()[random.below(workloads().size())];
  const Workload* one = find_workload(plan.workload);
  ASSERT(one != nullptr);
  return *one;
}

GroupSetup setup_of(const Plan& plan, sim::Random& random) {
  constexpr std::array intervals{40, 60, 150, 400};
  GroupSetup setup;
  setup.seed = plan.seed;
  setup.checkpoint_interval = static_cast<std::uint64_t>(intervals[random.below(4)]);
  setup.wal_file_size = random.chance(0.5) ? 16 << 10 : 64 << 10;
  setup.between_regions = io::milliseconds(static_cast<std::int64_t>(2 + random.below(18)));
  setup.distances_differ = true;
  if (!plan.canary.empty()) {
    const CanaryPlan* canary = find_canary(plan.canary);
    ASSERT(canary != nullptr);
    setup.canary.*canary->bug = true;
  }
  return setup;
}

/// What an operator would have read last of each node.
void tell_notices(Group& group, const std::function<void(std::string_view)>& tell) {
  constexpr std::size_t last = 5;
  for (const auto& node : group.nodes()) {
    const std::vector<std::string>& all = node->notices();
    for (std::size_t i = all.size() - std::min(all.size(), last); i < all.size(); ++i)
      tell(fmt::format("{} said: {}", node->name(), all[i]));
  }
}

std::uint64_t now_ms(Group& group) {
  return static_cast<std::uint64_t>(group.world().clock().monotonic()) / 1'000'000;
}

}  // namespace

std::span<const CanaryPlan> canaries() { return planted; }

const CanaryPlan* find_canary(std::string_view name) {
  const auto found = std::ranges::find(planted, name, &CanaryPlan::name);
  return found == planted.end() ? nullptr : &*found;
}

std::string command_of(const Plan& plan) {
  std::string command = fmt::format("meridian-sim --seed {}", plan.seed);
  if (!plan.workload.empty()) command += " --workload " + plan.workload;
  if (!plan.fault.empty()) command += " --fault " + plan.fault;
  if (!plan.canary.empty()) command += " --canary " + plan.canary;
  return command;
}

RunResult run(const Plan& plan, const std::function<void(const std::string&)>& trace) {
  RunResult result;
  sim::Random random(plan.seed * 0x9E3779B97F4A7C15U + 1);
  const Workload& workload = choose_workload(plan, random);
  const std::vector<const Fault*> chosen = choose_faults(plan, random);
  GroupSetup setup = setup_of(plan, random);
  const bool upgrades =
      std::ranges::any_of(chosen, [](const Fault* fault) { return fault->name == upgrade_fault; });
  if (upgrades) setup.adjust = [](replica::ReplicaConfig& config) { config.feature_level = 1; };
  Group group(setup);
  result.workload = workload.name;
  for (const Fault* fault : chosen) result.faults.emplace_back(fault->name);
  const auto tell = [&](std::string_view what) {
    if (trace) trace(fmt::format("{:>7} ms  {}", now_ms(group), what));
  };
  try {
    group.open_accounts(accounts, workload);
    for (int round = 0; round < rounds; ++round) {
      for (const auto& node : group.nodes())
        if (random.chance(0.7)) group.clients().send(*node);
      if (random.chance(0.3)) group.clients().read(group.any_node());
      if (random.chance(0.4)) {
        const Fault& fault = *chosen[random.below(chosen.size())];
        tell(fault.name);
        fault.strike(group);
        ++result.strikes;
      }
      if (random.chance(0.2)) {
        tell("recover");
        recover_some(group);
      }
      group.run(static_cast<std::int64_t>(10 + random.below(150)));
    }
    tell("faults end");
    group.require_progress(patience_ms);
    if (upgrades) {
      group.finish_upgrade(patience_ms);
      group.require_progress(patience_ms);
    }
  } catch (const Violation& violation) {
    result.violation = violation.what();
    tell(violation.what());
    tell_notices(group, tell);
  }
  result.trace_hash = group.world().trace_hash();
  result.simulated_ms = now_ms(group);
  for (const auto& node : group.nodes()) {
    result.copies += node->copies();
    result.resupplies += node->resupplies();
    result.repairs += node->repairs();
    result.outdated += node->outdated();
    if (node->lost()) ++result.lost_nodes;
    if (trace && node->lost()) tell(node->name() + " is lost: " + *node->lost());
  }
  result.replaced = group.op().replaced();
  result.upgrades = upgrades && group.checker().feature_level() > 1 ? 1 : 0;
  result.clients = group.clients().counts();
  result.checks = group.checker().counts();
  return result;
}

}  // namespace meridian::sim_cluster
