// What copying a state costs: read, checked, sealed again and made durable, in one process and one
// thread on a disk in memory. Bytes are those of the pieces. Also: the two sides by themselves.
#include <benchmark/benchmark.h>

#include <memory>

#include "base/assert.h"
#include "ledger/payload.h"
#include "metrics/registry.h"
#include "replica/replica.h"
#include "replica/state_installer.h"
#include "replica/state_source.h"
#include "sim/disk.h"
#include "sim/world.h"

namespace meridian::replica {
namespace {

constexpr std::uint64_t accounts = 10'000;
constexpr std::uint64_t entry_commands = 8'000;

template <typename Command>
void add(ledger::Request& request, ledger::CommandKind kind, const Command& command) {
  request.add(kind, command);
}

struct Directory {
  sim::Disk disk;
  std::unique_ptr<storage::KeyStore> keys;

  explicit Directory(sim::World& world) {
    auto made = storage::KeyStore::create({disk, world.clock(), world.entropy()},
                                          as_bytes("passphrase"), {1, 1, 1});
    ASSERT(made.has_value());
    keys = std::move(*made);
  }
};

/// A replica with a checkpoint over `records` of transfers, or of events of about 500 bytes.
class Ledger {
 public:
  Ledger(std::uint64_t records, bool events) {
    config_.cell = 7;
    config_.checkpoint_interval = records;
    for (auto* executor : {&log_, &apply_, &prove_, &checkpoint_})
      *executor = world_.make_executor("stage");
    auto opened =
        Replica::open({directory_.disk, world_.clock(), world_.entropy(), *directory_.keys,
                       metrics_, [](const std::string&) {}},
                      config_, {*log_, *apply_, *prove_, *checkpoint_}, {}, [](const Error&) {});
    ASSERT(opened.has_value());
    replica_ = std::move(*opened);
    fill(records, events);
  }

  StateSource& source() { return replica_->state_source(); }
  sim::World& world() { return world_; }

 private:
  void fill(std::uint64_t records, bool events) {
    auto first = std::make_unique<ledger::Request>();
    for (std::uint64_t id = 1; id <= accounts; ++id) {
      ledger::Account account{};
      account.id = id;
      account.ledger = 1;
      account.code = 1;
      if (first->command_count() == entry_commands) submit(std::exchange(first, fresh()));
      add(*first, ledger::CommandKind::create_account, account);
    }
    submit(std::move(first));
    sim::Random random(1);
    for (std::uint64_t made = accounts + 1; made < records + entry_commands;) {
      auto request = fresh();
      const std::uint64_t count = events ? 1'000 : entry_commands;
      for (std::uint64_t i = 0; i < count; ++i, ++made)
        events ? add_event(*request, made) : add_transfer(*request, random);
      submit(std::move(request));
    }
  }
  static std::unique_ptr<ledger::Request> fresh() { return std::make_unique<ledger::Request>(); }
  static void add_transfer(ledger::Request& request, sim::Random& random) {
    ledger::Transfer transfer{};
    transfer.id = make_u128(random.next(), random.next());
    transfer.debit_account_id = 1 + random.below(accounts);
    transfer.credit_account_id = low64(transfer.debit_account_id) % accounts + 1;
    transfer.amount = 1;
    transfer.ledger = 1;
    transfer.code = 1;
    add(request, ledger::CommandKind::create_transfer, transfer);
  }
  static void add_event(ledger::Request& request, std::uint64_t number) {
    ledger::Compartment part;
    part.key_version = 1;
    part.sealed.resize(400);
    part.commitment[0] = static_cast<Byte>(number);
    ledger::Payload payload;
    payload.compartments.push_back(part);
    ledger::AppendEvent event{};
    event.event_id = number + (u128{1} << 64);
    event.stream = 1 + number % 1'000;
    event.category = 1;
    event.type = 1;
    event.content_type = ledger::ContentType::bytes;
    event.payload_offset = static_cast<std::uint32_t>(request.payloads.size());
    payload.encode(request.payloads);
    event.payload_size = static_cast<std::uint32_t>(request.payloads.size()) - event.payload_offset;
    event.commitment = ledger::fold_commitments({&part.commitment, 1});
    add(request, ledger::CommandKind::append_event, event);
  }
  void submit(std::unique_ptr<ledger::Request> request) {
    replica_->submit(std::move(request), [](const Result<Answer>& answer) { ASSERT(answer); });
    world_.run_until_idle();
  }

  sim::World world_{1};
  Directory directory_{world_};
  ReplicaConfig config_;
  metrics::Registry metrics_;
  std::unique_ptr<io::Executor> log_, apply_, prove_, checkpoint_;
  std::unique_ptr<Replica> replica_;
};

void copy(benchmark::State& state, bool events) {
  const auto records = static_cast<std::uint64_t>(state.range(0));
  Ledger ledger(records, events);
  std::uint64_t bytes = 0, copied = 0;
  for (auto _ : state) {
    Directory target(ledger.world());
    const StateOffer offer = *ledger.source().describe();
    auto installer = *StateInstaller::begin(
        {target.disk, ledger.world().entropy(), *target.keys, offer.cell}, offer, {});
    while (const auto request = installer->next()) {
      const Result<Buffer> piece = ledger.source().read(*request);
      ASSERT(piece.has_value());
      ASSERT(installer->add(*request, *piece, "peer").has_value());
    }
    ASSERT(installer->commit().has_value());
    bytes += installer->progress().received_bytes;
    copied += offer.record_index;
    state.PauseTiming();
    installer.reset();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(copied));
}
void copy_transfers(benchmark::State& state) { copy(state, false); }
void copy_events(benchmark::State& state) { copy(state, true); }
BENCHMARK(copy_transfers)->Arg(20'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK(copy_events)->Arg(20'000)->Arg(200'000)->Unit(benchmark::kMillisecond);

/// The source alone.
void read_transfers(benchmark::State& state) {
  Ledger ledger(static_cast<std::uint64_t>(state.range(0)), false);
  const StateOffer offer = *ledger.source().describe();
  std::uint64_t bytes = 0;
  for (auto _ : state) {
    for (std::uint64_t first = 0; first < offer.record_index;) {
      const std::uint64_t last = std::min(offer.record_index, first + 8'192);
      const Result<Buffer> piece =
          ledger.source().read({PieceKind::records, offer.record_index, first, last, {}});
      ASSERT(piece.has_value());
      bytes += piece->size();
      first = RecordsPiece::decode(*piece)->last();
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(read_transfers)->Arg(20'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace meridian::replica
