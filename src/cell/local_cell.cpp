#include "cell/local_cell.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "cell/event_reader.h"
#include "cell/key_custodian.h"
#include "cell/schema_book.h"
#include "cell/signature_keeper.h"
#include "cell/subject_export.h"

namespace meridian::cell {

namespace {

constexpr io::Duration refusals_period = io::seconds(60);
constexpr io::Duration due_period = io::seconds(3'600);
constexpr io::Duration epoch_look_period = io::seconds(600);

/// Records of keys of persons among `count` from `first` on.
Result<std::vector<replica::KeyRecord>> key_records(replica::Replica& replica, std::uint64_t first,
                                                    std::uint64_t count) {
  std::vector<replica::KeyRecord> found;
  std::optional<Error> wrong;
  Status scanned =
      replica.scan(ledger::RecordIndex{first}, count, [&](ledger::RecordIndex, Bytes bytes) {
        const Result<ledger::Header> header = ledger::Header::decode(bytes);
        if (!header) {
          wrong = header.error();
          return false;
        }
        if (const auto one = replica::key_record_of(*header)) found.push_back(*one);
        return true;
      });
  if (wrong) return *wrong;
  TRY(std::move(scanned));
  return found;
}

class OneCell final : public LocalCell {
 public:
  explicit OneCell(Executors executors) : executors_(executors) {}
  ~OneCell() override {
    *alive_ = false;
    if (custodian_ != nullptr) custodian_->stop();
    if (schemas_ != nullptr) schemas_->stop();
    if (signatures_ != nullptr) signatures_->stop();
    if (reader_ != nullptr) reader_->stop();
    executors_.reads.drain();
    door_.reset();  // answers what it still holds to the replica
    custodian_.reset();
    replica_.reset();
  }

  Status open(const replica::Replica::Io& io, const replica::ReplicaConfig& config,
              const replica::Replica::Progress& progress, std::function<void(Error)> on_fatal);

  void submit_packed(u128 actor, ledger::CommandKind kind, Bytes commands,
                     Answered answered) override {
    if (actor == 0) return answered(nobody());
    auto request = door_->prepare_packed(actor, kind, commands);
    if (!request) return answered(request.error());
    replica_->submit(std::move(*request), std::move(answered));
  }
  void submit(u128 actor, std::vector<door::CommandDraft> commands, Answered answered) override {
    if (actor == 0) return answered(nobody());
    if (hands_over()) {
      // Its schemas are those of before unless it reads what the leader set since.
      schemas_->refresh([this, actor, commands = std::move(commands),
                         answered = std::move(answered)](const Status& known) {
        if (!known) return answered(known.error());
        prepare_for_leader(actor, commands, answered);
      });
      return;
    }
    if (schemas_->is_current()) return prepare(actor, std::move(commands), std::move(answered));
    schemas_->when_current([this, actor, commands = std::move(commands),
                            answered = std::move(answered)](const Status& known) {
      if (!known) return answered(known.error());
      prepare(actor, commands, answered);
    });
  }
  void submit_signed(u128 actor, std::vector<door::CommandDraft> commands, std::string jws,
                     Answered answered) override {
    if (actor == 0) return answered(nobody());
    signatures_->submit(actor, std::move(commands), std::move(jws), std::move(answered));
  }
  void signature(ledger::RecordIndex record,
                 std::function<void(Result<KeptSignature>)> done) override {
    signatures_->find(record, std::move(done));
  }
  void forget(u128 actor, std::string subject,
              std::function<void(Result<ForgetAnswer>)> done) override {
    if (actor == 0) return done(nobody());
    if (custodian_ != nullptr) return forget_everywhere(actor, subject, std::move(done));
    door_->forget(actor, std::move(subject),
                  [this, done = std::move(done)](Result<door::Erased> erased) {
                    if (!erased) return done(erased.error());
                    record_erasure(std::move(*erased), done);
                  });
  }
  void subject_status(std::string subject,
                      std::function<void(Result<door::Door::SubjectStatus>)> done) override {
    door_->subject_status(std::move(subject), std::move(done));
  }
  void turn_epoch(u128 actor, std::function<void(Result<EpochAnswer>)> done) override;
  void ask_storage_turn(std::optional<std::uint64_t> which,
                        std::function<void(Result<std::vector<std::uint64_t>>)> done) override {
    ASSERT(custodian_ != nullptr);
    custodian_->ask_storage_turn(which, std::move(done));
  }
  void keep(u128 actor, door::KeepingDraft draft,
            std::function<void(Result<KeepAnswer>)> done) override;
  void keeping(std::function<void(door::KeepingList)> done) override {
    door_->keeping(std::move(done));
  }
  void export_subject(std::string subject, std::uint64_t position,
                      std::function<void(Result<ExportPage>)> done) override {
    exporter_->read(subject, position, std::move(done));
  }

  void lookup_accounts(std::vector<u128> ids,
                       std::function<void(std::vector<ledger::AccountState>)> done) override {
    replica_->read_state([ids = std::move(ids), done = std::move(done)](const ledger::Ledger& l) {
      std::vector<ledger::AccountState> found;
      for (const u128 id : ids)
        if (const auto account = l.find_account(id)) found.push_back(*account);
      done(std::move(found));
    });
  }
  void list_accounts(std::uint64_t first, std::size_t count,
                     std::function<void(std::vector<ledger::AccountState>)> done) override {
    replica_->read_state([first, count, done = std::move(done)](const ledger::Ledger& l) {
      done(l.list_accounts(first, count));
    });
  }
  void query_accounts(ledger::QueryFilter filter,
                      std::function<void(Result<std::vector<ledger::Account>>)> done) override {
    replica_->read_state([filter, done = std::move(done)](const ledger::Ledger& l) {
      std::vector<ledger::Account> accounts;
      for (const ledger::AccountState& row : ledger::query_accounts(l, filter).rows)
        accounts.push_back(row.account);
      done(std::move(accounts));
    });
  }
  void lookup_transfers(std::vector<u128> ids,
                        std::function<void(Result<std::vector<ledger::Transfer>>)> done) override;
  void account_transfers(ledger::AccountFilter filter,
                         std::function<void(Result<std::vector<ledger::Transfer>>)> done) override {
    read_account<ledger::Transfer>(filter, ledger::get_account_transfers, std::move(done));
  }
  void account_balances(
      ledger::AccountFilter filter,
      std::function<void(Result<std::vector<ledger::AccountBalance>>)> done) override {
    read_account<ledger::AccountBalance>(filter, ledger::get_account_balances, std::move(done));
  }
  void query_transfers(ledger::QueryFilter filter,
                       std::function<void(Result<std::vector<ledger::Transfer>>)> done) override;
  void outcome(ledger::CommandKind kind, u128 id,
               std::function<void(Result<std::optional<KnownOutcome>>)> done) override;
  void set_schema(u128 actor, u128 event_id, const std::string& type, const std::string& schema,
                  Answered answered) override;
  void schemas(std::function<void(Result<std::vector<SchemaOfType>>)> done) override {
    schemas_->refresh([this, done = std::move(done)](const Status& read) {
      if (!read) return done(read.error());
      done(schemas_->list());
    });
  }
  void read_events(ReadQuery query, std::function<void(Result<ReadPage>)> done) override {
    reader_->read(std::move(query), std::move(done));
  }

  replica::Replica& replica() override { return *replica_; }
  door::Door& door() override { return *door_; }

 private:
  /// Runs `task` on the reads executor once the first `count` records are readable.
  void when_stored(std::uint64_t count, std::function<void()> task) {
    replica_->when_visible(
        count, [this, task = std::move(task)](std::uint64_t) { executors_.reads.post(task); });
  }
  /// Pages of one account's history until the filter's limit or the end of the chain.
  template <typename Row, typename Query>
  void read_account(ledger::AccountFilter filter, Query query,
                    std::function<void(Result<std::vector<Row>>)> done) {
    replica_->read_state([this, filter, query, done = std::move(done)](const ledger::Ledger& l) {
      const auto account = l.find_account(filter.account_id);
      const std::uint64_t needed = account ? raw(account->last_record) + 1 : 0;
      when_stored(needed, [this, filter, query, account, done] {
        continue_pages<Row>(
            filter, {}, {},
            [this, query, account](const ledger::AccountFilter& f, auto from) {
              return query(replica_->records(), account, f, from);
            },
            done);
      });
    });
  }
  /// Asks page after page, letting other reads in between.
  template <typename Row, typename Filter, typename Ask>
  void continue_pages(Filter filter, std::optional<std::uint64_t> from, std::vector<Row> rows,
                      Ask ask, std::function<void(Result<std::vector<Row>>)> done) {
    Result<ledger::Page<Row>> page = ask(filter, from);
    if (!page) return done(page.error());
    rows.insert(rows.end(), page->rows.begin(), page->rows.end());
    filter.limit -=
        static_cast<std::uint32_t>(std::min<std::size_t>(filter.limit, page->rows.size()));
    if (!page->resume || filter.limit == 0) return done(std::move(rows));
    executors_.reads.post([this, filter, from = page->resume, rows = std::move(rows), ask,
                           done = std::move(done)]() mutable {
      continue_pages<Row>(filter, from, std::move(rows), ask, std::move(done));
    });
  }
  /// The caller was named while the door had no key for names (Door::ready).
  Error nobody() const {
    const Status now = door_->ready();
    return now ? fail(Code::unavailable,
                      "the caller could not be named yet; nothing was done, ask "
                      "again")
               : now.error();
  }
  void prepare(u128 actor, std::vector<door::CommandDraft> commands, Answered answered) {
    door_->prepare(
        actor, std::move(commands), false,
        [this, answered = std::move(answered)](Result<std::unique_ptr<ledger::Request>> request) {
          if (!request) return answered(request.error());
          replica_->submit(std::move(*request), answered);
        });
  }
  /// Another replica leads, and this one is in a jurisdiction that it may not be in.
  bool hands_over() const {
    const replica::Leadership now = replica_->leadership();
    return custodian_ != nullptr && !now.is_ours && now.leader != 0 && custodian_->relays();
  }
  void prepare_for_leader(u128 actor, std::vector<door::CommandDraft> commands,
                          const Answered& answered) {
    door_->prepare_for_leader(
        actor, std::move(commands),
        [this, answered](Result<std::unique_ptr<ledger::Request>> request) {
          custodian_->hand_over(std::move(*request), answered);
        },
        [this, answered](Result<std::unique_ptr<ledger::Request>> request) {
          if (!request) return answered(request.error());
          replica_->submit(std::move(*request), answered);
        });
  }
  void make_custodian(const replica::Replica::Io& io, const replica::ReplicaConfig& config,
                      std::function<void(Error)> on_fatal);
  void forget_everywhere(u128 actor, const std::string& subject,
                         std::function<void(Result<ForgetAnswer>)> done);
  void record_erasure(door::Erased erased, std::function<void(Result<ForgetAnswer>)> done);
  void record_owed_erasures();
  void erase_due();
  void turn_old_epoch(const std::function<void(const std::string&)>& notice);
  void record_refusals();

  Executors executors_;
  std::shared_ptr<std::atomic<bool>> alive_ = std::make_shared<std::atomic<bool>>(true);
  std::unique_ptr<replica::Replica> replica_;
  std::unique_ptr<door::Door> door_;
  std::unique_ptr<KeyCustodian> custodian_;  ///< Of a group.
  std::unique_ptr<EventReader> reader_;
  std::unique_ptr<SchemaBook> schemas_;
  std::unique_ptr<SignatureKeeper> signatures_;
  std::unique_ptr<SubjectExport> exporter_;
};

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

/// Before the replica, which tells it of records from the first on.
void OneCell::make_custodian(const replica::Replica::Io& io, const replica::ReplicaConfig& config,
                             std::function<void(Error)> on_fatal) {
  KeyParts parts{executors_.door,       executors_.reads, io.clock,    io.entropy,
                 *door_->shared_keys(), io.keys,          config.cell, config.group->id};
  parts.leadership = [this] { return replica_->leadership(); };
  parts.group = [this](auto ready) { replica_->group(std::move(ready)); };
  parts.catch_up = [this](std::function<void(Status)> ready) {
    replica_->catch_up([this, ready = std::move(ready)](const Status& caught_up) {
      if (!caught_up) return ready(caught_up);
      replica_->read_state([this, ready](const ledger::Ledger& ledger) {
        replica_->when_visible(ledger.records(), [ready](std::uint64_t) { ready({}); });
      });
    });
  };
  parts.submit = [this](std::unique_ptr<ledger::Request> request, Answered answered) {
    replica_->submit(std::move(request), std::move(answered));
  };
  parts.send = [this](std::uint64_t to, Buffer message) {
    replica_->send_to_keeper(to, std::move(message));
  };
  parts.exchange_keys = [this] { return replica_->exchange_keys(); };
  parts.is_clock_confirmed = [this] { return replica_->is_clock_confirmed(); };
  parts.stored_records = [this] { return replica_->visible_records(); };
  parts.scan = [this](std::uint64_t first, std::uint64_t count) {
    return key_records(*replica_, first, count);
  };
  parts.turn_storage = io.turn_storage;
  parts.notice = io.notice;
  parts.fatal = std::move(on_fatal);
  custodian_ =
      std::make_unique<KeyCustodian>(std::move(parts), [door = door_.get()] { door->drop_keys(); });
  door_->on_missing_keys(
      [this](const auto& missing, auto go_on) { custodian_->missing(missing, std::move(go_on)); });
}

void OneCell::forget_everywhere(u128 actor, const std::string& subject,
                                std::function<void(Result<ForgetAnswer>)> done) {
  if (Status named = door::check_name("subject", subject, 0); !named) return done(named.error());
  custodian_->forget(actor, door_->subject_id(subject), std::move(done));
}

void OneCell::record_erasure(door::Erased erased, std::function<void(Result<ForgetAnswer>)> done) {
  ForgetAnswer answer{erased.subject,
                      erased.keys_destroyed,
                      erased.epoch,
                      std::move(erased.classes),
                      ledger::no_record,
                      static_cast<std::uint32_t>(erased.commands.size()),
                      std::move(erased.erased),
                      std::move(erased.kept),
                      {},
                      {}};
  replica_->submit(std::move(erased.request),
                   [this, answer, actor = erased.actor, commands = std::move(erased.commands),
                    done = std::move(done)](Result<replica::Answer> recorded) mutable {
                     if (!recorded) return done(recorded.error());
                     answer.record = recorded->first_record;
                     door_->confirm_recorded(actor, std::move(commands));
                     done(std::move(answer));
                   });
}

void OneCell::keep(u128 actor, door::KeepingDraft draft,
                   std::function<void(Result<KeepAnswer>)> done) {
  if (actor == 0) return done(nobody());
  if (custodian_ != nullptr) return custodian_->keep(actor, std::move(draft), std::move(done));
  // What the table of a replica that is alone takes in is recorded after it: it must be possible.
  replica_->read_state([this, actor, draft = std::move(draft),
                        done = std::move(done)](const ledger::Ledger& l) mutable {
    const std::uint32_t needed = ledger::level_needed(ledger::CommandKind::set_retention);
    if (l.feature_level() < needed)
      return done(fail(Code::failed_precondition,
                       fmt::format("the cell is at feature level {}, and this needs level {}: "
                                   "nothing was done, activate it first (meridian upgrade)",
                                   l.feature_level(), needed)));
    door_->keep(actor, std::move(draft), [this, done = std::move(done)](Result<door::Erased> kept) {
      if (!kept) return done(kept.error());
      const u128 hold = kept->hold;
      record_erasure(std::move(*kept), [hold, done](Result<ForgetAnswer> recorded) {
        if (!recorded) return done(recorded.error());
        done(KeepAnswer{recorded->record, hold});
      });
    });
  });
}

/// Now, and every hour from then on.
void OneCell::erase_due() {
  door_->erase_due([this](Result<std::vector<door::Erased>> due) {
    if (!due) return;  // the disk: whoever writes next is told
    for (door::Erased& erased : *due)
      record_erasure(std::move(erased), [](const Result<ForgetAnswer>&) {});
  });
  executors_.reads.post_after(due_period, [this, alive = alive_] {
    if (*alive) erase_due();
  });
}

/// Alone, once a day: what a copy of the table of yesterday holds opens no more.
void OneCell::turn_old_epoch(const std::function<void(const std::string&)>& notice) {
  door_->turn_epoch(KeyMaker::epoch_period, [notice](const Result<door::Door::EpochTurn>& turned) {
    if (!turned)
      notice(fmt::format("the epoch cannot be turned: {}", turned.error().message));
    else if (turned->is_turned)
      notice(fmt::format("keys of persons: epoch {} is in use, {} keys were wrapped anew",
                         turned->epoch, turned->keys));
  });
  executors_.reads.post_after(epoch_look_period, [this, notice, alive = alive_] {
    if (*alive) turn_old_epoch(notice);
  });
}

void OneCell::turn_epoch(u128 actor, std::function<void(Result<EpochAnswer>)> done) {
  if (custodian_ == nullptr)
    return door_->turn_epoch({},
                             [done = std::move(done)](const Result<door::Door::EpochTurn>& turned) {
                               if (!turned) return done(turned.error());
                               done(EpochAnswer{turned->epoch, {}, {}});
                             });
  custodian_->turn(actor, [done = std::move(done)](Result<ForgetAnswer> turned) {
    if (!turned) return done(turned.error());
    done(
        EpochAnswer{turned->epoch, std::move(turned->destroyed_on), std::move(turned->not_yet_on)});
  });
}

/// An erasure whose record was lost in a crash gets it now.
void OneCell::record_owed_erasures() {
  door_->owed_erasures([this](Result<std::vector<door::Erased>> owed) {
    if (!owed) return;  // the list was read when the door opened; the next start asks again
    for (door::Erased& erased : *owed)
      record_erasure(std::move(erased), [](const Result<ForgetAnswer>&) {});
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

}  // namespace

Result<std::unique_ptr<LocalCell>> LocalCell::open(const replica::Replica::Io& io,
                                                   const replica::ReplicaConfig& config,
                                                   Executors executors,
                                                   const replica::Replica::Progress& progress,
                                                   std::function<void(Error)> on_fatal) {
  auto cell = std::make_unique<OneCell>(executors);
  TRY(cell->open(io, config, progress, std::move(on_fatal)));
  return std::unique_ptr<LocalCell>(std::move(cell));
}

}  // namespace meridian::cell
