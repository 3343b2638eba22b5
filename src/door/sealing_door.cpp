// The door of a node that holds its own keys. Drafts become commands on the door's executor.

#include <atomic>
#include <mutex>
#include <optional>

#include "base/assert.h"
#include "base/bits.h"
#include "door/door.h"
#include "door/owed_records.h"
#include "door/payload_sealer.h"
#include "door/refusal_counts.h"
#include "door/request_maker.h"
#include "storage/cell_key.h"
#include "storage/cell_key_table.h"
#include "storage/key_table.h"

namespace meridian::door {

namespace {

/// Each misses keys: those of one more leader, those that a turn of the epoch came between, or
/// those of one more person where the leader makes them.
constexpr int attempts_max = 32;

/// One of the two: of a replica that is alone, or of one of several.
struct SubjectKeys {
  std::unique_ptr<storage::KeyTable> own;
  std::unique_ptr<storage::CellKeyTable> shared;

  storage::SubjectKeyring& ring() const {
    if (shared != nullptr) return *shared;
    return *own;
  }
};

class SealingDoor final : public Door {
 public:
  SealingDoor(const Io& io, u128 cell, SubjectKeys keys, OwedRecords owed)
      : io_(io), cell_(cell), keys_(std::move(keys)), owed_(std::move(owed)) {}
  ~SealingDoor() override {
    *alive_ = false;
    io_.executor.drain();
  }

  /// Takes its keys from the key store. Before anything is asked, or on the executor.
  Status take_keys();
  Status ready() const override;
  void take_cell_key(crypto::Secret key, std::function<void(Error)> failed) override;
  void use_schemas(std::shared_ptr<const Schemas> schemas) override {
    const std::lock_guard lock(schemas_mutex_);
    schemas_ = std::move(schemas);
  }
  Result<std::unique_ptr<ledger::Request>> prepare_packed(u128 actor, ledger::CommandKind kind,
                                                          Bytes commands) override;
  void prepare(u128 actor, std::vector<CommandDraft> commands, bool atomic,
               Prepared prepared) override;
  void prepare_for_leader(u128 actor, std::vector<CommandDraft> commands, Prepared hand_over,
                          Prepared prepared) override {
    queue({actor, std::move(commands), false, 0, std::move(prepared), nullptr, 0,
           std::move(hand_over)});
  }
  void open_events(std::vector<SealedEvent> events, Opened opened) override;
  void forget(u128 actor, std::string subject, std::function<void(Result<Erased>)> done) override;
  void keep(u128 actor, KeepingDraft draft, std::function<void(Result<Erased>)> done) override;
  void erase_due(std::function<void(Result<std::vector<Erased>>)> done) override;
  void turn_epoch(io::Duration age, std::function<void(Result<EpochTurn>)> done) override;
  void owed_erasures(std::function<void(Result<std::vector<Erased>>)> done) override;
  void count_denial(u128 actor, mesh::Action action) override {
    refusals_.count_denial(actor, action, io_.clock.now().time);
  }
  void count_bad_signature(u128 actor) override {
    refusals_.count_bad_signature(actor, io_.clock.now().time);
  }
  void confirm_recorded(u128 actor, std::vector<KeepingCommand> commands) override;
  std::unique_ptr<ledger::Request> take_refusals() override { return refusals_.take(); }
  void subject_status(std::string subject,
                      std::function<void(Result<SubjectStatus>)> done) override;
  void keeping(std::function<void(KeepingList)> done) override;

  u128 stream_id(std::string_view name) const override { return id("stream", name); }
  u128 category_id(std::string_view name) const override { return id("category", name); }
  u128 type_id(std::string_view name) const override { return id("type", name); }
  u128 actor_id(std::string_view name) const override { return id("actor", name); }
  u128 subject_id(std::string_view name) const override {
    return name.empty() ? 0 : id("subject", name);
  }
  u128 signature_id(const crypto::Digest& digest) const override {
    return id("signature", to_hex(digest));
  }

  storage::CellKeyTable* shared_keys() override { return keys_.shared.get(); }
  void on_missing_keys(Missing missing) override { missing_ = std::move(missing); }
  void drop_keys() override {
    if (sealer_) sealer_->drop_key();
  }

 private:
  u128 id(std::string_view label, std::string_view name) const {
    return is_ready_ ? ledger::opaque_id(*index_key_, label, name) : 0;
  }

  /// What is being prepared: sealed again if a key was missing.
  struct Draft {
    u128 actor;
    std::vector<CommandDraft> commands;
    bool atomic;
    std::uint64_t bytes;
    Prepared prepared;
    std::shared_ptr<const Schemas> schemas;
    int attempts = 0;
    Prepared hand_over{};  ///< Set: another replica leads.
  };
  void queue(Draft draft);
  bool seal_for_leader(const std::shared_ptr<Draft>& draft);
  void await(const std::shared_ptr<Draft>& draft, const MissingKeys& missing);
  void seal(const std::shared_ptr<Draft>& draft);
  void seal_shared(const std::shared_ptr<Draft>& draft);
  void answer(const Draft& draft, Result<std::unique_ptr<ledger::Request>> request);
  Result<std::unique_ptr<ledger::Request>> make(const Draft& draft) {
    return RequestMaker(*this, *draft.schemas, *sealer_)
        .make(draft.actor, draft.commands, draft.atomic);
  }
  std::shared_ptr<const Schemas> schemas() const {
    const std::lock_guard lock(schemas_mutex_);
    return schemas_;
  }
  /// After what may have unwrapped a key: it is overwritten in time, also if nobody asks any more.
  void watch_keys();
  Result<Erased> erase(u128 actor, u128 subject);
  Result<Erased> carry_out(u128 actor, std::vector<KeepingCommand> commands);
  Result<Erased> carry_out_owed(u128 actor, std::vector<KeepingCommand> commands);
  void count_refusal(u128 actor, const Error& error) {
    refusals_.count(actor, error, io_.clock.now().time);
  }

  Io io_;
  u128 cell_;
  std::optional<crypto::HmacKey> index_key_;  ///< Set before is_ready_, and never again.
  std::atomic<bool> is_ready_{false};
  std::atomic<std::uint64_t> queued_bytes_{0};
  mutable std::mutex schemas_mutex_;
  std::shared_ptr<const Schemas> schemas_ = std::make_shared<const Schemas>();

  // door executor
  SubjectKeys keys_;
  Missing missing_;
  std::optional<PayloadSealer> sealer_;  ///< From is_ready_ on.
  bool is_watching_ = false;
  std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
  OwedRecords owed_;

  RefusalCounts refusals_;
};

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

// --- forgetting ---

namespace {

/// What commands say that they did.
void describe(const KeepingCommand& command, Erased& erased) {
  const Byte* bytes = command.bytes.data();
  if (command.kind == ledger::CommandKind::erase_subject) {
    const auto all = ledger::load_command<ledger::EraseSubject>(bytes);
    erased.keys_destroyed += all.keys_destroyed;
    erased.epoch = all.epoch;
    for (std::size_t retention = 0; retention < 8 * all.classes.size(); ++retention)
      if (has_bit(all.classes, retention))
        erased.classes.push_back(static_cast<std::uint8_t>(retention));
  } else if (command.kind == ledger::CommandKind::erase_key) {
    const auto one = ledger::load_command<ledger::EraseKey>(bytes);
    ++erased.keys_destroyed;
    erased.epoch = one.epoch;
    erased.erased.push_back({one.retention, one.version});
    erased.classes = classes_of(erased.erased);
  } else if (command.kind == ledger::CommandKind::place_hold) {
    erased.hold = ledger::load_command<ledger::PlaceHold>(bytes).hold;
  } else if (command.kind == ledger::CommandKind::release_hold) {
    erased.hold = ledger::load_command<ledger::ReleaseHold>(bytes).hold;
  } else if (command.kind == ledger::CommandKind::expire_class) {
    const auto expired = ledger::load_command<ledger::ExpireClass>(bytes);
    erased.keys_destroyed += expired.keys_destroyed;
    erased.epoch = expired.epoch;
  }
}

}  // namespace

/// What is to be done is noted before: a crash in between must not leave a record that says less
/// than was done.
Result<Erased> SealingDoor::carry_out(u128 actor, std::vector<KeepingCommand> commands) {
  std::vector<OwedRecords::Owed> owed;
  for (const KeepingCommand& command : commands) owed.push_back({actor, command});
  TRY(owed_.add(owed));
  return carry_out_owed(actor, std::move(commands));
}

/// Done before, it does no harm.
Result<Erased> SealingDoor::carry_out_owed(u128 actor, std::vector<KeepingCommand> commands) {
  std::vector<storage::KeyRow> changes;
  Erased erased;
  erased.actor = actor;
  erased.request = std::make_unique<ledger::Request>();
  erased.request->actor = actor;
  erased.request->attester = actor == 0 ? ledger::Attester::replica : ledger::Attester::door;
  for (const KeepingCommand& command : commands) {
    if (const auto change = change_of(command.kind, command.bytes.data()))
      changes.push_back(*change);
    erased.subject = subject_of(command);
    describe(command, erased);
    erased.request->add(command.kind, Bytes(command.bytes));
  }
  erased.commands = std::move(commands);
  if (sealer_) sealer_->drop_key();
  TRY(keys_.own->change(changes));
  return erased;
}

Result<Erased> SealingDoor::erase(u128 actor, u128 subject) {
  // What was begun, and is not recorded yet, is finished as it was.
  std::vector<KeepingCommand> begun;
  u128 who = actor;
  for (const OwedRecords::Owed& owed : owed_.list())
    if (is_of_forgetting(owed.command) && subject_of(owed.command) == subject) {
      begun.push_back(owed.command);
      who = owed.actor;
    }
  const Forgetting plan = door::forget(*keys_.own, subject, keys_.own->epoch());
  Erased erased = begun.empty() ? TRY(carry_out(actor, plan.commands))
                                : TRY(carry_out_owed(who, std::move(begun)));
  if (erased.erased.empty()) erased.erased = plan.erased;
  erased.kept = plan.kept;
  return erased;
}

void SealingDoor::keep(u128 actor, KeepingDraft draft, std::function<void(Result<Erased>)> done) {
  ASSERT(keys_.own != nullptr);
  io_.executor.post([this, actor, draft = std::move(draft), done = std::move(done)] {
    std::array<Byte, 16> fresh;
    io_.entropy.fill(fresh);
    const auto* retention = std::get_if<RetentionDraft>(&draft);
    if (std::holds_alternative<ResidencyDraft>(draft) ||
        (retention != nullptr && !retention->residency.empty()))
      return done(fail(Code::failed_precondition,
                       "a cell of one replica has one region, and a jurisdiction needs two: "
                       "nothing was done"));
    const Result<std::vector<KeepingCommand>> commands =
        make_commands(*keys_.own, draft, load_le<u128>(fresh.data()));
    if (!commands) return done(commands.error());
    done(carry_out(actor, *commands));
  });
}

void SealingDoor::erase_due(std::function<void(Result<std::vector<Erased>>)> done) {
  constexpr std::size_t subjects_max = 100;  // each turns the epoch
  io_.executor.post([this, done = std::move(done)] {
    std::vector<Erased> erasures;
    const storage::DueKeys due = keys_.own->due(subjects_max);
    for (const storage::DueKeys::Expired& expired : due.classes) {
      Result<Erased> erased = carry_out(0, {expiry(expired, keys_.own->epoch())});
      if (!erased) return done(erased.error());
      erasures.push_back(std::move(*erased));
    }
    for (const u128 subject : due.subjects) {
      Result<Erased> erased = erase(0, subject);
      if (!erased) return done(erased.error());
      erasures.push_back(std::move(*erased));
    }
    done(std::move(erasures));
  });
}

void SealingDoor::turn_epoch(io::Duration age, std::function<void(Result<EpochTurn>)> done) {
  ASSERT(keys_.own != nullptr);
  io_.executor.post([this, age, done = std::move(done)] {
    storage::KeyTable& table = *keys_.own;
    const std::int64_t old_ns = static_cast<std::int64_t>(io_.clock.now().time) -
                                static_cast<std::int64_t>(table.epoch_made_ns());
    const bool is_daily = age != io::Duration{};
    if (is_daily && (old_ns < static_cast<std::int64_t>(age) || table.rows() == 0))
      return done(EpochTurn{table.epoch(), table.rows()});
    if (sealer_) sealer_->drop_key();
    if (Status turned = table.turn(); !turned) return done(turned.error());
    done(EpochTurn{table.epoch(), table.rows(), true});
  });
}

void SealingDoor::forget(u128 actor, std::string subject,
                         std::function<void(Result<Erased>)> done) {
  ASSERT(keys_.own != nullptr);
  io_.executor.post([this, actor, subject = std::move(subject), done = std::move(done)] {
    if (Status good = check_name("subject", subject, 0); !good) return done(good.error());
    done(erase(actor, subject_id(subject)));
  });
}

void SealingDoor::owed_erasures(std::function<void(Result<std::vector<Erased>>)> done) {
  io_.executor.post([this, done = std::move(done)] {
    std::vector<Erased> erasures;
    const std::vector<OwedRecords::Owed>& owed = owed_.list();
    for (std::size_t i = 0; i < owed.size();) {
      // Those of one request: of one actor, and one person.
      std::vector<KeepingCommand> commands;
      const OwedRecords::Owed& first = owed[i];
      do commands.push_back(owed[i++].command);
      while (i < owed.size() && owed[i].actor == first.actor && is_of_forgetting(first.command) &&
             is_of_forgetting(owed[i].command) &&
             subject_of(owed[i].command) == subject_of(first.command));
      Result<Erased> erased = carry_out_owed(first.actor, std::move(commands));
      if (!erased) return done(erased.error());
      erasures.push_back(std::move(*erased));
    }
    done(std::move(erasures));
  });
}

void SealingDoor::confirm_recorded(u128 actor, std::vector<KeepingCommand> commands) {
  // If this fails they are recorded a second time after a restart: harmless.
  io_.executor.post([this, actor, commands = std::move(commands)] {
    std::vector<OwedRecords::Owed> owed;
    for (const KeepingCommand& command : commands) owed.push_back({actor, command});
    static_cast<void>(owed_.remove(owed));
  });
}

void SealingDoor::subject_status(std::string subject,
                                 std::function<void(Result<SubjectStatus>)> done) {
  io_.executor.post([this, subject = std::move(subject), done = std::move(done)] {
    if (Status now = ready(); !now) return done(now.error());
    if (Status good = check_name("subject", subject, 0); !good) return done(good.error());
    const storage::SubjectKeyring& table = keys_.ring();
    SubjectStatus status;
    status.subject = subject_id(subject);
    storage::SubjectState state = table.state(status.subject);
    status.classes = classes_of(state.keys);
    status.forgotten = table.is_forgotten(status.subject);
    status.wish = state.wish;
    status.known = status.forgotten || state.wish || !state.keys.empty() || !state.holds.empty();
    std::vector<storage::KeptKey> keys;
    for (const storage::KeyName& key : state.keys) {
      storage::KeptKey& one = keys.emplace_back(storage::KeptKey{key, {}, 0});
      if (const auto* retention = table.keeping().find(key.retention);
          retention != nullptr && !retention->keep.is_zero())
        one.until = storage::kept_until(key.version, *retention);
      if (const auto* hold = table.keeping().hold_on(status.subject, key.retention))
        one.hold = hold->id;
    }
    status.keys = describe_kept(table, status.subject, keys);
    status.holds = std::move(state.holds);
    done(std::move(status));
  });
}

void SealingDoor::keeping(std::function<void(KeepingList)> done) {
  io_.executor.post([this, done = std::move(done)] {
    const storage::SubjectKeyring& table = keys_.ring();
    KeepingList list{table.today(), {}, table.keeping().holds()};
    for (const auto& [number, jurisdiction] : table.keeping().residency().all())
      list.places.push_back({jurisdiction, table.holds(jurisdiction),
                             keys_.shared != nullptr && keys_.shared->residency(number).is_up});
    for (const auto& [number, retention] : table.keeping().classes())
      list.classes.push_back(retention);
    done(std::move(list));
  });
}

}  // namespace

Result<std::unique_ptr<Door>> Door::open(const Io& io, u128 cell, bool has_replicas) {
  const storage::SealedContext context{io.disk, io.entropy, io.keys, cell};
  SubjectKeys keys;
  if (has_replicas)
    keys.shared = TRY(storage::CellKeyTable::open(context, io.keys, io.clock));
  else
    keys.own = TRY(storage::KeyTable::open(context, io.keys, io.clock));
  OwedRecords owed = TRY(OwedRecords::open(io.disk));
  auto door = std::make_unique<SealingDoor>(io, cell, std::move(keys), std::move(owed));
  if (!has_replicas || storage::holds_cell_key(io.keys)) TRY(door->take_keys());
  return Result<std::unique_ptr<Door>>(std::move(door));
}

}  // namespace meridian::door
