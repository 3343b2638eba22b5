#include "cell/key_maker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "consensus/membership.h"
#include "door/subject_key.h"

namespace meridian::cell {

Error KeyMaker::not_leading() const {
  const replica::Leadership now = parts_.leadership();
  if (now.leader == 0 || now.is_ours)
    return {Code::unavailable, "the cell has no leader that may propose now: nothing was done"};
  return {Code::unavailable,
          fmt::format("replica {} leads the cell: nothing was done", now.leader)};
}

// --- when this replica leads ---

void KeyMaker::watch() {
  const replica::Leadership now = parts_.leadership();
  if (is_making() && !(now.is_ours && now.term == parts_.table.makes_in())) end();
  if (now.is_ours && !is_making() && beginning_in_ != now.term) begin(now.term);
  if (!now.is_ours && (!waiters_.empty() || !forgets_.empty() || !keeps_.empty())) end();
  look_for_due();
  look_for_age();
  pump();
}

/// Whatever earlier leaders had recorded is to be in the table before anything is made.
void KeyMaker::begin(std::uint64_t term) {
  beginning_in_ = term;
  parts_.catch_up([this, term, alive = lifetime_.token()](const Status& caught_up) {
    // Behind what was told of the records that are stored now.
    parts_.executor.post([this, term, alive, good = caught_up.has_value()] {
      if (!*alive || beginning_in_ != term) return;
      beginning_in_ = 0;
      const replica::Leadership now = parts_.leadership();
      if (!good || !now.is_ours || now.term != term || !fold_.is_complete()) return;
      parts_.table.make_in(term);
      go_on(0, {});
      pump();
    });
  });
}

void KeyMaker::end() {
  beginning_in_ = 0;
  parts_.table.make_in(0);
  parts_.table.hold(false);
  parts_.table.release_subjects();
  candidate_ = 0;
  proposed_rows_.clear();
  for (const Batch& batch : std::exchange(batches_, {}))
    if (batch.folded) batch.folded();  // it is in the log
  is_due_ = is_old_ = is_asked_for_ = false;
  looked_at_.reset();
  age_looked_at_.reset();
  if (waiters_.empty() && forgets_.empty() && keeps_.empty()) return;
  const Error why = not_leading();
  for (Waiter& waiter : std::exchange(waiters_, {})) waiter.go_on(why);
  for (Forget& forget : std::exchange(forgets_, {})) forget.done(why);
  for (Keep& keep : std::exchange(keeps_, {})) keep.done(why);
  // Whoever's turn is proposed is told by its answer.
}

void KeyMaker::go_on(std::uint64_t batch, const Status& how) {
  std::vector<GoOn> ready;
  std::erase_if(waiters_, [&](Waiter& waiter) {
    if (waiter.batch != batch) return false;
    ready.push_back(std::move(waiter.go_on));
    return true;
  });
  for (const GoOn& call : ready) call(how);
}

// --- rows ---

void KeyMaker::missing(const std::vector<storage::KeyRow>& rows, GoOn go_on) {
  const replica::Leadership now = parts_.leadership();
  if (!now.is_ours) return go_on(not_leading());
  if (!is_making() || rows.empty()) {
    waiters_.push_back({0, std::move(go_on)});
    return watch();
  }
  std::vector<storage::KeyRow> fresh;
  for (const storage::KeyRow& row : rows)
    if (proposed_rows_.emplace(row.subject, row.retention, row.version).second)
      fresh.push_back(row);
  for (std::span<const storage::KeyRow> rest(fresh); !rest.empty();) {
    const std::size_t count = std::min(rows_max, rest.size());
    propose(next_batch_++, rest.first(count));
    rest = rest.subspan(count);
  }
  // The rows that others asked for before are in earlier batches, which fold before the last.
  if (batches_.empty()) return go_on({});
  waiters_.push_back({batches_.back().number, std::move(go_on)});
}

void KeyMaker::propose(std::uint64_t number, std::span<const storage::KeyRow> rows) {
  auto request = std::make_unique<ledger::Request>();
  request->attester = ledger::Attester::replica;
  request->only_in_term = parts_.table.makes_in();
  Batch batch{number, {}};
  const u128 check = parts_.table.check();
  for (const storage::KeyRow& row : rows) {
    request->add(ledger::CommandKind::subject_key, door::command_of(row, check));
    batch.rows.emplace_back(row.subject, row.retention, row.version);
  }
  batches_.push_back(std::move(batch));
  parts_.submit(std::move(request),
                [this, number, alive = lifetime_.token()](const Result<replica::Answer>& answer) {
                  parts_.executor.post([this, number, alive, answer] {
                    if (*alive) proposed(number, answer);
                  });
                });
}

void KeyMaker::proposed(std::uint64_t number, const Result<replica::Answer>& answer) {
  const auto batch = std::ranges::find(batches_, number, &Batch::number);
  if (batch == batches_.end()) return;  // of a term that ended
  if (answer) {
    batch->end = raw(answer->first_record) + answer->results.size();
    return folded(0);
  }
  for (const RowId& row : batch->rows) proposed_rows_.erase(row);
  batches_.erase(batch);
  go_on(number, answer.error());
}

/// Batches are folded in their order.
void KeyMaker::folded(std::uint64_t end) {
  folded_ = std::max(folded_, end);
  while (!batches_.empty() && batches_.front().end && *batches_.front().end <= folded_) {
    const Batch done = std::move(batches_.front());
    batches_.pop_front();
    for (const RowId& row : done.rows) proposed_rows_.erase(row);
    if (done.folded) done.folded();
    go_on(done.number, {});
  }
  if (batches_.empty()) pump();
}

// --- what is kept and held ---

void KeyMaker::keep(u128 actor, door::KeepingDraft draft, Recorded done) {
  const replica::Leadership now = parts_.leadership();
  if (!now.is_ours) return done(not_leading());
  keeps_.push_back({actor, std::move(draft), std::move(done)});
  watch();
}

/// Not behind a turn that is proposed: that was made of the holds of before.
void KeyMaker::propose_kept() {
  if (!is_making() || (turn_ && !turn_->is_begun)) return;
  for (Keep& keep : std::exchange(keeps_, {})) propose_kept(std::move(keep));
}

void KeyMaker::propose_kept(Keep keep) {
  std::array<Byte, 16> fresh;
  parts_.entropy.fill(fresh);
  const u128 id = load_le<u128>(fresh.data());
  const auto commands = door::make_commands(parts_.table, keep.draft, id);
  if (!commands) return keep.done(commands.error());
  KeepAnswer answer{ledger::no_record, 0};
  if (std::holds_alternative<door::HoldDraft>(keep.draft)) answer.hold = id;
  if (const auto* release = std::get_if<door::ReleaseDraft>(&keep.draft))
    answer.hold = release->hold;
  if (commands->front().kind == ledger::CommandKind::turn_residency)
    answer.turn = ledger::load_command<ledger::TurnResidency>(commands->front().bytes.data()).turn;
  auto request = std::make_unique<ledger::Request>();
  request->actor = keep.actor;
  request->attester = ledger::Attester::door;
  request->only_in_term = parts_.table.makes_in();
  for (const door::KeepingCommand& command : *commands)
    request->add(command.kind, Bytes(command.bytes));
  const std::uint64_t number = next_batch_++;
  batches_.push_back({number, {}});
  parts_.submit(std::move(request), [this, number, answer, keep, alive = lifetime_.token()](
                                        const Result<replica::Answer>& recorded) {
    parts_.executor.post([this, number, answer, keep, alive, recorded] {
      if (*alive) kept(number, answer, recorded, keep);
    });
  });
}

/// Done once it is folded in here: whoever asks next sees it.
void KeyMaker::kept(std::uint64_t number, KeepAnswer answer,
                    const Result<replica::Answer>& recorded, const Keep& keep) {
  const Recorded& done = keep.done;
  const auto batch = std::ranges::find(batches_, number, &Batch::number);
  if (recorded) answer.record = recorded->first_record;
  if (batch == batches_.end())  // of a term that ended
    return recorded ? done(answer) : done(recorded.error());
  if (recorded)
    batch->folded = [this, answer, keep] {
      const Status effective = door::check_kept(parts_.table, keep.draft);
      if (!effective) return keep.done(effective.error());
      keep.done(answer);
    };
  else
    done(recorded.error());
  proposed(number, recorded);
}

// --- what is due ---

void KeyMaker::look_for_due() {
  if (!is_making() || is_due_ || (looked_at_ && !has_passed(*looked_at_, due_period))) return;
  if (due_turned_at_ && !has_passed(*due_turned_at_, due_turn_period)) return;
  if (!parts_.is_clock_confirmed()) return;  // years ahead, it would erase what must be kept
  looked_at_ = parts_.clock.monotonic();
  is_due_ = !parts_.table.due(1).is_empty();
}

void KeyMaker::add_due(ledger::Request& request) {
  if (!parts_.is_clock_confirmed()) {
    is_due_ = false;
    looked_at_.reset();
    return;
  }
  const std::uint32_t epoch = parts_.table.place().turns;
  const storage::DueKeys due = parts_.table.due(erasures_max);
  for (const storage::DueKeys::Expired& expired : due.classes) {
    const door::KeepingCommand command = door::expiry(expired, epoch);
    request.add(command.kind, Bytes(command.bytes));
  }
  bool is_all = due.subjects.size() < erasures_max;
  for (const u128 subject : due.subjects) {
    if (request.command_count() >= commands_max) {
      is_all = false;
      break;
    }
    for (const door::KeepingCommand& command : door::forget(parts_.table, subject, epoch).commands)
      request.add(command.kind, Bytes(command.bytes));
  }
  is_due_ = false;
  if (is_all)
    due_turned_at_ = parts_.clock.monotonic();
  else
    looked_at_.reset();
}

// --- turns ---

/// Not while one is on its way: that KEK is handed on for a while.
void KeyMaker::not_handed_on() {
  if (!is_making() || is_turning() || is_asked_for_) return;
  is_asked_for_ = true;
  pump();
}

void KeyMaker::look_for_age() {
  if (!is_making() || is_old_ || is_turning()) return;
  if (age_looked_at_ && !has_passed(*age_looked_at_, epoch_look_period)) return;
  age_looked_at_ = parts_.clock.monotonic();
  if (!parts_.is_clock_confirmed() || parts_.table.check() == 0 || parts_.table.rows() == 0) return;
  const std::int64_t age_ns = static_cast<std::int64_t>(parts_.clock.now().time) -
                              static_cast<std::int64_t>(parts_.table.epoch_made_ns());
  is_old_ = age_ns >= static_cast<std::int64_t>(epoch_period);
}

void KeyMaker::forget(u128 actor, u128 subject, Forgotten done) {
  const replica::Leadership now = parts_.leadership();
  if (!now.is_ours) return done(not_leading());
  if (subject != 0) parts_.table.refuse_subject(subject);
  forgets_.push_back({actor, subject, std::move(done)});
  watch();
}

/// To forget somebody, because something is due, or because no KEK was ever made.
bool KeyMaker::is_turn_wanted() const {
  if (!is_making() || is_turning()) return false;
  if (!forgets_.empty() || is_due_ || is_old_ || is_asked_for_) return true;
  return parts_.table.check() == 0 &&
         std::ranges::any_of(waiters_, [](const Waiter& waiter) { return waiter.batch == 0; });
}

void KeyMaker::pump() {
  propose_kept();
  if (!is_turn_wanted() && confirming_.empty()) return;
  if (std::exchange(is_asking_group_, true)) return;
  parts_.group([this, alive = lifetime_.token()](const replica::GroupState& group) {
    parts_.executor.post([this, alive, group] {
      if (!*alive) return;
      is_asking_group_ = false;
      pump(group);
    });
  });
}

void KeyMaker::pump(const replica::GroupState& group) {
  finish_turns(group);
  if (!is_turn_wanted()) return;
  if (candidate_ == 0) {
    const Result<u128> offered = parts_.table.offer();
    if (!offered) {
      if (offered.error().code != Code::resource_exhausted) parts_.fatal(offered.error());
      return;
    }
    candidate_ = *offered;
    offered_at_ = parts_.clock.monotonic();
    fold_.offer(candidate_);
    tell_();
  }
  if (!is_held(group)) {
    // In tokens, and nobody is told it any more: another one.
    if (!parts_.table.kek(candidate_)) candidate_ = 0;
    return;
  }
  // Rows on their way are under the KEK of now: the turn comes behind them.
  parts_.table.hold(true);
  if (batches_.empty()) propose_turn();
}

/// By all, or after some patience by a quorum of two regions: no loss that the cell survives loses
/// it.
bool KeyMaker::is_held(const replica::GroupState& group) const {
  const auto holds = [&](std::uint64_t id) {
    if (id == parts_.id) return true;
    const auto told = board_.find(id);
    return told != board_.end() && told->second.candidate == candidate_;
  };
  if (std::ranges::all_of(group.membership.ids(), holds)) return true;
  if (!has_passed(offered_at_)) return false;
  return consensus::global_index(
             group.membership, [&](std::uint64_t id) { return group.region_of(id); },
             [&](std::uint64_t id) { return std::uint64_t{holds(id)}; }) == 1;
}

void KeyMaker::propose_turn() {
  const storage::KeyPlace place = parts_.table.place();
  Turn turn{place.turns + 1, {}};
  auto request = std::make_unique<ledger::Request>();
  request->only_in_term = parts_.table.makes_in();
  request->attester = forgets_.empty() ? ledger::Attester::replica : ledger::Attester::door;
  request->actor = forgets_.empty() ? u128{0} : forgets_.front().actor;
  std::deque<Forget> later;
  if (forgets_.empty() && is_due_) add_due(*request);
  for (Forget& forget : std::exchange(forgets_, {})) {
    if (forget.actor != request->actor || turn.forgets.size() >= erasures_max ||
        request->command_count() >= commands_max) {
      later.push_back(std::move(forget));
      continue;
    }
    if (forget.subject == 0) {
      forget.answer.epoch = turn.number;
      turn.forgets.push_back(std::move(forget));
      continue;
    }
    door::Forgetting plan = door::forget(parts_.table, forget.subject, place.turns);
    forget.first = request->command_count();
    for (const door::KeepingCommand& command : plan.commands)
      request->add(command.kind, Bytes(command.bytes));
    forget.answer.subject = forget.subject;
    forget.answer.classes = door::classes_of(plan.erased);
    forget.answer.keys_destroyed = plan.keys_destroyed;
    forget.answer.epoch = plan.epoch;
    forget.answer.records = static_cast<std::uint32_t>(plan.commands.size());
    forget.answer.erased = std::move(plan.erased);
    forget.answer.kept = std::move(plan.kept);
    turn.forgets.push_back(std::move(forget));
  }
  forgets_ = std::move(later);
  is_old_ = is_asked_for_ = false;
  turn.at = request->command_count();
  for (Forget& forget : turn.forgets)
    if (forget.subject == 0) forget.first = turn.at;
  ledger::TurnEpoch command{};
  command.number = turn.number;
  command.check = candidate_;
  request->add(ledger::CommandKind::turn_epoch, command);
  turn_ = std::move(turn);
  parts_.submit(std::move(request), [this, number = turn_->number, alive = lifetime_.token()](
                                        const Result<replica::Answer>& answer) {
    parts_.executor.post([this, number, alive, answer] {
      if (*alive) turn_answered(number, answer);
    });
  });
}

/// Who is to be forgotten with the next turn.
void KeyMaker::refuse_waiting() {
  for (const Forget& waiting : forgets_)
    if (waiting.subject != 0) parts_.table.refuse_subject(waiting.subject);
}

void KeyMaker::turn_answered(std::uint32_t number, const Result<replica::Answer>& answer) {
  if (!turn_ || turn_->number != number) return;
  if (answer) {
    const std::uint64_t first = raw(answer->first_record);
    for (Forget& forget : turn_->forgets) {
      forget.answer.record = ledger::RecordIndex{first + forget.first};
      forget.answer.turn = ledger::RecordIndex{first + turn_->at};
    }
    turn_->is_answered = true;
    if (turn_->is_folded) settle_turn();
    return;
  }
  // Not in the log, or nobody knows: what it would have erased may be used again, unless it was.
  const Turn lost = std::move(*turn_);
  turn_.reset();
  parts_.table.hold(false);
  parts_.table.release_subjects();
  refuse_waiting();
  for (const Forget& forget : lost.forgets) forget.done(answer.error());
  // Below the feature level that has keys of persons: so it will be said again and again.
  const bool is_refused = answer.error().code == Code::failed_precondition;
  go_on(0, is_refused ? Status(answer.error()) : Status());
  pump();
}

void KeyMaker::begun() {
  candidate_ = 0;
  parts_.table.hold(false);
  refuse_waiting();
  if (turn_) turn_->is_begun = true;
  go_on(0, {});
  pump();
}

void KeyMaker::turned(std::uint32_t number) {
  if (turn_ && turn_->number == number) {
    turn_->is_folded = true;
    turn_->since = parts_.clock.monotonic();
    if (turn_->is_answered) settle_turn();
  }
  pump();
}

void KeyMaker::settle_turn() {
  confirming_.push_back(std::move(*turn_));
  turn_.reset();
  pump();
}

void KeyMaker::finish_turns(const replica::GroupState& group) {
  std::vector<Turn> over;
  std::erase_if(confirming_, [&](Turn& turn) {
    const bool is_everywhere = std::ranges::all_of(
        group.membership.ids(), [&](std::uint64_t id) { return has_turned(id, turn.number); });
    if (!is_everywhere && !has_passed(turn.since)) return false;
    over.push_back(std::move(turn));
    return true;
  });
  for (Turn& turn : over) finish(turn, group);
}

bool KeyMaker::has_turned(std::uint64_t id, std::uint32_t number) const {
  if (id == parts_.id) return true;
  const auto told = board_.find(id);
  return told != board_.end() && told->second.turns >= number;
}

void KeyMaker::finish(Turn& turn, const replica::GroupState& group) {
  for (Forget& forget : turn.forgets) {
    for (const std::uint64_t id : group.membership.ids())
      (has_turned(id, turn.number) ? forget.answer.destroyed_on : forget.answer.not_yet_on)
          .push_back(id);
    forget.done(std::move(forget.answer));
  }
}

}  // namespace meridian::cell
