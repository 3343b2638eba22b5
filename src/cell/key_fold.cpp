#include "cell/key_fold.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "door/keeping_commands.h"
#include "door/subject_key.h"

namespace meridian::cell {

namespace {

std::string name_of(u128 check) { return fmt::format("{:08x}", high64(check) >> 32); }

}  // namespace

KeyFold::KeyFold(const KeyParts& parts, const KeyBoard& board, KeyHandover& handover, Next next)
    : parts_(parts), board_(board), handover_(handover), next_(std::move(next)) {}

// --- what is stored already ---

void KeyFold::start() {
  scan_from_ = parts_.table.place().records;
  scan_end_ = parts_.stored_records();
  scan_next();
}

void KeyFold::scan_next() {
  if (is_scanned_ || is_scanning_ || missing_ != 0) return;
  scan_from_ = std::max(scan_from_, parts_.table.place().records);
  if (scan_from_ >= scan_end_) {
    is_scanned_ = true;
    std::erase_if(live_, [this](const auto& one) { return one.record < scan_end_; });
    waiting_.insert(waiting_.end(), live_.begin(), live_.end());
    live_ = {};
    fold();
    return;
  }
  is_scanning_ = true;
  const std::uint64_t end = std::min(scan_end_, scan_from_ + scan_step);
  parts_.reads.post([this, alive = lifetime_.token(), from = scan_from_, end] {
    if (!*alive) return;
    auto found =
        std::make_shared<Result<std::vector<replica::KeyRecord>>>(parts_.scan(from, end - from));
    parts_.executor.post([this, alive, end, found] {
      if (*alive) scanned(end, std::move(*found));
    });
  });
}

void KeyFold::scanned(std::uint64_t end, Result<std::vector<replica::KeyRecord>> found) {
  is_scanning_ = false;
  if (!found && found.error().code == Code::data_loss) {
    // It was seen, and is repaired from another replica (replica/scrub.h): tick() tries again.
    if (!std::exchange(is_damage_told_, true))
      parts_.notice(
          fmt::format("records of keys of persons cannot be read yet: {}; until they are repaired, "
                      "some persons' payloads cannot be opened here",
                      found.error().message));
    return;
  }
  if (!found)
    return parts_.fatal(with_context(found.error(), "records of keys of persons cannot be read"));
  is_damage_told_ = false;
  waiting_.insert(waiting_.end(), found->begin(), found->end());
  scan_from_ = end;
  fold();
  if (missing_ == 0) note_place();
  scan_next();
}

void KeyFold::stored(std::vector<replica::KeyRecord> records) {
  if (!is_scanned_) {
    live_.insert(live_.end(), records.begin(), records.end());
    return;
  }
  waiting_.insert(waiting_.end(), records.begin(), records.end());
  fold();
}

// --- folding ---

void KeyFold::fold() {
  while (!waiting_.empty()) {
    const replica::KeyRecord& next = waiting_.front();
    if (next.record >= parts_.table.place().records && !fold_one(next)) break;
    const std::uint64_t end = next.record + 1;
    waiting_.pop_front();
    folded_end_ = end;
    next_.folded(end);
  }
  show_complete();
}

std::uint64_t KeyFold::end() const { return std::max(folded_end_, parts_.table.place().records); }

/// False if it has to wait.
bool KeyFold::fold_one(const replica::KeyRecord& record) {
  ASSERT(replica::is_of_keys(record.kind));
  if (record.kind == ledger::CommandKind::turn_epoch) return turn(record);
  if (record.kind == ledger::CommandKind::subject_key) {
    add(record);
  } else if (const auto change = door::change_of(record.kind, record.command.data())) {
    parts_.table.change(*change);
    next_.erased();
  }
  return true;
}

void KeyFold::add(const replica::KeyRecord& record) {
  const Status added = door::fold(
      parts_.table, ledger::load_command<ledger::SubjectKey>(record.command.data()), record.record);
  if (added) return;
  const std::string where = fmt::format("record {}", record.record);
  if (added.error().code != Code::data_loss)
    return parts_.fatal(with_context(added.error(), where));
  parts_.notice(
      fmt::format("{}: no key of a person is taken from it: {}", where, added.error().message));
}

/// One at a time.
bool KeyFold::turn(const replica::KeyRecord& record) {
  if (parts_.table.is_turning()) return false;
  const auto command = ledger::load_command<ledger::TurnEpoch>(record.command.data());
  const Result<bool> turned = parts_.table.turn(command.number, command.check, record.record);
  if (!turned) not_turned(turned.error());
  if (!turned && !parts_.table.is_turning()) return false;
  if (turned && !*turned) {
    const bool is_new = std::exchange(missing_, command.check) != command.check;
    missing_number_ = command.number;
    if (is_new) ask_missing();
    return false;
  }
  missing_ = 0;
  candidate_ = 0;
  next_.erased();
  next_.begun();
  if (!parts_.table.is_turning())
    this->turned();
  else if (turned)
    turn_on();
  return true;
}

/// tick() goes on with what a full disk keeps from being made.
void KeyFold::not_turned(const Error& error) {
  if (error.code != Code::resource_exhausted)
    parts_.fatal(with_context(error, "keys of forgotten persons cannot be destroyed"));
  else if (!std::exchange(is_full_told_, true))
    parts_.notice("keys of forgotten persons are not destroyed here yet, as the disk is full: " +
                  error.message);
}

void KeyFold::turn_on() {
  if (std::exchange(is_turning_on_, true)) return;
  parts_.executor.post([this, alive = lifetime_.token()] {
    if (!*alive) return;
    is_turning_on_ = false;
    turn_step();
  });
}

void KeyFold::turn_step() {
  if (!parts_.table.is_turning()) return;
  const Result<bool> made = parts_.table.turn_on(end());
  if (!made) return not_turned(made.error());
  if (!*made) return turn_on();
  turned();
  fold();
}

void KeyFold::turned() {
  is_full_told_ = false;
  next_.turned(parts_.table.place().turns);
  next_.changed();
}

/// Until then a key that is not in the table may still come.
void KeyFold::show_complete() { parts_.table.set_complete(is_complete()); }

/// On disk, so that the next start scans from here.
void KeyFold::note_place() {
  if (missing_ != 0 || !waiting_.empty()) return;
  const std::uint64_t place = is_scanned_ ? parts_.stored_records() : scan_from_;
  const auto note = [this, place] {
    if (missing_ != 0 || !waiting_.empty() || place <= parts_.table.place().records) return;
    const Status noted = parts_.table.folded(place);
    if (!noted && noted.error().code != Code::resource_exhausted)
      parts_.fatal(with_context(noted.error(), "keys of persons cannot be kept"));
  };
  if (!is_scanned_) return note();
  // Behind the records below `place`, which were told before they counted as stored.
  parts_.executor.post([note, alive = lifetime_.token()] {
    if (*alive) note();
  });
}

void KeyFold::close() {
  if (missing_ != 0 || !waiting_.empty() || !is_scanned_) return;
  static_cast<void>(parts_.table.folded(std::max(folded_end_, parts_.table.place().records)));
}

void KeyFold::tick() {
  if (parts_.table.is_turning()) turn_on();  // the disk was full
  if (missing_ != 0) ask_missing();
  scan_next();
  note_place();
  parts_.table.drop_handed_on();
  std::erase_if(lent_,
                [this](const auto& one) { return has_passed(one.second.at, io::seconds(30)); });
  // A candidate of the leader's: held before the turn, no turn has to wait for it.
  const replica::Leadership now = parts_.leadership();
  const auto leader = board_.find(now.leader);
  if (!now.is_ours && leader != board_.end()) receive(leader->first, leader->second);
}

// --- what others have and we lack ---

KeyNews KeyFold::news() const {
  const std::uint32_t turns = parts_.table.place().turns;
  return {turns, turns == 0 ? u128{0} : parts_.table.check(), candidate_, is_complete()};
}

void KeyFold::receive(std::uint64_t from, const KeyNews& news) {
  if (missing_ != 0) ask_missing();
  const replica::Leadership now = parts_.leadership();
  if (now.is_ours || from != now.leader || news.candidate == 0 || news.candidate == candidate_)
    return;
  // Who waits for another KEK is as good a keeper of the next one.
  if (missing_ == 0 && news.turns != parts_.table.place().turns) return;
  if (parts_.table.holds_kek(news.candidate)) {
    candidate_ = news.candidate;
    next_.changed();
  } else {
    handover_.ask({from}, news.candidate);
  }
}

/// From whoever has it; if nobody does, the epoch is over everywhere and its table is gone.
void KeyFold::ask_missing() {
  if (copying_) {
    if (has_passed(copying_->asked_at, patience))
      copying_.reset();
    else
      return;
  }
  std::vector<std::uint64_t> peers;
  for (const auto& [peer, news] : board_)
    if (news.check == missing_ || news.candidate == missing_) peers.push_back(peer);
  if (peers.empty())
    begin_copy();
  else
    handover_.ask(peers, missing_);
}

void KeyFold::taken(std::uint64_t from, u128 check, const crypto::Secret& kek) {
  if (const Status taken = parts_.table.take(kek); !taken) {
    // Not durable, so not here: asked for again, unless the key store is beyond use.
    if (taken.error().code != Code::resource_exhausted)
      parts_.fatal(with_context(taken.error(), "the key of an epoch cannot be kept"));
    return;
  }
  if (copying_ && copying_->copy.check == check) return ask_part();
  if (missing_ == check) {
    fold();
    scan_next();
    return;
  }
  if (const auto told = board_.find(from); told != board_.end()) receive(from, told->second);
}

// --- a copy of the table ---

void KeyFold::begin_copy() {
  const KeyNews* best = nullptr;
  std::uint64_t from = 0;
  for (const auto& [peer, news] : board_)
    // The leader, if it is one of them: it makes a turn if nobody hands the KEK on.
    if (news.is_complete && news.turns > missing_number_ &&
        (best == nullptr || news.turns > best->turns ||
         (news.turns == best->turns && peer == parts_.leadership().leader))) {
      best = &news;
      from = peer;
    }
  if (best == nullptr) return;
  copying_ = Copying{from, {best->check, {}, {}}, 0, parts_.clock.monotonic()};
  if (parts_.table.holds_kek(best->check))
    ask_part();
  else
    handover_.ask({from}, best->check);
}

void KeyFold::ask_part() {
  copying_->asked_at = parts_.clock.monotonic();
  send(copying_->from, TableQuestion{copying_->copy.check,
                                     static_cast<std::uint32_t>(copying_->copy.parts.size())});
}

void KeyFold::receive(std::uint64_t from, const TableQuestion& question) {
  if (question.part == 0) {
    if (question.check == 0 || question.check != parts_.table.check() || !is_complete() ||
        parts_.table.is_turning())
      return;
    lent_[from] = {parts_.table.copy(), parts_.clock.monotonic()};
  }
  const auto lent = lent_.find(from);
  if (lent == lent_.end() || lent->second.copy.check != question.check) return;
  const storage::CellKeyTable::Copy& copy = lent->second.copy;
  const auto parts = static_cast<std::uint32_t>(copy.parts.size());
  if (question.part >= parts && parts != 0) return;
  TablePart part{copy.check, copy.place, question.part, parts, {}};
  if (parts != 0) part.rows = copy.parts[question.part];
  lent->second.at = parts_.clock.monotonic();
  if (question.part + 1 >= parts) lent_.erase(lent);
  send(from, part);
}

void KeyFold::receive(std::uint64_t from, TablePart part) {
  if (!copying_ || copying_->from != from || copying_->copy.check != part.check) return;
  storage::CellKeyTable::Copy& copy = copying_->copy;
  if (part.part == 0) {
    if (!copy.parts.empty()) return;
    copy.place = part.place;
    copying_->parts = part.parts;
  }
  if (part.part != copy.parts.size() || part.parts != copying_->parts || part.place != copy.place)
    return;
  if (part.parts != 0) copy.parts.push_back(std::move(part.rows));
  if (copy.parts.size() < copying_->parts) return ask_part();
  finish_copy();
}

void KeyFold::finish_copy() {
  const Copying copying = std::move(*copying_);
  copying_.reset();
  const Status installed = parts_.table.install(copying.copy);
  if (!installed) {
    if (installed.error().code == Code::resource_exhausted) return;
    return parts_.fatal(with_context(installed.error(),
                                     fmt::format("the keys of persons that replica {} has cannot "
                                                 "be taken over",
                                                 copying.from)));
  }
  parts_.notice(
      fmt::format("keys of persons: took over the table of replica {} as of record {}, "
                  "epoch key {}",
                  copying.from, copying.copy.place.records, name_of(copying.copy.check)));
  missing_ = 0;
  candidate_ = 0;
  next_.erased();
  next_.begun();
  next_.turned(parts_.table.place().turns);
  fold();
  scan_next();
  next_.changed();
}

}  // namespace meridian::cell
