// The cell behind LocalCell: a door and a replica, and what goes on between them.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "cell/event_reader.h"
#include "cell/key_custodian.h"
#include "cell/local_cell.h"
#include "cell/schema_book.h"
#include "cell/signature_keeper.h"
#include "cell/subject_erasures.h"
#include "cell/subject_export.h"

namespace meridian::cell::internal {

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
  void submit_own(door::EventDraft event, Answered answered) override;
  void submit_signed(u128 actor, std::vector<door::CommandDraft> commands, std::string jws,
                     Answered answered) override {
    if (actor == 0) return answered(nobody());
    const bool has_events = std::ranges::any_of(commands, [](const door::CommandDraft& command) {
      return std::holds_alternative<door::EventDraft>(command);
    });
    if (!has_events || schemas_->is_current())
      return signatures_->submit(actor, std::move(commands), jws, std::move(answered));
    schemas_->when_current([this, actor, commands = std::move(commands), jws = std::move(jws),
                            answered = std::move(answered)](const Status& known) {
      if (!known) return answered(known.error());
      signatures_->submit(actor, commands, jws, answered);
    });
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
  void find_erasures(ErasuresQuery query, std::function<void(Result<ErasuresPage>)> done) override {
    erasures_->read(query, std::move(done));
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
  std::unique_ptr<SubjectErasures> erasures_;
};

}  // namespace meridian::cell::internal
