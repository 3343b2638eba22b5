// The door of a node that holds its own keys. Drafts become commands on the door's executor.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/assert.h"
#include "door/door.h"
#include "door/owed_erasures.h"
#include "door/payload_sealer.h"
#include "door/personal_data.h"
#include "storage/cell_key.h"
#include "storage/key_table.h"

namespace meridian::door {

namespace {

constexpr std::string_view json_type = "application/json";
constexpr std::string_view bytes_type = "application/octet-stream";
constexpr std::size_t name_size_max = 1'024;

/// Why the door refused; the numbers stand in door_refusals records.
enum class Refusal : std::uint32_t {
  malformed = 1,
  personal_data = 2,
  too_large = 3,
  forgotten = 4
};

template <typename Command>
Bytes bytes_of(const Command& command) {
  return {reinterpret_cast<const Byte*>(&command), sizeof command};
}

Error personal(std::string_view field, std::size_t position, PersonalData kind) {
  return fail(Code::invalid_argument,
              fmt::format("{} of command {} looks like {}: personal data must be in a sealed "
                          "payload, never in a record's header",
                          field, position, name(kind)));
}

template <typename Command>
Status check_user_data(const Command& command, std::size_t position) {
  if (const PersonalData kind = classify(command.user_data_64); kind != PersonalData::none)
    return personal("user_data_64", position, kind);
  if (const PersonalData kind = classify(command.user_data_128); kind != PersonalData::none)
    return personal("user_data_128", position, kind);
  return {};
}

Error no_subjects(std::string_view what) {
  return fail(Code::failed_precondition,
              fmt::format("{}: a cell of several replicas keeps no payload about a person yet, as "
                          "its keys would be on one replica alone: leave the subject out, or use a "
                          "cell of one replica; nothing was done",
                          what));
}

Status check_name(std::string_view what, std::string_view name, std::size_t position) {
  if (name.empty() || name.size() > name_size_max)
    return fail(Code::invalid_argument,
                fmt::format("{} of command {} has {} bytes; it needs 1 to {}", what, position,
                            name.size(), name_size_max));
  return {};
}

std::uint64_t size_of(const std::vector<CommandDraft>& commands) {
  std::uint64_t bytes = 0;
  for (const CommandDraft& command : commands) {
    bytes += ledger::command_size;
    if (const auto* event = std::get_if<EventDraft>(&command)) {
      bytes += event->data.size() + event->metadata.size() + event->stream.size();
      for (const CompartmentDraft& more : event->more) bytes += more.content.size();
    }
  }
  return bytes;
}

/// What the payloads will take: room for most requests, so that sealing does not move them.
std::size_t sealed_size_likely(const std::vector<CommandDraft>& commands) {
  constexpr std::size_t overhead = 256;  // envelope, compartment, salt, tag
  std::size_t events = 0;
  for (const CommandDraft& command : commands)
    if (std::holds_alternative<EventDraft>(command)) ++events;
  return events == 0 ? 0 : size_of(commands) + events * overhead;
}

class SealingDoor final : public Door {
 public:
  SealingDoor(const Io& io, u128 cell, bool has_replicas, std::unique_ptr<storage::KeyTable> table,
              OwedErasures owed)
      : io_(io),
        cell_(cell),
        has_replicas_(has_replicas),
        table_(std::move(table)),
        owed_(std::move(owed)) {}
  ~SealingDoor() override { io_.executor.drain(); }

  /// Takes its keys from the key store. Before anything is asked, or on the executor.
  Status take_keys();
  Status ready() const override;
  void take_cell_key(crypto::Secret key, std::function<void(Error)> failed) override;
  Result<std::unique_ptr<ledger::Request>> prepare_packed(u128 actor, ledger::CommandKind kind,
                                                          Bytes commands) override;
  void prepare(u128 actor, std::vector<CommandDraft> commands, bool atomic,
               Prepared prepared) override;
  void open_events(std::vector<SealedEvent> events, Opened opened) override;
  void forget(u128 actor, std::string subject, std::function<void(Result<Erased>)> done) override;
  void owed_erasures(std::function<void(Result<std::vector<Erased>>)> done) override;
  void confirm_recorded(u128 subject) override;
  std::unique_ptr<ledger::Request> take_refusals() override;
  void subject_status(std::string subject,
                      std::function<void(Result<SubjectStatus>)> done) override;

  u128 stream_id(std::string_view name) const override { return id("stream", name); }
  u128 category_id(std::string_view name) const override { return id("category", name); }
  u128 type_id(std::string_view name) const override { return id("type", name); }
  u128 actor_id(std::string_view name) const override { return id("actor", name); }

 private:
  u128 id(std::string_view label, std::string_view name) const {
    return is_ready_ ? ledger::opaque_id(*index_key_, label, name) : 0;
  }
  u128 subject_id(std::string_view name) const { return name.empty() ? 0 : id("subject", name); }

  Result<std::unique_ptr<ledger::Request>> make_request(u128 actor,
                                                        const std::vector<CommandDraft>& commands,
                                                        bool atomic);
  Status add_event(ledger::Request& request, const EventDraft& draft, bool linked,
                   std::size_t position);
  Status check_subjects(const EventDraft& draft, std::size_t position) const;
  Status add_deletion(ledger::Request& request, const DeletionDraft& draft, bool linked,
                      std::size_t position);
  Result<Erased> erase(u128 actor, u128 subject);
  void count_refusal(u128 actor, const Error& error);

  Io io_;
  u128 cell_;
  const bool has_replicas_;
  std::optional<crypto::HmacKey> index_key_;  ///< Set before is_ready_, and never again.
  std::atomic<bool> is_ready_{false};
  std::atomic<std::uint64_t> queued_bytes_{0};

  // door executor
  std::unique_ptr<storage::KeyTable> table_;
  std::optional<PayloadSealer> sealer_;  ///< From is_ready_ on.
  OwedErasures owed_;

  struct RefusalKey {
    u128 actor;
    Refusal reason;
    std::uint64_t minute;
    auto operator<=>(const RefusalKey&) const = default;
  };
  static constexpr std::size_t refusal_keys_max = 1'024;  ///< Past it, actors are counted together.
  std::mutex refusals_mutex_;
  std::map<RefusalKey, std::uint64_t> refusals_;
};

Status SealingDoor::take_keys() {
  index_key_.emplace(TRY(io_.keys.newest("index")).secret);
  sealer_.emplace(TRY(PayloadSealer::create(cell_, io_.entropy, io_.keys, *table_)));
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
  const auto check = [&]() -> Status {
    if (commands.empty() || commands.size() % ledger::command_size != 0)
      return fail(
          Code::invalid_argument,
          fmt::format("{} bytes are not one or more commands of 128 bytes", commands.size()));
    if (commands.size() > ledger::entry_commands_max * ledger::command_size)
      return fail(Code::invalid_argument,
                  fmt::format("the request holds {} commands; at most {} fit: split it",
                              commands.size() / ledger::command_size, ledger::entry_commands_max));
    for (std::size_t i = 0; i < commands.size() / ledger::command_size; ++i) {
      const Byte* at = commands.data() + i * ledger::command_size;
      if (kind == ledger::CommandKind::create_transfer) {
        TRY(check_user_data(ledger::load_command<ledger::Transfer>(at), i));
      } else {
        TRY(check_user_data(ledger::load_command<ledger::Account>(at), i));
      }
    }
    return {};
  };
  ASSERT(kind == ledger::CommandKind::create_transfer ||
         kind == ledger::CommandKind::create_account);
  if (Status good = check(); !good) {
    count_refusal(actor, good.error());
    return good.error();
  }
  auto request = std::make_unique<ledger::Request>();
  request->actor = actor;
  request->runs.push_back(
      {kind, {}, static_cast<std::uint32_t>(commands.size() / ledger::command_size)});
  request->commands = to_buffer(commands);
  return request;
}

void SealingDoor::prepare(u128 actor, std::vector<CommandDraft> commands, bool atomic,
                          Prepared prepared) {
  if (Status now = ready(); !now) return prepared(now.error());
  const std::uint64_t bytes = size_of(commands);
  if (queued_bytes_.fetch_add(bytes) + bytes > queued_bytes_max) {
    queued_bytes_.fetch_sub(bytes);
    return prepared(fail(Code::resource_exhausted,
                         "the door has too much to seal already; nothing was done, try again with "
                         "fewer outstanding requests"));
  }
  io_.executor.post(
      [this, actor, atomic, bytes, commands = std::move(commands), prepared = std::move(prepared)] {
        Result<std::unique_ptr<ledger::Request>> request = make_request(actor, commands, atomic);
        if (request) {
          if (Status synced = table_->sync(); !synced) request = synced.error();
        } else {
          count_refusal(actor, request.error());
        }
        queued_bytes_.fetch_sub(bytes);
        prepared(std::move(request));
      });
}

Result<std::unique_ptr<ledger::Request>> SealingDoor::make_request(
    u128 actor, const std::vector<CommandDraft>& commands, bool atomic) {
  if (commands.empty() || commands.size() > ledger::entry_commands_max)
    return fail(Code::invalid_argument,
                fmt::format("the request holds {} commands; it needs 1 to {}", commands.size(),
                            ledger::entry_commands_max));
  auto request = std::make_unique<ledger::Request>();
  request->actor = actor;
  request->commands.reserve(commands.size() * ledger::command_size);
  request->payloads.reserve(
      std::min<std::size_t>(sealed_size_likely(commands), ledger::request_size_max));
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const bool linked = atomic && i + 1 < commands.size();
    if (const auto* account = std::get_if<ledger::Account>(&commands[i])) {
      TRY(check_user_data(*account, i));
      ledger::Account command = *account;
      if (linked) command.flags |= ledger::account_flags::linked;
      request->add(ledger::CommandKind::create_account, bytes_of(command));
    } else if (const auto* transfer = std::get_if<ledger::Transfer>(&commands[i])) {
      TRY(check_user_data(*transfer, i));
      ledger::Transfer command = *transfer;
      if (linked) command.flags |= ledger::transfer_flags::linked;
      request->add(ledger::CommandKind::create_transfer, bytes_of(command));
    } else if (const auto* event = std::get_if<EventDraft>(&commands[i])) {
      TRY(add_event(*request, *event, linked || event->linked, i));
    } else {
      const auto& deletion = std::get<DeletionDraft>(commands[i]);
      TRY(add_deletion(*request, deletion, linked || deletion.linked, i));
    }
  }
  return request;
}

Status SealingDoor::add_event(ledger::Request& request, const EventDraft& draft, bool linked,
                              std::size_t position) {
  if (draft.event_id == 0)
    return fail(Code::invalid_argument,
                fmt::format("event_id of command {} is missing: choose one, so that sending it "
                            "again cannot append it twice",
                            position));
  TRY(check_name("stream", draft.stream, position));
  TRY(check_name("type", draft.type, position));
  if (draft.content_type != json_type && draft.content_type != bytes_type)
    return fail(Code::invalid_argument, fmt::format("content_type of command {} must be {} or {}",
                                                    position, json_type, bytes_type));
  const bool json = draft.content_type == json_type;
  if (json && !nlohmann::json::accept(draft.data.begin(), draft.data.end()))
    return fail(
        Code::invalid_argument,
        fmt::format("data of command {} is not JSON although content_type says so", position));
  TRY(check_subjects(draft, position));
  std::vector<u128> subjects{subject_id(draft.subject)};
  for (const CompartmentDraft& more : draft.more) subjects.push_back(subject_id(more.subject));
  const std::size_t payload_offset = request.payloads.size();
  const crypto::Digest commitment = TRY(sealer_->seal(draft, subjects, request.payloads));
  const std::size_t payload_size = request.payloads.size() - payload_offset;
  if (request.commands.size() + ledger::command_size + request.payloads.size() >
      ledger::request_size_max)
    return fail(
        Code::invalid_argument,
        fmt::format("the request's commands and payloads pass {} bytes at command {}: split it",
                    ledger::request_size_max, position));

  ledger::AppendEvent event{};
  event.event_id = draft.event_id;
  event.stream = stream_id(draft.stream);
  event.category = category_id(ledger::category_of(draft.stream));
  event.type = type_id(draft.type);
  event.commitment = commitment;
  event.expected_revision = draft.expected == ledger::Expected::exact ? draft.expected_revision : 0;
  event.payload_size = static_cast<std::uint32_t>(payload_size);
  event.payload_offset = static_cast<std::uint32_t>(payload_offset);
  event.flags = linked ? ledger::event_flag_linked : 0;
  event.expected = draft.expected;
  event.content_type = json ? ledger::ContentType::json : ledger::ContentType::bytes;
  event.classification = draft.classification;
  event.retention = draft.retention;
  if (!draft.facts.empty())
    request.facts.push_back({request.command_count(), TRY(draft.facts.encode())});
  request.add(ledger::CommandKind::append_event, bytes_of(event));
  return {};
}

/// Keys of subjects are made by the replica whose door seals, and stay there.
Status SealingDoor::check_subjects(const EventDraft& draft, std::size_t position) const {
  bool is_personal = !draft.subject.empty();
  for (const CompartmentDraft& more : draft.more) is_personal |= !more.subject.empty();
  if (has_replicas_ && is_personal) return no_subjects(fmt::format("command {}", position));
  return {};
}

Status SealingDoor::add_deletion(ledger::Request& request, const DeletionDraft& draft, bool linked,
                                 std::size_t position) {
  if (draft.event_id == 0)
    return fail(Code::invalid_argument,
                fmt::format("event_id of command {} is missing: choose one", position));
  TRY(check_name("stream", draft.stream, position));
  ledger::DeleteStream deletion{};
  deletion.event_id = draft.event_id;
  deletion.stream = stream_id(draft.stream);
  deletion.expected = draft.expected;
  deletion.expected_revision =
      draft.expected == ledger::Expected::exact ? draft.expected_revision : 0;
  deletion.flags = linked ? ledger::event_flag_linked : 0;
  request.add(ledger::CommandKind::delete_stream, bytes_of(deletion));
  return {};
}

void SealingDoor::open_events(std::vector<SealedEvent> events, Opened opened) {
  io_.executor.post([this, events = std::move(events), opened = std::move(opened)] {
    std::vector<Result<OpenedEvent>> results;
    results.reserve(events.size());
    for (const SealedEvent& event : events)
      results.push_back(is_ready_ ? sealer_->open(event.header, event.payload) : ready().error());
    opened(std::move(results));
  });
}

// --- forgetting ---

Result<Erased> SealingDoor::erase(u128 actor, u128 subject) {
  // What is destroyed is noted before, and how much of it after: a crash in between must not leave
  // a record that says less than was done.
  OwedErasures::Owed owed{subject, actor, {}, 0, 0};
  if (const OwedErasures::Owed* begun = owed_.find(subject)) owed = *begun;
  for (const std::uint8_t retention : table_->classes(subject))
    owed.classes[retention / 8] |= static_cast<Byte>(1 << (retention % 8));
  TRY(owed_.put(owed));
  sealer_->drop_key();
  const storage::KeyTable::Erasure erasure = TRY(table_->erase(subject));
  if (erasure.keys_destroyed != 0) {
    owed.keys_destroyed = erasure.keys_destroyed;
    owed.epoch = erasure.epoch;
    TRY(owed_.put(owed));
  }

  Erased erased;
  erased.subject = subject;
  for (std::size_t retention = 0; retention < 8 * owed.classes.size(); ++retention)
    if ((owed.classes[retention / 8] >> (retention % 8) & 1) != 0)
      erased.classes.push_back(static_cast<std::uint8_t>(retention));
  erased.keys_destroyed = owed.keys_destroyed;
  erased.epoch = owed.epoch;

  ledger::EraseSubject command{};
  command.subject = subject;
  command.keys_destroyed = owed.keys_destroyed;
  command.epoch = owed.epoch;
  command.classes = owed.classes;

  erased.request = std::make_unique<ledger::Request>();
  erased.request->actor = owed.actor;
  erased.request->attester = ledger::Attester::door;
  erased.request->add(ledger::CommandKind::erase_subject, bytes_of(command));
  return erased;
}

void SealingDoor::forget(u128 actor, std::string subject,
                         std::function<void(Result<Erased>)> done) {
  io_.executor.post([this, actor, subject = std::move(subject), done = std::move(done)] {
    if (Status now = ready(); !now) return done(now.error());
    if (has_replicas_) return done(no_subjects("forgetting"));
    if (Status good = check_name("subject", subject, 0); !good) return done(good.error());
    done(erase(actor, subject_id(subject)));
  });
}

void SealingDoor::owed_erasures(std::function<void(Result<std::vector<Erased>>)> done) {
  io_.executor.post([this, done = std::move(done)] {
    std::vector<Erased> erasures;
    const std::vector<OwedErasures::Owed> owed = owed_.list();
    for (const OwedErasures::Owed& one : owed) {
      Result<Erased> erased = erase(one.actor, one.subject);  // finishes what was begun
      if (!erased) return done(erased.error());
      erasures.push_back(std::move(*erased));
    }
    done(std::move(erasures));
  });
}

void SealingDoor::confirm_recorded(u128 subject) {
  // If this fails the erasure is recorded a second time after a restart: harmless.
  io_.executor.post([this, subject] { static_cast<void>(owed_.remove(subject)); });
}

void SealingDoor::subject_status(std::string subject,
                                 std::function<void(Result<SubjectStatus>)> done) {
  io_.executor.post([this, subject = std::move(subject), done = std::move(done)] {
    if (Status now = ready(); !now) return done(now.error());
    if (Status good = check_name("subject", subject, 0); !good) return done(good.error());
    SubjectStatus status;
    status.subject = subject_id(subject);
    status.classes = table_->classes(status.subject);
    status.forgotten = table_->is_forgotten(status.subject);
    status.known = status.forgotten || !status.classes.empty();
    done(std::move(status));
  });
}

// --- refusals, counted ---

void SealingDoor::count_refusal(u128 actor, const Error& error) {
  Refusal reason = Refusal::malformed;
  if (error.message.find("looks like") != std::string::npos) reason = Refusal::personal_data;
  if (error.code == Code::failed_precondition) reason = Refusal::forgotten;
  const std::uint64_t minute = static_cast<std::uint64_t>(io_.clock.now().time) / 60'000'000'000ULL;
  const std::lock_guard lock(refusals_mutex_);
  RefusalKey key{actor, reason, minute};
  if (refusals_.size() >= refusal_keys_max && !refusals_.contains(key)) key.actor = 0;
  ++refusals_[key];
}

std::unique_ptr<ledger::Request> SealingDoor::take_refusals() {
  std::map<RefusalKey, std::uint64_t> counted;
  {
    const std::lock_guard lock(refusals_mutex_);
    counted.swap(refusals_);
  }
  if (counted.empty()) return nullptr;
  auto request = std::make_unique<ledger::Request>();
  for (const auto& [key, count] : counted) {
    ledger::DoorRefusals command{};
    command.actor = key.actor;
    command.minute = key.minute;
    command.count = count;
    command.reason = static_cast<std::uint32_t>(key.reason);
    request->add(ledger::CommandKind::door_refusals, bytes_of(command));
  }
  return request;
}

}  // namespace

Result<std::unique_ptr<Door>> Door::open(const Io& io, u128 cell, bool has_replicas) {
  std::unique_ptr<storage::KeyTable> table =
      TRY(storage::KeyTable::open({io.disk, io.entropy, io.keys, cell}, io.keys, io.clock));
  OwedErasures owed = TRY(OwedErasures::open(io.disk));
  auto door =
      std::make_unique<SealingDoor>(io, cell, has_replicas, std::move(table), std::move(owed));
  if (!has_replicas || storage::holds_cell_key(io.keys)) TRY(door->take_keys());
  return Result<std::unique_ptr<Door>>(std::move(door));
}

}  // namespace meridian::door
