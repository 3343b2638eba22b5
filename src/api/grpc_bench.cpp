// What mutual TLS costs a call and a batch, over loopback. On a disk in memory the share of the
// ledger itself is as small as it gets; a node has one that it waits for.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "api/grpc_channel.h"
#include "api/internal/api_rig.h"
#include "api/internal/mesh_rig.h"
#include "api/method_needs.h"
#include "api/scope_checks.h"
#include "api/tls13.h"
#include "io/disk.h"
#include "ledger/command.h"
#include "meridian/v1/ledger.grpc.pb.h"
#include "sim/disk.h"

namespace meridian::api {
namespace {

/// A server and a client of it, in TLS or in the clear.
struct Pair {
  explicit Pair(bool in_tls, std::unique_ptr<io::Disk> disk = std::make_unique<sim::Disk>())
      : rig(std::move(disk)) {
    require_tls13();
    if (in_tls) rig.backend->callers = &callers;
    rig.backend->access.replace(MeshRig::everything());
    rig.start_grpc();
    const std::string address = format_listen_address(rig.grpc->address());
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel =
        in_tls ? make_mesh_channel(*client, address, arguments)
               : grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  }
  MeshRig mesh;
  std::unique_ptr<mesh::Credentials> server = mesh.holder_of(mesh.issue(rig_node));
  std::unique_ptr<mesh::Credentials> client = mesh.holder_of(mesh.issue("/service/payments"));
  Callers callers{*server};
  ApiRig rig;
  std::shared_ptr<grpc::Channel> channel;
};

void single_call(benchmark::State& state) {
  Pair pair(state.range(0) != 0);
  const auto stub = v1::Admin::NewStub(pair.channel);
  for (auto _ : state) {
    grpc::ClientContext context;
    v1::StatusReply reply;
    const grpc::Status status = stub->Status(&context, v1::StatusRequest(), &reply);
    if (!status.ok()) state.SkipWithError(status.error_message().c_str());
  }
}

/// Requests of a megabyte, to accounts that do not exist: bytes on their way, hardly any ledger.
void batch_of_transfers(benchmark::State& state) {
  constexpr std::size_t count = 8'190;
  Pair pair(state.range(0) != 0);
  const auto stub = v1::Transfers::NewStub(pair.channel);
  std::vector<ledger::Transfer> batch(count);
  u128 next = 1;
  for (auto _ : state) {
    for (ledger::Transfer& transfer : batch) {
      transfer.id = next++;
      transfer.debit_account_id = 1;
      transfer.credit_account_id = 2;
      transfer.amount = transfer.ledger = transfer.code = 1;
    }
    v1::PackedRequest request;
    request.set_commands(batch.data(), batch.size() * sizeof(ledger::Transfer));
    grpc::ClientContext context;
    v1::PackedReply reply;
    const grpc::Status status = stub->CreatePacked(&context, request, &reply);
    if (!status.ok()) state.SkipWithError(status.error_message().c_str());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(count) * state.iterations());
}

constexpr u128 accounts = 10'000;
constexpr std::size_t per_batch = 8'190;

void create_accounts(v1::Accounts::Stub& stub, benchmark::State& state) {
  std::vector<ledger::Account> made(per_batch);
  for (u128 next = 1; next <= accounts;) {
    made.assign(static_cast<std::size_t>(std::min<u128>(per_batch, accounts - next + 1)), {});
    for (ledger::Account& account : made) {
      account.id = next++;
      account.ledger = account.code = 1;
    }
    v1::PackedRequest request;
    request.set_commands(made.data(), made.size() * sizeof(ledger::Account));
    grpc::ClientContext context;
    v1::PackedReply reply;
    if (!stub.CreatePacked(&context, request, &reply).ok()) state.SkipWithError("no accounts");
  }
}

/// `count` requests one after the other, of transfers between accounts that exist.
void post_batches(v1::Transfers::Stub& stub, std::atomic<std::uint64_t>& next, int count,
                  std::atomic<bool>& has_failed) {
  std::vector<ledger::Transfer> batch(per_batch);
  for (int i = 0; i < count; ++i) {
    for (ledger::Transfer& transfer : batch) {
      const std::uint64_t id = next.fetch_add(1, std::memory_order_relaxed);
      transfer.id = id;
      transfer.debit_account_id = 1 + id * 7'919 % low64(accounts);
      transfer.credit_account_id = 1 + (id * 7'919 + 1 + id % 97) % low64(accounts);
      transfer.amount = transfer.ledger = transfer.code = 1;
    }
    v1::PackedRequest request;
    request.set_commands(batch.data(), batch.size() * sizeof(ledger::Transfer));
    grpc::ClientContext context;
    v1::PackedReply reply;
    if (!stub.CreatePacked(&context, request, &reply).ok() || !reply.exceptions().empty())
      has_failed = true;
  }
}

/// A directory for as long as it lives.
struct Directory {
  ~Directory() { std::filesystem::remove_all(path); }
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / fmt::format("meridian-grpc-bench-{}", ::getpid());
};

/// What a cell on this machine takes from four requests in flight: ledger, proofs and sealing
/// included; on the machine's disk, or on one that costs nothing.
void throughput_of_batches(benchmark::State& state) {
  constexpr int in_flight = 4, each = 8;
  const Directory directory;
  Pair pair(state.range(0) != 0, state.range(1) != 0 ? *io::os_disk(directory.path.string())
                                                     : std::make_unique<sim::Disk>());
  const auto stub = v1::Transfers::NewStub(pair.channel);
  create_accounts(*v1::Accounts::NewStub(pair.channel), state);
  std::atomic<std::uint64_t> next = 1;
  std::atomic<bool> has_failed = false;
  for (auto _ : state) {
    std::vector<std::thread> clients;
    for (int i = 0; i < in_flight; ++i)
      clients.emplace_back([&] { post_batches(*stub, next, each, has_failed); });
    for (std::thread& client : clients) client.join();
  }
  if (has_failed) state.SkipWithError("a batch was not posted");
  state.SetItemsProcessed(std::int64_t{per_batch} * in_flight * each * state.iterations());
}

void find_a_known_caller(benchmark::State& state) {
  MeshRig mesh;
  const auto server = mesh.holder_of(mesh.issue(rig_node));
  Callers callers(*server);
  const std::string leaf = mesh.issue("/service/payments").certificate.pem();
  for (auto _ : state) {
    if (!callers.find(leaf, {})) state.SkipWithError("refused");
  }
}

/// What the policy adds to a call: the check of the method, and that of a batch's ledgers if not
/// all are allowed.
void policy_of_a_call(benchmark::State& state) {
  MeshRig mesh;
  ApiRig rig;
  rig.backend->access.replace(MeshRig::policy(R"(grants:
  - who: spiffe://eu-west.bank.example/service/payments
    roles: writer
    cells: all
    ledgers: [700, 710]
    streams: all
)"));
  const auto server = mesh.holder_of(mesh.issue(rig_node));
  Callers callers(*server);
  const CallerRef caller = *callers.find(mesh.issue("/service/payments").certificate.pem(), {});
  std::vector<ledger::Transfer> batch(static_cast<std::size_t>(state.range(0)));
  for (ledger::Transfer& transfer : batch) transfer.ledger = 700;
  const Bytes commands{reinterpret_cast<const Byte*>(batch.data()),
                       batch.size() * sizeof(ledger::Transfer)};
  const Needs& needs = *needs_of_method("/meridian.v1.Transfers/CreatePacked");
  for (auto _ : state) {
    const Asker asker = rig.backend->access.asker(caller);
    if (!asker.check(needs)) state.SkipWithError("denied");
    if (!check_packed_ledgers(asker, ledger::CommandKind::create_transfer, commands))
      state.SkipWithError("denied");
  }
}

BENCHMARK(policy_of_a_call)->ArgName("transfers")->Arg(1)->Arg(8'190);
BENCHMARK(single_call)->ArgName("tls")->Arg(0)->Arg(1)->UseRealTime();
BENCHMARK(batch_of_transfers)
    ->ArgName("tls")
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(throughput_of_batches)
    ->ArgNames({"tls", "disk"})
    ->ArgsProduct({{0, 1}, {0, 1}})
    ->Iterations(4)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(find_a_known_caller);

}  // namespace
}  // namespace meridian::api
