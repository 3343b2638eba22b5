// What a signature over a request costs the server that checks it, and the client that makes it.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "api/internal/api_rig.h"
#include "api/internal/mesh_rig.h"
#include "api/request_signature.h"

namespace meridian::api {
namespace {

struct Rig {
  Rig() {
    cell.backend->callers = &callers;
    cell.backend->access.replace(MeshRig::everything());
    caller = *callers.find(shown.certificate.pem(), "");
  }
  std::int64_t now_s() const {
    return static_cast<std::int64_t>(cell.clock->now().time) / 1'000'000'000;
  }
  std::string sign(const std::vector<door::SignedCommand>& commands) const {
    const std::int64_t at_s = now_s();
    const std::string text = *door::format_signed_text({7, caller->id, at_s, commands});
    return fmt::format("{} {}", at_s,
                       mesh::sign_detached_jws(std::array{shown.certificate}, shown.key, text));
  }

  MeshRig mesh;
  std::unique_ptr<mesh::Credentials> server = mesh.holder_of(mesh.issue(rig_node));
  Callers callers{*server};
  ApiRig cell;
  MeshRig::Shown shown = mesh.issue("/service/payments");
  CallerRef caller;
};

std::vector<door::SignedCommand> transfers(std::int64_t count) {
  std::vector<door::SignedCommand> commands;
  for (std::int64_t i = 0; i < count; ++i) {
    ledger::Transfer transfer{};
    transfer.id = u128_max - static_cast<std::uint64_t>(i) - 1;
    transfer.debit_account_id = 1'000 + static_cast<std::uint64_t>(i);
    transfer.credit_account_id = 1'000'000;
    transfer.amount = 250;
    transfer.ledger = 978;
    transfer.code = 1;
    commands.emplace_back(transfer);
  }
  return commands;
}

void check_signature(benchmark::State& state) {
  Rig rig;
  const Result<std::vector<door::SignedCommand>> commands = transfers(state.range(0));
  const std::string signature = rig.sign(*commands);
  const Asker asker = rig.cell.backend->access.asker(rig.caller);
  for (auto _ : state) {
    const Result<std::string> jws =
        rig.cell.backend->signatures.check(asker, &rig.callers, signature, commands);
    if (!jws) return state.SkipWithError(jws.error().message.c_str());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(check_signature)->Arg(1)->Arg(100)->Arg(1'000);

void make_signature(benchmark::State& state) {
  Rig rig;
  const auto commands = transfers(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(rig.sign(commands));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(make_signature)->Arg(1)->Arg(100)->Arg(1'000);

}  // namespace
}  // namespace meridian::api
