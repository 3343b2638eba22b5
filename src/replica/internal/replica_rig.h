// A replica on a simulated machine: one thread, a disk that may lose power. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proof/policy.h"
#include "replica/replica.h"
#include "sim/disk.h"
#include "sim/world.h"

namespace meridian::replica {

struct ReplicaRig {
  explicit ReplicaRig(std::uint64_t seed = 1,
                      const ReplicaConfig& replica_config = default_config())
      : config(replica_config),
        world(seed),
        disk(std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed})) {
    auto made =
        storage::KeyStore::create({*disk, world.clock(), world.entropy()}, passphrase(), {1, 1, 1});
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
  }
  ~ReplicaRig() { close(); }

  static Bytes passphrase() { return as_bytes("a passphrase"); }
  static ReplicaConfig default_config() {
    ReplicaConfig config;
    config.cell = make_u128(0x1111, 0x2222);
    config.wal_file_size = 64 << 10;
    config.limits.bytes_reserve = 1 << 20;
    return config;
  }

  Status open() {
    auto opened_keys =
        storage::KeyStore::open({*disk, world.clock(), world.entropy()}, passphrase());
    if (!opened_keys) return opened_keys.error();
    keys = std::move(*opened_keys);
    for (auto* executor : {&log, &apply, &prove, &checkpoints})
      *executor = world.make_executor("stage");
    metrics.emplace();  // a process has one registry, made once
    Replica::Io io{*disk,           world.clock(),
                   world.entropy(), *keys,
                   *metrics,        [this](const std::string& line) { notices.push_back(line); }};
    auto opened = Replica::open(io, config, {*log, *apply, *prove, *checkpoints}, {},
                                [this](const Error& error) { fatal.push_back(error); });
    if (!opened) return opened.error();
    replica = std::move(*opened);
    return {};
  }
  void must_open() {
    const Status opened = open();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    world.run_until_idle();
  }
  /// As a process that ends; unsynced data stays in the page cache.
  void close() {
    replica.reset();
    for (auto* executor : {&log, &apply, &prove, &checkpoints}) executor->reset();
    keys.reset();
  }
  void reopen() {
    close();
    must_open();
  }
  /// Power fails.
  void crash(std::uint64_t seed) {
    close();
    disk = disk->crash(seed);
    fatal.clear();
  }

  /// Submits and runs until the answer is there.
  Result<Answer> ask(std::unique_ptr<ledger::Request> request) {
    std::optional<Result<Answer>> answer;
    replica->submit(std::move(request), [&](Result<Answer> got) { answer = std::move(got); });
    world.run_until_idle();
    EXPECT_TRUE(answer.has_value()) << "never answered";
    return answer ? std::move(*answer) : Result<Answer>(Code::internal, "never answered");
  }
  std::vector<ledger::Header> all_headers() {
    std::vector<ledger::Header> headers;
    const Status scanned = replica->scan(
        ledger::RecordIndex{0}, replica->visible_records(), [&](ledger::RecordIndex, Bytes bytes) {
          auto header = ledger::Header::decode(bytes);
          EXPECT_TRUE(header.has_value()) << (header ? "" : header.error().message);
          if (header) headers.push_back(std::move(*header));
          return header.has_value();
        });
    EXPECT_TRUE(scanned.has_value()) << (scanned ? "" : scanned.error().message);
    return headers;
  }
  std::optional<ledger::AccountState> account(u128 id) {
    std::optional<ledger::AccountState> found;
    replica->read_state([&](const ledger::Ledger& ledger) { found = ledger.find_account(id); });
    world.run_until_idle();
    return found;
  }
  Replica::Report report() {
    std::optional<Replica::Report> report;
    replica->report([&](const Replica::Report& got) { report = got; });
    world.run_until_idle();
    EXPECT_TRUE(report.has_value());
    return report.value_or(Replica::Report{});
  }
  Result<proof::Receipt> receipt(std::uint64_t record) {
    std::optional<Result<proof::Receipt>> receipt;
    replica->receipt(ledger::RecordIndex{record},
                     [&](Result<proof::Receipt> got) { receipt = std::move(got); });
    world.run_until_idle();
    EXPECT_TRUE(receipt.has_value()) << "never answered";
    return receipt ? std::move(*receipt) : Result<proof::Receipt>(Code::internal, "no answer");
  }
  Result<std::string> checkpoint() {
    std::optional<Result<std::string>> note;
    replica->checkpoint([&](Result<std::string> got) { note = std::move(got); });
    world.run_until_idle();
    EXPECT_TRUE(note.has_value()) << "never answered";
    return note ? std::move(*note) : Result<std::string>(Code::internal, "no answer");
  }
  /// Trusts this replica alone.
  proof::Policy policy() {
    proof::Policy policy;
    policy.logs.push_back({.key = *proof::parse_vkey(replica->log_vkey()), .url = {}});
    policy.witnesses.push_back({.name = "replica",
                                .key = *proof::parse_vkey(replica->cosigner_vkey()),
                                .url = {},
                                .role = proof::CosignerRole::replica,
                                .place = "here"});
    policy.quorum = "replica";
    return policy;
  }

  ReplicaConfig config;
  sim::World world;
  std::unique_ptr<sim::Disk> disk;
  std::optional<metrics::Registry> metrics;
  std::unique_ptr<storage::KeyStore> keys;
  std::unique_ptr<io::Executor> log, apply, prove, checkpoints;
  std::unique_ptr<Replica> replica;
  std::vector<std::string> notices;
  std::vector<Error> fatal;
};

// --- commands ---

template <typename Command>
Bytes command_bytes(const Command& command) {
  return {reinterpret_cast<const Byte*>(&command), sizeof command};
}

inline ledger::Account make_account(u128 id, std::uint16_t flags = 0) {
  ledger::Account account{};
  account.id = id;
  account.ledger = 1;
  account.code = 1;
  account.flags = flags;
  return account;
}
inline ledger::Transfer make_transfer(u128 id, u128 debit, u128 credit, u128 amount,
                                      std::uint16_t flags = 0) {
  ledger::Transfer transfer{};
  transfer.id = id;
  transfer.debit_account_id = debit;
  transfer.credit_account_id = credit;
  transfer.amount = amount;
  transfer.ledger = 1;
  transfer.code = 1;
  transfer.flags = flags;
  return transfer;
}
inline void add_account(ledger::Request& request, const ledger::Account& account) {
  request.add(ledger::CommandKind::create_account, command_bytes(account));
}
inline void add_transfer(ledger::Request& request, const ledger::Transfer& transfer) {
  request.add(ledger::CommandKind::create_transfer, command_bytes(transfer));
}
inline void add_event(ledger::Request& request, u128 id, u128 stream, Bytes payload,
                      bool linked = false) {
  ledger::AppendEvent event{};
  event.event_id = id;
  event.stream = stream;
  event.category = 77;
  event.type = 78;
  event.commitment = crypto::sha256(payload);
  event.payload_size = static_cast<std::uint32_t>(payload.size());
  event.payload_offset = static_cast<std::uint32_t>(request.payloads.size());
  event.flags = linked ? ledger::event_flag_linked : 0;
  event.content_type = ledger::ContentType::bytes;
  request.payloads.insert(request.payloads.end(), payload.begin(), payload.end());
  request.add(ledger::CommandKind::append_event, command_bytes(event));
}
inline std::unique_ptr<ledger::Request> make_request(u128 actor = 9) {
  auto request = std::make_unique<ledger::Request>();
  request->actor = actor;
  return request;
}
inline std::unique_ptr<ledger::Request> accounts_request(std::uint64_t count) {
  auto request = make_request();
  for (std::uint64_t id = 1; id <= count; ++id) add_account(*request, make_account(id));
  return request;
}

}  // namespace meridian::replica
