// meridian-sim: simulated lives of a cell by seed; a violation prints the command that repeats it.
//
//   meridian-sim --seed 1 --seeds 1000           exit 1 at the first violation
//   meridian-sim --seed 81 --trace               one life, with every fault
//   meridian-sim --seeds 200 --canary drop_ids   exit 1 unless the planted bug is caught
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "sim_cluster/faults.h"
#include "sim_cluster/scenario.h"

namespace {

using namespace meridian::sim_cluster;

struct Totals {
  std::uint64_t seeds = 0, violations = 0, strikes = 0, copies = 0;
  std::uint64_t resupplies = 0, repairs = 0, replaced = 0, lost_nodes = 0, upgrades = 0,
                outdated = 0;
  std::uint64_t simulated_ms = 0, acknowledged = 0, refused = 0, unknown = 0, repeated = 0;
  std::uint64_t records = 0, reads = 0, states = 0, digests = 0, checkpoints = 0, receipts = 0;
  std::uint64_t stale_reads = 0;

  void add(const RunResult& run) {
    ++seeds;
    violations += run.violation ? 1 : 0;
    strikes += run.strikes;
    copies += run.copies;
    resupplies += run.resupplies;
    repairs += run.repairs;
    replaced += run.replaced;
    lost_nodes += run.lost_nodes;
    upgrades += run.upgrades;
    outdated += run.outdated;
    simulated_ms += run.simulated_ms;
    acknowledged += run.clients.acknowledged;
    refused += run.clients.refused;
    unknown += run.clients.unknown;
    repeated += run.clients.repeated;
    records += run.checks.records;
    reads += run.checks.reads;
    states += run.checks.states;
    digests += run.checks.digests;
    checkpoints += run.checks.checkpoints;
    receipts += run.checks.receipts;
    stale_reads += run.checks.stale_reads;
  }
  nlohmann::json json(std::uint64_t first) const {
    return {{"first_seed", first},
            {"seeds", seeds},
            {"violations", violations},
            {"faults", strikes},
            {"states_copied", copies},
            {"logs_supplied_again", resupplies},
            {"replicas_repaired", repairs},
            {"machines_replaced", replaced},
            {"nodes_lost", lost_nodes},
            {"cells_upgraded", upgrades},
            {"outdated_versions_stopped", outdated},
            {"simulated_seconds", simulated_ms / 1'000},
            {"requests_acknowledged", acknowledged},
            {"requests_refused", refused},
            {"requests_unknown", unknown},
            {"requests_repeated", repeated},
            {"records", records},
            {"reads_checked", reads},
            {"states_checked", states},
            {"state_digests_compared", digests},
            {"checkpoints_checked", checkpoints},
            {"receipts_checked", receipts},
            {"stale_reads_checked", stale_reads}};
  }
};

template <typename Range>
std::vector<std::string> names_of(const Range& range) {
  std::vector<std::string> names;
  for (const auto& one : range) names.emplace_back(one.name);
  return names;
}

RunResult print_life(const Plan& plan) {
  RunResult life = run(plan, [](const std::string& line) { fmt::print("{}\n", line); });
  fmt::print("workload {}, faults {}\n", life.workload, fmt::join(life.faults, " "));
  fmt::print("trace hash {:016x}\n", life.trace_hash);
  return life;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Simulated lives of a cell, each from its seed.");
  Plan plan;
  std::uint64_t seeds = 1;
  bool trace = false;
  bool goes_on = false;
  app.add_option("--seed", plan.seed, "The first seed");
  app.add_option("--seeds", seeds, "How many");
  app.add_option("--workload", plan.workload, "What clients do")
      ->check(CLI::IsMember(names_of(workloads())));
  app.add_option("--fault", plan.fault, "What goes wrong: one or several, with commas")
      ->check([](const std::string& names) {
        return find_faults(names).empty()
                   ? fmt::format("the faults are {}", fmt::join(names_of(faults()), " "))
                   : std::string();
      });
  app.add_option("--canary", plan.canary, "A planted bug, which must be caught")
      ->check(CLI::IsMember(names_of(canaries())));
  app.add_flag("--trace", trace, "Print every fault");
  app.add_flag("--go-on", goes_on, "Do not stop at the first violation");
  CLI11_PARSE(app, argc, argv);

  Totals totals;
  const std::uint64_t first = plan.seed;
  const bool is_canary = !plan.canary.empty();
  if (is_canary) {  // where it shows soonest
    const CanaryPlan& canary = *find_canary(plan.canary);
    if (plan.workload.empty()) plan.workload = canary.workload;
    if (plan.fault.empty()) plan.fault = canary.fault;
  }
  for (; plan.seed < first + seeds; ++plan.seed) {
    const RunResult life = trace ? print_life(plan) : run(plan);
    totals.add(life);
    if (!life.violation) continue;
    fmt::print("seed {}: {}\n  again: {}\n", plan.seed, *life.violation, command_of(plan));
    std::fflush(stdout);
    if (is_canary) return 0;
    if (!goes_on) break;
  }
  fmt::print("{}\n", totals.json(first).dump(2));
  if (is_canary) fmt::print("the planted bug {} was not caught\n", plan.canary);
  return is_canary || totals.violations != 0 ? 1 : 0;
}
