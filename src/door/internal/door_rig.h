// A door on a simulated machine. For tests and fuzzers only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "door/door.h"
#include "sim/disk.h"
#include "sim/world.h"

namespace meridian::door {

inline constexpr u128 rig_cell = make_u128(0xCE11, 1);

struct DoorRig {
  explicit DoorRig(std::uint64_t seed = 1)
      : world(seed), disk(std::make_unique<sim::Disk>(sim::DiskOptions{.seed = seed})) {
    ASSERT(storage::KeyStore::create(key_io(), as_bytes("a passphrase"), {1, 1, 1}).has_value());
  }
  ~DoorRig() { close(); }
  DoorRig(const DoorRig&) = delete;
  DoorRig& operator=(const DoorRig&) = delete;

  storage::KeyStore::Io key_io() { return {*disk, world.clock(), world.entropy()}; }
  bool has_replicas = false;
  Status open() {
    auto opened_keys = storage::KeyStore::open(key_io(), as_bytes("a passphrase"));
    if (!opened_keys) return opened_keys.error();
    keys = std::move(*opened_keys);
    executor = world.make_executor("door");
    auto opened = Door::open({*disk, world.clock(), world.entropy(), *keys, *executor}, rig_cell,
                             has_replicas);
    if (!opened) return opened.error();
    door = std::move(*opened);
    return {};
  }
  void close() {
    door.reset();
    executor.reset();
    keys.reset();
  }
  void crash(std::uint64_t seed) {
    close();
    disk = disk->crash(seed);
  }

  using Made = Result<std::unique_ptr<ledger::Request>>;
  Made prepare(std::vector<CommandDraft> drafts, bool atomic = false) {
    std::optional<Made> made;
    door->prepare(5, std::move(drafts), atomic, [&](Made got) { made = std::move(got); });
    world.run_until_idle();
    ASSERT(made.has_value());
    return std::move(*made);
  }
  Result<Erased> forget(std::string subject) {
    std::optional<Result<Erased>> erased;
    door->forget(5, std::move(subject), [&](Result<Erased> got) { erased = std::move(got); });
    world.run_until_idle();
    ASSERT(erased.has_value());
    return std::move(*erased);
  }
  Result<std::vector<Erased>> owed() {
    std::optional<Result<std::vector<Erased>>> owed;
    door->owed_erasures([&](Result<std::vector<Erased>> got) { owed = std::move(got); });
    world.run_until_idle();
    ASSERT(owed.has_value());
    return std::move(*owed);
  }
  Result<OpenedEvent> open_event(const Door::SealedEvent& event) {
    std::optional<Result<OpenedEvent>> opened;
    door->open_events({event}, [&](std::vector<Result<OpenedEvent>> got) {
      ASSERT(got.size() == 1);
      opened = std::move(got.front());
    });
    world.run_until_idle();
    ASSERT(opened.has_value());
    return std::move(*opened);
  }
  /// Event `number` of a request, with the header that its record will have.
  static Door::SealedEvent sealed(const ledger::Request& request, std::size_t number = 0) {
    const auto command = ledger::load_command<ledger::AppendEvent>(request.commands.data() +
                                                                   number * ledger::command_size);
    Door::SealedEvent event;
    event.header.kind = ledger::CommandKind::append_event;
    event.header.cell = rig_cell;
    event.header.record_index = ledger::RecordIndex{77};
    ledger::EventBody body;
    body.event_id = command.event_id;
    body.stream = command.stream;
    event.header.body = body;
    event.header.payload_commitment = command.commitment;
    event.payload =
        to_buffer(Bytes(request.payloads).subspan(command.payload_offset, command.payload_size));
    return event;
  }

  sim::World world;
  std::unique_ptr<sim::Disk> disk;
  std::unique_ptr<storage::KeyStore> keys;
  std::unique_ptr<io::Executor> executor;
  std::unique_ptr<Door> door;
};

inline EventDraft event_draft(u128 id, std::string subject = {}) {
  EventDraft draft;
  draft.event_id = id;
  draft.stream = "patient-17";
  draft.type = "visited";
  draft.data = to_buffer(as_bytes("{\"note\":\"well\"}"));
  draft.metadata = to_buffer(as_bytes("{}"));
  draft.subject = std::move(subject);
  return draft;
}

}  // namespace meridian::door
