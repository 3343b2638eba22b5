// A whole cell on a simulated disk, run from one seed. For tests only.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/assert.h"
#include "cell/local_cell.h"
#include "metrics/registry.h"
#include "sim/disk.h"
#include "sim/world.h"

namespace meridian::cell {

inline constexpr u128 rig_cell = make_u128(0x0f0e0d0c0b0a0908, 0x0706050403020100);
inline constexpr u128 rig_actor = 77;

struct CellRig {
  explicit CellRig(std::uint64_t seed = 1) : world(seed) {
    auto made = storage::KeyStore::create(key_io(), as_bytes("passphrase"), {1, 1, 1});
    ASSERT(made.has_value());
    keys = std::move(*made);
    open();
  }
  storage::KeyStore::Io key_io() { return {*disk, world.clock(), world.entropy()}; }

  void open() {
    metrics.emplace();  // a process has one registry, made once
    auto opened = LocalCell::open(
        {*disk, world.clock(), world.entropy(), *keys, *metrics, [](const std::string&) {}},
        {.deployment = "test", .cell = rig_cell, .generation = 1, .limits = limits},
        {{*log, *apply, *prove, *checkpoint}, *door, *reads}, {},
        [this](const Error& error) { fatal = error.message; });
    ASSERT(opened.has_value());
    cell = std::move(*opened);
    world.run_until_idle();
  }
  /// Closes and opens again on the same disk.
  void restart() {
    cell.reset();
    auto reopened = storage::KeyStore::open(key_io(), as_bytes("passphrase"));
    ASSERT(reopened.has_value());
    keys = std::move(*reopened);
    open();
  }
  /// Calls `ask(done)` and runs the world until `done` was called with a value.
  template <typename T, typename Ask>
  T wait(Ask&& ask) {
    std::optional<T> result;
    ask([&](T value) { result.emplace(std::move(value)); });
    for (int round = 0; !result && round < 100; ++round) {
      world.run_until_idle();
      if (!result) world.advance(io::milliseconds(50));
    }
    ASSERT(result.has_value());
    return std::move(*result);
  }
  Result<replica::Answer> submit(std::vector<door::CommandDraft> commands) {
    return wait<Result<replica::Answer>>(
        [&](auto done) { cell->submit(rig_actor, std::move(commands), done); });
  }

  std::unique_ptr<sim::Disk> disk = std::make_unique<sim::Disk>();
  sim::World world;
  replica::ReplicaLimits limits;
  std::optional<metrics::Registry> metrics;
  std::unique_ptr<storage::KeyStore> keys;
  std::unique_ptr<io::Executor> log = world.make_executor("log");
  std::unique_ptr<io::Executor> apply = world.make_executor("apply");
  std::unique_ptr<io::Executor> prove = world.make_executor("prove");
  std::unique_ptr<io::Executor> checkpoint = world.make_executor("checkpoint");
  std::unique_ptr<io::Executor> door = world.make_executor("door");
  std::unique_ptr<io::Executor> reads = world.make_executor("reads");
  std::string fatal;
  std::unique_ptr<LocalCell> cell;
};

inline door::EventDraft event_draft(u128 id, std::string stream, std::string_view data) {
  door::EventDraft draft;
  draft.event_id = id;
  draft.stream = std::move(stream);
  draft.type = "noted";
  draft.data = to_buffer(as_bytes(data));
  return draft;
}

inline ledger::Account account_draft(u128 id) {
  ledger::Account account{};
  account.id = id;
  account.ledger = 1;
  account.code = 1;
  return account;
}

inline ledger::Transfer transfer_draft(u128 id, u128 debit, u128 credit, u128 amount) {
  ledger::Transfer transfer{};
  transfer.id = id;
  transfer.debit_account_id = debit;
  transfer.credit_account_id = credit;
  transfer.amount = amount;
  transfer.ledger = 1;
  transfer.code = 1;
  return transfer;
}

}  // namespace meridian::cell
