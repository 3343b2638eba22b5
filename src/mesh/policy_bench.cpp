// What one decision costs: the rights of an identity are made once, then asked for each call, and
// for each ledger or stream that a call names.
#include <benchmark/benchmark.h>

#include "base/assert.h"
#include "mesh/policy.h"

namespace meridian::mesh {
namespace {

constexpr std::string_view id = "spiffe://eu-west.bank.example/service/s77";

/// `rules` grants of which two are about `id`.
std::shared_ptr<const Policy> policy_of(std::int64_t rules) {
  std::string yaml = "meridian-policy: 1\ngrants:\n";
  for (std::int64_t i = 0; i < rules; ++i)
    yaml += "  - who: spiffe://eu-west.bank.example/service/s" + std::to_string(i) +
            "\n    roles: writer\n    cells: all\n    ledgers: [700, 710, 720]\n    streams: "
            "['a-*', 'b-*', c]\n";
  yaml +=
      "  - who: spiffe://eu-west.bank.example/service/*\n    actions: status.read\n    cells: "
      "all\n";
  Result<std::shared_ptr<const Policy>> policy = Policy::parse(yaml);
  ASSERT(policy.has_value());
  return *policy;
}

void rights_of_an_identity(benchmark::State& state) {
  const std::shared_ptr<const Policy> policy = policy_of(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(policy->rights_of(id, 1));
}
BENCHMARK(rights_of_an_identity)->Arg(100)->Arg(1'000);

void a_call(benchmark::State& state) {
  const Rights rights = policy_of(100)->rights_of(id, 1);
  for (auto _ : state) benchmark::DoNotOptimize(rights.allow(Action::transfers_create));
}
BENCHMARK(a_call);

void a_ledger(benchmark::State& state) {
  const Rights rights = policy_of(100)->rights_of(id, 1);
  std::uint32_t ledger = 700;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ledger);
    benchmark::DoNotOptimize(rights.allow(Action::transfers_create, ledger));
  }
}
BENCHMARK(a_ledger);

void a_stream(benchmark::State& state) {
  const Rights rights = policy_of(100)->rights_of(id, 1);
  std::string_view stream = "b-2026-11-29-17";
  for (auto _ : state) {
    benchmark::DoNotOptimize(stream);
    benchmark::DoNotOptimize(rights.allow(Action::events_append, stream));
  }
}
BENCHMARK(a_stream);

}  // namespace
}  // namespace meridian::mesh
