#include "door/internal/sealing_door.h"
#include "base/assert.h"
#include "door/door.h"
#include "storage/cell_key.h"

namespace meridian::door {
namespace internal {
namespace {

/// Each misses keys: those of one more leader, those that a turn of the epoch came between, or
/// those of one more person where the leader makes them.
constexpr int attempts_max = 32;

}  // namespace

Status SealingDoor::take_keys() {
  index_key_.emplace(TRY(io_.keys.newest("index")).secret);
  sealer_.emplace(TRY(PayloadSealer::create(cell_, io_.entropy, io_.keys, keys_.ring())));
  is_ready_ = true;
  return {};
}

Status SealingDoor::ready() const {
  if (is_ready_) return {};
  return fail(Code::unavailable,
              "this replica was not handed the cell's key yet, as it happens while the cell has no "
              "leader or a quorum is missing; nothing was done, ask again or ask another replica");
}

void SealingDoor::take_cell_key(crypto::Secret key, std::function<void(Error)> failed) {
  auto shared = std::make_shared<crypto::Secret>(std::move(key));
  io_.executor.post([this, shared, failed = std::move(failed)] {
    if (is_ready_) return;
    Status taken = storage::put_cell_key(io_.keys, shared->bytes());
    if (taken) taken = take_keys();
    if (!taken) failed(with_context(taken.error(), "the cell's key cannot be kept"));
  });
}

Result<std::unique_ptr<ledger::Request>> SealingDoor::prepare_packed(u128 actor,
                                                                     ledger::CommandKind kind,
                                                                     Bytes commands) {
  TRY(ready());
  auto request = make_packed(actor, kind, commands);
  if (!request) count_refusal(actor, request.error());
  return request;
}

void SealingDoor::prepare(u128 actor, std::vector<CommandDraft> commands, bool atomic,
                          Prepared prepared) {
  queue({actor, std::move(commands), atomic, 0, std::move(prepared), nullptr});
}

void SealingDoor::queue(Draft queued) {
  if (Status now = ready(); !now) return queued.prepared(now.error());
  queued.bytes = size_of(queued.commands);
  if (queued_bytes_.fetch_add(queued.bytes) + queued.bytes > queued_bytes_max) {
    queued_bytes_.fetch_sub(queued.bytes);
    return queued.prepared(
        fail(Code::resource_exhausted,
             "the door has too much to seal already; nothing was done, try again with "
             "fewer outstanding requests"));
  }
  queued.schemas = schemas();
  auto draft = std::make_shared<Draft>(std::move(queued));
  io_.executor.post([this, draft] { seal(draft); });
}

void SealingDoor::watch_keys() {
  if (std::exchange(is_watching_, true)) return;
  io_.executor.post_after(drop_period, [this, alive = alive_] {
    if (!*alive) return;
    is_watching_ = false;
    drop_keys();  // the last one that sealed or opened
    keys_.ring().drop_old_keys();
    if (keys_.ring().unwrapped_keys() != 0) watch_keys();
  });
}

void SealingDoor::seal(const std::shared_ptr<Draft>& draft) {
  watch_keys();
  if (keys_.shared != nullptr) return seal_shared(draft);
  Result<std::unique_ptr<ledger::Request>> request = make(*draft);
  if (request)
    if (Status synced = keys_.own->sync(); !synced) request = synced.error();
  answer(*draft, std::move(request));
}

/// Whoever leads seals for persons, once its table holds what leaders before it had recorded. A key
/// counts once its record is in the table: until then what it sealed might be readable by nobody.
void SealingDoor::seal_shared(const std::shared_ptr<Draft>& draft) {
  if (draft->hand_over && seal_for_leader(draft)) return;
  const std::uint64_t term = keys_.shared->makes_in();
  const bool personal = is_personal(draft->commands, *draft->schemas);
  Result<std::unique_ptr<ledger::Request>> request =
      personal && term == 0
          ? fail(Code::unavailable, "this replica does not make keys of persons now")
          : make(*draft);
  const MissingKeys missing{keys_.shared->take_unfolded(), keys_.shared->take_waits()};
  if (!request && storage::is_residency_unavailable(request.error()))
    return answer(*draft, std::move(request));
  if (missing.rows.empty() && missing.waits.empty() &&
      (request || request.error().code != Code::unavailable)) {
    if (request && personal) (*request)->only_in_term = term;
    return answer(*draft, std::move(request));
  }
  await(draft, missing);
}

void SealingDoor::await(const std::shared_ptr<Draft>& draft, const MissingKeys& missing) {
  if (++draft->attempts == attempts_max || !missing_)
    return answer(*draft, fail(Code::unavailable,
                               "keys of persons cannot be made, as leaders or members change: "
                               "nothing was done, send it again"));
  missing_(missing, [this, draft](const Status& go_on) {
    if (go_on) return seal(draft);
    answer(*draft, go_on.error());
  });
}

/// False if nothing of it lives in a jurisdiction: it is the leader's then, like anything else.
bool SealingDoor::seal_for_leader(const std::shared_ptr<Draft>& draft) {
  storage::CellKeyTable& table = *keys_.shared;
  if (!is_resident(draft->commands, *draft->schemas, table.keeping())) return false;
  table.seal_for_leader(true);
  Result<std::unique_ptr<ledger::Request>> request = make(*draft);
  table.seal_for_leader(false);
  const storage::CellKeyTable::Noted noted = table.take_noted();
  const MissingKeys missing{{}, table.take_waits(), noted.missing};
  if (!missing.wanted.empty() || !missing.waits.empty()) {
    await(draft, missing);
    return true;
  }
  if (!noted.is_resident) return false;
  if (!request) {
    answer(*draft, std::move(request));
    return true;
  }
  queued_bytes_.fetch_sub(draft->bytes);
  draft->hand_over(std::move(request));
  return true;
}

void SealingDoor::answer(const Draft& draft, Result<std::unique_ptr<ledger::Request>> request) {
  if (!request && request.error().code != Code::unavailable)
    count_refusal(draft.actor, request.error());
  queued_bytes_.fetch_sub(draft.bytes);
  draft.prepared(std::move(request));
}

void SealingDoor::open_events(std::vector<SealedEvent> events, Opened opened) {
  io_.executor.post([this, events = std::move(events), opened = std::move(opened)] {
    watch_keys();
    std::vector<Result<OpenedEvent>> results;
    results.reserve(events.size());
    for (const SealedEvent& event : events)
      results.push_back(is_ready_ ? sealer_->open(event.header, event.payload, event.about)
                                  : ready().error());
    opened(std::move(results));
  });
}

}  // namespace internal

Result<std::unique_ptr<Door>> Door::open(const Io& io, u128 cell, bool has_replicas,
                                         const storage::TurnPace& pace) {
  const storage::SealedContext context{io.disk, io.entropy, io.keys, cell};
  internal::SubjectKeys keys;
  if (has_replicas)
    keys.shared = TRY(storage::CellKeyTable::open(context, io.keys, io.clock, pace));
  else
    keys.own = TRY(storage::KeyTable::open(context, io.keys, io.clock));
  OwedRecords owed = TRY(OwedRecords::open(io.disk));
  auto door = std::make_unique<internal::SealingDoor>(io, cell, std::move(keys), std::move(owed));
  if (!has_replicas || storage::holds_cell_key(io.keys)) TRY(door->take_keys());
  return Result<std::unique_ptr<Door>>(std::move(door));
}

}  // namespace meridian::door
