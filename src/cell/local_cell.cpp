#include "cell/local_cell.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "cell/internal/one_cell.h"

namespace meridian::cell {
namespace internal {
namespace {

constexpr io::Duration refusals_period = io::seconds(60);

}  // namespace

Status OneCell::open(const replica::Replica::Io& io, const replica::ReplicaConfig& config,
                     const replica::Replica::Progress& progress,
                     std::function<void(Error)> on_fatal) {
  replica::Replica::Io with_key = io;
  door_ = TRY(door::Door::open({io.disk, io.clock, io.entropy, io.keys, executors_.door},
                               config.cell, config.group.has_value()));
  // The door goes before the replica does, and drains its executor: what runs there finds it.
  with_key.cell_key = [this, alive = alive_, door = door_.get(), on_fatal](crypto::Secret key) {
    executors_.door.post(
        [alive, door, on_fatal, key = std::make_shared<crypto::Secret>(std::move(key))] {
          if (*alive) door->take_cell_key(std::move(*key), on_fatal);
        });
  };
  if (config.group) {
    make_custodian(io, config, on_fatal);
    with_key.key_records = [this](std::vector<replica::KeyRecord> records) {
      custodian_->stored(std::move(records));
    };
    with_key.keeper_message = [this](std::uint64_t from, Buffer message) {
      custodian_->receive(from, std::move(message));
    };
  }
  replica_ = TRY(
      replica::Replica::open(with_key, config, executors_.replica, progress, std::move(on_fatal)));
  reader_ = std::make_unique<EventReader>(*replica_, *door_, executors_.reads);
  schemas_ = std::make_unique<SchemaBook>(*replica_, *door_, *reader_, executors_.reads);
  signatures_ = std::make_unique<SignatureKeeper>(*replica_, *door_, *reader_, executors_.reads);
  exporter_ = std::make_unique<SubjectExport>(*replica_, *door_, executors_.reads);
  erasures_ =
      std::make_unique<SubjectErasures>(*replica_, *door_, custodian_.get(), executors_.reads);
  if (custodian_ != nullptr)
    custodian_->start();
  else {
    record_owed_erasures();
    erase_due();
    turn_old_epoch(io.notice);
  }
  record_refusals();
  return {};
}

void OneCell::submit_own(door::EventDraft event, Answered answered) {
  ASSERT(event.is_of_cell);
  if (Status now = door_->ready(); !now) return answered(now.error());
  std::vector<door::CommandDraft> drafts;
  drafts.emplace_back(std::move(event));
  const u128 actor = door_->actor_id(own_actor);
  if (replica_->is_alone() || replica_->leadership().is_ours)
    return prepare(actor, std::move(drafts), std::move(answered));
  door_->prepare(
      actor, std::move(drafts), false,
      [this, answered = std::move(answered)](Result<std::unique_ptr<ledger::Request>> request) {
        if (!request) return answered(request.error());
        custodian_->hand_over(std::move(*request), answered);
      });
}

void OneCell::record_refusals() {
  executors_.reads.post_after(refusals_period, [this, alive = alive_] {
    if (!*alive) return;
    // Whoever does not lead keeps them until it does: what it submits is refused.
    const bool may_record = replica_->is_alone() || replica_->leadership().is_ours;
    if (auto request = may_record ? door_->take_refusals() : nullptr)
      replica_->submit(std::move(request), [](const Result<replica::Answer>&) {});
    record_refusals();
  });
}

void OneCell::set_schema(u128 actor, u128 event_id, const std::string& type,
                         const std::string& schema, Answered answered) {
  if (actor == 0) return answered(nobody());
  Result<door::EventDraft> draft = SchemaBook::draft(event_id, type, schema);
  if (!draft) return answered(draft.error());
  prepare(actor, {std::move(*draft)},
          [this, answered = std::move(answered)](const Result<replica::Answer>& answer) {
            if (!answer) return answered(answer);
            // Not current if that fails: who appends an event then reads again.
            schemas_->forget_term();
            schemas_->refresh([answer, answered](const Status&) { answered(answer); });
          });
}

void OneCell::lookup_transfers(std::vector<u128> ids,
                               std::function<void(Result<std::vector<ledger::Transfer>>)> done) {
  replica_->read_state(
      [this, ids = std::move(ids), done = std::move(done)](const ledger::Ledger& l) {
        when_stored(l.records(), [this, ids, done] {
          std::vector<ledger::Transfer> found;
          for (const u128 id : ids) {
            const auto transfer = ledger::lookup_transfer(replica_->records(), id);
            if (!transfer) return done(transfer.error());
            if (*transfer) found.push_back(**transfer);
          }
          done(std::move(found));
        });
      });
}

void OneCell::query_transfers(ledger::QueryFilter filter,
                              std::function<void(Result<std::vector<ledger::Transfer>>)> done) {
  replica_->read_state([this, filter, done = std::move(done)](const ledger::Ledger& l) {
    when_stored(l.records(), [this, filter, done] {
      continue_pages<ledger::Transfer>(
          filter, {}, {},
          [this](const ledger::QueryFilter& f, auto from) {
            return ledger::query_transfers(replica_->records(), f, from);
          },
          done);
    });
  });
}

void OneCell::outcome(ledger::CommandKind kind, u128 id,
                      std::function<void(Result<std::optional<KnownOutcome>>)> done) {
  const auto read = [this, done](ledger::RecordIndex record) {
    if (record == ledger::no_record) return done(std::optional<KnownOutcome>{});
    when_stored(raw(record) + 1, [this, record, done] {
      const Result<Buffer> bytes = replica_->header(record);
      if (!bytes) return done(bytes.error());
      Result<ledger::Header> header = ledger::Header::decode(*bytes);
      if (!header) return done(header.error());
      done(std::optional{KnownOutcome{std::move(*header)}});
    });
  };
  if (kind == ledger::CommandKind::create_account) {
    replica_->read_state([id, read](const ledger::Ledger& l) {
      const auto account = l.find_account(id);
      read(account ? account->created_at : ledger::no_record);
    });
    return;
  }
  const ledger::IdSpace space = kind == ledger::CommandKind::create_transfer
                                    ? ledger::IdSpace::transfer
                                    : ledger::IdSpace::event;
  replica_->find_record(space, id, [read, done](Result<ledger::RecordIndex> record) {
    if (!record) return done(record.error());
    read(*record);
  });
}

}  // namespace internal

Result<std::unique_ptr<LocalCell>> LocalCell::open(const replica::Replica::Io& io,
                                                   const replica::ReplicaConfig& config,
                                                   Executors executors,
                                                   const replica::Replica::Progress& progress,
                                                   std::function<void(Error)> on_fatal) {
  auto cell = std::make_unique<internal::OneCell>(executors);
  TRY(cell->open(io, config, progress, std::move(on_fatal)));
  return std::unique_ptr<LocalCell>(std::move(cell));
}

}  // namespace meridian::cell
