// Forgetting and keeping, of a door.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/bits.h"
#include "door/internal/sealing_door.h"

namespace meridian::door::internal {
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

/// All that seal, and what keeps them.
std::vector<Kept> keys_of(const storage::SubjectKeyring& table, u128 subject,
                          const storage::SubjectState& state) {
  std::vector<storage::KeptKey> keys;
  for (const storage::KeyName& key : state.keys) {
    storage::KeptKey& one = keys.emplace_back(storage::KeptKey{key, {}, 0});
    if (const auto* retention = table.keeping().find(key.retention);
        retention != nullptr && !retention->keep.is_zero())
      one.until = storage::kept_until(key.version, *retention);
    if (const auto* hold = table.keeping().hold_on(subject, key.retention)) one.hold = hold->id;
  }
  return describe_kept(table, subject, keys);
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
        std::holds_alternative<ResidencyTurnDraft>(draft) ||
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
    status.keys = keys_of(table, status.subject, state);
    status.holds = std::move(state.holds);
    done(std::move(status));
  });
}

void SealingDoor::keys_left(u128 subject, std::vector<storage::KeyName> through,
                            std::function<void(KeysLeft)> done) {
  io_.executor.post([this, subject, through = std::move(through), done = std::move(done)] {
    const storage::SubjectKeyring& table = keys_.ring();
    const storage::SubjectState state = table.state(subject);
    KeysLeft left{keys_of(table, subject, state), {}};
    for (const storage::KeyName& one : through)
      left.clear.push_back(std::ranges::none_of(state.keys, [&](const storage::KeyName& key) {
        return key.retention == one.retention &&
               table.keeping().is_through(one.retention, key.version, one.version);
      }));
    done(std::move(left));
  });
}

void SealingDoor::keeping(std::function<void(KeepingList)> done) {
  io_.executor.post([this, done = std::move(done)] {
    const storage::SubjectKeyring& table = keys_.ring();
    KeepingList list{table.today(), {}, table.keeping().holds()};
    for (const auto& [number, jurisdiction] : table.keeping().residency().all()) {
      KeepingList::Place place{jurisdiction, jurisdiction.has_key(),
                               keys_.shared != nullptr && keys_.shared->residency(number).is_up};
      for (std::uint32_t turn = 0; turn < jurisdiction.keys.size(); ++turn) {
        if (!table.needs(jurisdiction, turn)) continue;
        place.is_held &= table.holds(jurisdiction, turn);
        if (turn != jurisdiction.turn()) ++place.older_keys;
      }
      list.places.push_back(std::move(place));
    }
    for (const auto& [number, retention] : table.keeping().classes())
      list.classes.push_back(retention);
    done(std::move(list));
  });
}

}  // namespace meridian::door::internal
