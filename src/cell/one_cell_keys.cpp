// Keys of persons: what a cell does about them beside its requests, alone or in a group.
#include <fmt/format.h>

#include <utility>

#include "cell/internal/one_cell.h"

namespace meridian::cell::internal {
namespace {

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

}  // namespace

/// Before the replica, which tells it of records from the first on.
void OneCell::make_custodian(const replica::Replica::Io& io, const replica::ReplicaConfig& config,
                             std::function<void(Error)> on_fatal) {
  KeyParts parts{executors_.door,       executors_.reads, io.clock,    io.entropy,      *door_,
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

}  // namespace meridian::cell::internal
