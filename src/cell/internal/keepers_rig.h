// Doors and custodians of a cell's replicas over an ordered list of records, which stands for
// consensus: whoever is made leader orders, each replica is told of records in order, with delays.
// For tests only.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/assert.h"
#include "cell/key_custodian.h"
#include "cell/local_cell.h"
#include "door/door.h"
#include "sim/disk.h"
#include "sim/world.h"
#include "storage/cell_key.h"
#include "storage/token_key_store.h"

namespace meridian::cell {

inline constexpr u128 keepers_cell = make_u128(0xCE11, 2);

class Keepers {
 public:
  struct Member {
    std::uint64_t id = 0;
    std::unique_ptr<sim::Disk> disk;
    std::unique_ptr<storage::KeyStore> keys;
    std::unique_ptr<io::Executor> door_executor, reads;
    std::unique_ptr<door::Door> door;
    std::unique_ptr<KeyCustodian> custodian;
    std::uint64_t stored = 0;  ///< Of log_.
    int life = 0;              ///< How often it was started.
    bool is_up = false, is_cut_off = false;
    bool is_damaged = false;  ///< Its records cannot be read.
  };

  /// With a token, the key stores of all have their keys there.
  /// `pace`: of turns of the epoch.
  explicit Keepers(std::uint64_t seed, std::size_t founders = 3,
                   std::shared_ptr<token::Token> token = nullptr,
                   const storage::TurnPace& pace = {})
      : world(seed), random_(seed), token_(std::move(token)), pace_(pace) {
    for (std::size_t i = 0; i < founders; ++i) join();
  }
  ~Keepers() {
    for (auto& [id, one] : members) stop(id);
  }
  Keepers(const Keepers&) = delete;
  Keepers& operator=(const Keepers&) = delete;

  std::uint64_t join() {
    const std::uint64_t id = members.size() + 1;
    Member& one = members[id];
    one.id = id;
    one.disk = std::make_unique<sim::Disk>(sim::DiskOptions{.seed = id});
    if (token_ != nullptr)
      ASSERT(storage::create_token_key_store(key_io(one), token_).has_value());
    else
      ASSERT(storage::KeyStore::create(key_io(one), as_bytes("a passphrase"), {1, 1, 1}));
    group.membership.voters.push_back(id);
    group.set({id, "region-" + std::to_string(id), "host:1"});
    start(id);
    return id;
  }
  void start(std::uint64_t id);
  void stop(std::uint64_t id);
  void crash(std::uint64_t id, std::uint64_t seed) {
    stop(id);
    members[id].disk = members[id].disk->crash(seed);
  }
  /// Nobody leads if it is 0.
  void lead(std::uint64_t id) {
    leader_ = id;
    ++term_;
  }
  void run(io::Duration time) {
    for (std::int64_t left = static_cast<std::int64_t>(time); left > 0; left -= 10'000'000)
      world.advance(io::milliseconds(10));
  }

  using Made = Result<std::unique_ptr<ledger::Request>>;
  /// Seals an event at replica `at`; its request is ordered.
  std::optional<Result<ledger::RecordIndex>> append(std::uint64_t at, u128 id,
                                                    const std::string& subject,
                                                    io::Duration patience = io::seconds(10),
                                                    std::uint8_t retention = 0);
  /// Prepared at replica `at`, which does not lead, and handed on to who does.
  std::shared_ptr<std::optional<Result<ledger::RecordIndex>>> hand_over(std::uint64_t at,
                                                                        door::EventDraft draft);
  /// As LocalCell::submit_own at replica `at`.
  void submit_own(std::uint64_t at, door::EventDraft event,
                  const replica::Replica::Answered& answered);
  static door::EventDraft draft_of(u128 id, const std::string& subject, std::uint8_t retention);
  std::optional<Result<KeepAnswer>> keep(std::uint64_t at, door::KeepingDraft draft,
                                         io::Duration patience = io::seconds(10));
  std::optional<Result<ForgetAnswer>> forget(std::uint64_t at, const std::string& subject,
                                             io::Duration patience = io::seconds(10));
  std::optional<Result<ForgetAnswer>> turn(std::uint64_t at);
  /// Records of the stream of that name, and who wrote them.
  std::vector<std::pair<ledger::RecordIndex, u128>> stream(std::string_view name) const;
  /// What replica `at` makes of the event in `record`.
  Result<door::OpenedEvent> read(std::uint64_t at, ledger::RecordIndex record);

  sim::World world;
  std::map<std::uint64_t, Member> members;
  replica::GroupState group;
  int percent_lost = 0;
  bool is_clock_confirmed = true;
  std::uint32_t level = ledger::feature_level_newest;
  std::vector<std::string> notices;
  std::vector<std::string> fatal;
  std::vector<std::uint64_t> storage_turns;  ///< Replicas that were told to turn theirs.
  /// Called with each message that one sends to another, if it is set.
  std::function<void(std::uint64_t from, std::uint64_t to, const KeyMessage&)> sent;

 private:
  struct Record {
    ledger::CommandKind kind;
    std::array<Byte, ledger::command_size> command;
    Buffer payload;
    u128 actor = 0;
  };
  /// As the ledger knows an event that comes again.
  bool holds_event(u128 id) const {
    return std::ranges::any_of(log_, [&](const Record& one) {
      return one.kind == ledger::CommandKind::append_event &&
             ledger::load_command<ledger::AppendEvent>(one.command.data()).event_id == id;
    });
  }
  static storage::KeyStore::Io key_io_of(io::Disk& disk, sim::World& world) {
    return {disk, world.clock(), world.entropy()};
  }
  storage::KeyStore::Io key_io(Member& one) { return key_io_of(*one.disk, world); }
  KeyParts parts_of(std::uint64_t id);
  bool is_in(std::uint64_t id, int life) const {
    return members.at(id).is_up && members.at(id).life == life;
  }
  replica::Replica::Answered while_in_life(std::uint64_t id, replica::Replica::Answered answered);
  void order(std::uint64_t from, const ledger::Request& request,
             const replica::Replica::Answered& answered);
  void deliver(std::uint64_t to);
  io::Duration some_time() {
    return io::milliseconds(static_cast<std::int64_t>(random_.below(40)));
  }
  replica::Leadership leadership_of(std::uint64_t id) const {
    return {term_, id == leader_ && members.at(id).is_up, leader_};
  }

  sim::Random random_;
  std::unique_ptr<io::Executor> wire_ = world.make_executor("wire");
  std::vector<Record> log_;
  std::uint64_t leader_ = 0, term_ = 1;
  std::shared_ptr<token::Token> token_;
  storage::TurnPace pace_;
};

inline void Keepers::start(std::uint64_t id) {
  Member& one = members[id];
  auto opened = token_ != nullptr ? storage::open_token_key_store(key_io(one), token_)
                                  : storage::KeyStore::open(key_io(one), as_bytes("a passphrase"));
  ASSERT(opened.has_value());
  one.keys = std::move(*opened);
  if (!one.keys->newest(storage::exchange_key_name))
    ASSERT(one.keys->add(storage::exchange_key_name).has_value());
  if (!storage::holds_cell_key(*one.keys))
    ASSERT(storage::put_cell_key(*one.keys, Buffer(32, Byte{7})).has_value());
  one.door_executor = world.make_executor("door-" + std::to_string(id));
  one.reads = world.make_executor("reads-" + std::to_string(id));
  auto door =
      door::Door::open({*one.disk, world.clock(), world.entropy(), *one.keys, *one.door_executor},
                       keepers_cell, true, pace_);
  ASSERT(door.has_value());
  one.door = std::move(*door);
  one.custodian =
      std::make_unique<KeyCustodian>(parts_of(id), [door = one.door.get()] { door->drop_keys(); });
  one.door->on_missing_keys([custodian = one.custodian.get()](const auto& missing, auto go_on) {
    custodian->missing(missing, std::move(go_on));
  });
  one.is_up = true;
  ++one.life;
  one.custodian->start();
  deliver(id);
}

inline void Keepers::stop(std::uint64_t id) {
  Member& one = members[id];
  if (!one.is_up) return;
  one.is_up = false;
  one.custodian->stop();
  one.door.reset();
  one.custodian.reset();
  one.door_executor.reset();
  one.reads.reset();
  one.keys.reset();
}

inline KeyParts Keepers::parts_of(std::uint64_t id) {
  Member& one = members[id];
  KeyParts parts{*one.door_executor, *one.reads,   world.clock(),
                 world.entropy(),    *one.door,    *one.door->shared_keys(),
                 *one.keys,          keepers_cell, id};
  parts.leadership = [this, id] { return leadership_of(id); };
  parts.group = [this](const auto& ready) { ready(group); };
  parts.catch_up = [this, id](std::function<void(Status)> ready) {
    wire_->post_after(some_time(),
                      [this, id, life = members.at(id).life, ready = std::move(ready)] {
                        if (!is_in(id, life)) return;
                        deliver(id);
                        ready({});
                      });
  };
  parts.submit = [this, id](std::unique_ptr<ledger::Request> request,
                            const replica::Replica::Answered& answered) {
    auto shared = std::shared_ptr<ledger::Request>(std::move(request));
    wire_->post_after(some_time(), [this, id, shared, answered = while_in_life(id, answered)] {
      order(id, *shared, answered);
    });
  };
  parts.send = [this, id](std::uint64_t to, Buffer message) {
    if (sent) sent(id, to, *decode_key_message(message));
    if (members.at(id).is_cut_off || random_.chance(percent_lost / 100.0)) return;
    wire_->post_after(some_time(), [this, id, to, message = std::move(message)]() mutable {
      Member& reader = members.at(to);
      if (reader.is_up && !reader.is_cut_off) reader.custodian->receive(id, std::move(message));
    });
  };
  parts.exchange_keys = [this] {
    std::map<std::uint64_t, crypto::ExchangePublicKey> all;
    for (const auto& [other, member] : members)
      if (member.is_up)
        all[other] = crypto::ExchangeKey(member.keys->newest(storage::exchange_key_name)->secret)
                         .public_key();
    return all;
  };
  parts.is_clock_confirmed = [this] { return is_clock_confirmed; };
  parts.turn_storage = [this, id] { storage_turns.push_back(id); };
  parts.stored_records = [this, id] { return members.at(id).stored; };
  parts.scan = [this, id](std::uint64_t first, std::uint64_t count) {
    if (members.at(id).is_damaged)
      return Result<std::vector<replica::KeyRecord>>(Code::data_loss, "a frame does not open");
    std::vector<replica::KeyRecord> found;
    for (std::uint64_t i = first; i < first + count; ++i)
      if (replica::is_of_keys(log_[i].kind)) found.push_back({i, log_[i].kind, log_[i].command});
    return Result<std::vector<replica::KeyRecord>>(std::move(found));
  };
  parts.notice = [this](const std::string& line) { notices.push_back(line); };
  parts.fatal = [this](const Error& error) { fatal.push_back(error.message); };
  return parts;
}

/// Who was started anew does not wait for what the life before it asked.
inline replica::Replica::Answered Keepers::while_in_life(std::uint64_t id,
                                                         replica::Replica::Answered answered) {
  return [this, id, life = members.at(id).life,
          answered = std::move(answered)](Result<replica::Answer> answer) {
    if (is_in(id, life)) answered(std::move(answer));
  };
}

/// What consensus does, with the outcome of what a leader that fell had proposed left open.
inline void Keepers::order(std::uint64_t from, const ledger::Request& request,
                           const replica::Replica::Answered& answered) {
  const replica::Leadership now = leadership_of(from);
  if (!now.is_ours || (request.only_in_term != 0 && request.only_in_term != now.term)) {
    if (members.at(from).is_up)
      answered(fail(Code::unavailable, "another leads: nothing was done"));
    return;
  }
  for (const ledger::Run& run : request.runs)
    if (ledger::level_needed(run.kind) > level)
      return answered(fail(Code::failed_precondition, "the cell is at a feature level below"));
  replica::Answer answer{};
  answer.first_record = ledger::RecordIndex{log_.size()};
  std::size_t at = 0;
  for (const ledger::Run& run : request.runs)
    for (std::uint32_t i = 0; i < run.count; ++i, at += ledger::command_size) {
      Record record{run.kind, {}, {}, request.actor};
      std::copy_n(request.commands.begin() + static_cast<std::ptrdiff_t>(at), ledger::command_size,
                  record.command.begin());
      if (run.kind == ledger::CommandKind::append_event) {
        const auto event = ledger::load_command<ledger::AppendEvent>(record.command.data());
        if (holds_event(event.event_id)) {
          answer.results.push_back({outcome(ledger::EventOutcome::exists), 0, 0});
          continue;
        }
        record.payload =
            to_buffer(Bytes(request.payloads).subspan(event.payload_offset, event.payload_size));
      }
      log_.push_back(std::move(record));
      answer.results.push_back({ledger::Outcome::created, 0, 0});
    }
  for (const auto& [id, member] : members)
    wire_->post_after(some_time(), [this, to = id] {
      if (!members.at(to).is_cut_off) deliver(to);
    });
  wire_->post_after(some_time(), [this, from, term = now.term, answered, answer] {
    if (!members.at(from).is_up) return;
    if (leadership_of(from).is_ours && term_ == term) return answered(answer);
    answered(fail(Code::deadline_exceeded, "leadership moved: the outcome is unknown"));
  });
}

inline void Keepers::deliver(std::uint64_t to) {
  Member& one = members.at(to);
  if (!one.is_up) return;
  std::vector<replica::KeyRecord> told;
  for (std::uint64_t i = one.stored; i < log_.size(); ++i)
    if (replica::is_of_keys(log_[i].kind)) told.push_back({i, log_[i].kind, log_[i].command});
  if (!told.empty()) one.custodian->stored(std::move(told));
  one.stored = log_.size();
}

inline std::optional<Result<ledger::RecordIndex>> Keepers::append(std::uint64_t at, u128 id,
                                                                  const std::string& subject,
                                                                  io::Duration patience,
                                                                  std::uint8_t retention) {
  auto outcome = std::make_shared<std::optional<Result<ledger::RecordIndex>>>();
  const door::EventDraft draft = draft_of(id, subject, retention);
  members[at].door->prepare(5, {draft}, false, [this, at, outcome](Made made) {
    if (!made) {
      *outcome = made.error();
      return;
    }
    const std::shared_ptr<ledger::Request> request = std::move(*made);
    wire_->post_after(some_time(), [this, at, outcome, request] {
      order(at, *request, [outcome](const Result<replica::Answer>& answer) {
        if (answer)
          *outcome = answer->first_record;
        else
          *outcome = answer.error();
      });
    });
  });
  for (std::int64_t left = static_cast<std::int64_t>(patience); left > 0 && !*outcome;
       left -= 10'000'000)
    world.advance(io::milliseconds(10));
  return *outcome;
}

inline door::EventDraft Keepers::draft_of(u128 id, const std::string& subject,
                                          std::uint8_t retention) {
  door::EventDraft draft;
  draft.event_id = id;
  draft.stream = "patient-17";
  draft.type = "visited";
  draft.data = to_buffer(as_bytes("{\"note\":\"well\"}"));
  draft.metadata = to_buffer(as_bytes("{}"));
  draft.subject = subject;
  draft.retention = retention;
  return draft;
}

inline std::shared_ptr<std::optional<Result<ledger::RecordIndex>>> Keepers::hand_over(
    std::uint64_t at, door::EventDraft draft) {
  auto outcome = std::make_shared<std::optional<Result<ledger::RecordIndex>>>();
  Member& one = members[at];
  one.door->prepare_for_leader(
      5, {std::move(draft)},
      [custodian = one.custodian.get(), outcome](Made made) {
        custodian->hand_over(std::move(*made), [outcome](const Result<replica::Answer>& answer) {
          if (answer)
            *outcome = answer->first_record;
          else
            *outcome = answer.error();
        });
      },
      [outcome](const Made& made) {
        *outcome = made ? Error{Code::internal, "it is not handed over"} : made.error();
      });
  return outcome;
}

inline void Keepers::submit_own(std::uint64_t at, door::EventDraft event,
                                const replica::Replica::Answered& answered) {
  door::Door& own = *members.at(at).door;
  std::vector<door::CommandDraft> drafts;
  drafts.emplace_back(std::move(event));
  own.prepare(own.actor_id(own_actor), std::move(drafts), false, [this, at, answered](Made made) {
    if (!made) return answered(made.error());
    if (!leadership_of(at).is_ours)
      return members.at(at).custodian->hand_over(std::move(*made), answered);
    const std::shared_ptr<ledger::Request> request = std::move(*made);
    wire_->post_after(some_time(), [this, at, request, answered = while_in_life(at, answered)] {
      order(at, *request, answered);
    });
  });
}

inline std::vector<std::pair<ledger::RecordIndex, u128>> Keepers::stream(
    std::string_view name) const {
  const u128 id = members.begin()->second.door->stream_id(name);
  std::vector<std::pair<ledger::RecordIndex, u128>> found;
  for (std::uint64_t i = 0; i < log_.size(); ++i)
    if (log_[i].kind == ledger::CommandKind::append_event &&
        ledger::load_command<ledger::AppendEvent>(log_[i].command.data()).stream == id)
      found.emplace_back(ledger::RecordIndex{i}, log_[i].actor);
  return found;
}

inline std::optional<Result<KeepAnswer>> Keepers::keep(std::uint64_t at, door::KeepingDraft draft,
                                                       io::Duration patience) {
  auto outcome = std::make_shared<std::optional<Result<KeepAnswer>>>();
  members[at].custodian->keep(5, std::move(draft),
                              [outcome](Result<KeepAnswer> done) { *outcome = std::move(done); });
  for (std::int64_t left = static_cast<std::int64_t>(patience); left > 0 && !*outcome;
       left -= 10'000'000)
    world.advance(io::milliseconds(10));
  return *outcome;
}

inline std::optional<Result<ForgetAnswer>> Keepers::forget(std::uint64_t at,
                                                           const std::string& subject,
                                                           io::Duration patience) {
  auto outcome = std::make_shared<std::optional<Result<ForgetAnswer>>>();
  Member& one = members[at];
  one.custodian->forget(5, one.door->subject_id(subject),
                        [outcome](Result<ForgetAnswer> done) { *outcome = std::move(done); });
  for (std::int64_t left = static_cast<std::int64_t>(patience); left > 0 && !*outcome;
       left -= 10'000'000)
    world.advance(io::milliseconds(10));
  return *outcome;
}

inline std::optional<Result<ForgetAnswer>> Keepers::turn(std::uint64_t at) {
  auto outcome = std::make_shared<std::optional<Result<ForgetAnswer>>>();
  members[at].custodian->turn(5,
                              [outcome](Result<ForgetAnswer> done) { *outcome = std::move(done); });
  for (int i = 0; i < 1'000 && !*outcome; ++i) world.advance(io::milliseconds(10));
  return *outcome;
}

inline Result<door::OpenedEvent> Keepers::read(std::uint64_t at, ledger::RecordIndex record) {
  const Record& stored = log_[raw(record)];
  const auto command = ledger::load_command<ledger::AppendEvent>(stored.command.data());
  door::Door::SealedEvent event;
  event.header.kind = ledger::CommandKind::append_event;
  event.header.cell = keepers_cell;
  event.header.record_index = record;
  ledger::EventBody body;
  body.event_id = command.event_id;
  body.stream = command.stream;
  event.header.body = body;
  event.header.payload_commitment = command.commitment;
  event.payload = stored.payload;
  std::optional<Result<door::OpenedEvent>> opened;
  members[at].door->open_events({event}, [&](std::vector<Result<door::OpenedEvent>> got) {
    opened = std::move(got.front());
  });
  world.run_until_idle();
  ASSERT(opened.has_value());
  return std::move(*opened);
}

}  // namespace meridian::cell
