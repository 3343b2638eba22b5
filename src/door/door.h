// The door: what happens to a command before it is ordered (DESIGN section 3).
//
// Checks shape and limits, turns names into opaque ids, seals payload compartments under the keys
// of their subjects, commits to their plaintext, and opens them again for readers. Refuses user
// data that holds a card number or an IBAN. It makes requests; ordering them is the replica's.
// Sealing and opening run on the door's own executor (the key table has one owner); calls are
// thread-safe, callbacks run on that executor and must be short. Queued work is bounded by
// queued_bytes_max; past it a call answers resource_exhausted at once.
// Cost: 2 us per sealed event with a warm key; packed transfers cost a scan of their user data.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "door/event_schema.h"
#include "door/keeping_commands.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "io/executor.h"
#include "ledger/entry.h"
#include "ledger/header.h"
#include "ledger/payload.h"
#include "mesh/action.h"
#include "storage/cell_key_table.h"
#include "storage/key_store.h"

namespace meridian::door {

/// Of a stream, type or subject. Errors: invalid_argument naming `what` and the command.
inline constexpr std::size_t name_size_max = 1'024;
Status check_name(std::string_view what, std::string_view name, std::size_t position);

struct CompartmentDraft {
  std::string subject;         ///< Name of the person it is about; empty: nobody.
  std::uint8_t retention = 0;  ///< Retention class, 0..254.
  Buffer content;
};

struct EventDraft {
  u128 event_id = 0;  ///< Chosen by the client, so that a retry is recognised.
  std::string stream, type;
  std::string content_type = "application/json";  ///< or "application/octet-stream"
  Buffer metadata, data;
  std::string subject;  ///< Of the envelope (compartment 0).
  std::uint8_t retention = 0;
  std::uint8_t classification = 0;
  std::vector<CompartmentDraft> more;  ///< Further compartments.
  ledger::Expected expected = ledger::Expected::any;
  std::uint64_t expected_revision = 0;
  bool linked = false;
  /// The cell itself writes it: names that begin with `$` are its own, and are refused of others.
  bool is_of_cell = false;
  /// What the client signed of the commands behind it: they are counted without it in messages.
  bool is_evidence = false;
  ledger::Facts facts;
  /// What the client signs of it is under this salt (door/signed_event.h). Empty: it is not signed.
  Buffer signature_salt{};
};

struct DeletionDraft {
  u128 event_id = 0;
  std::string stream;
  ledger::Expected expected = ledger::Expected::any;
  std::uint64_t expected_revision = 0;
  bool linked = false;
};

/// Of events, by type.
using Schemas = std::map<std::string, std::shared_ptr<const EventSchema>, std::less<>>;

/// One command of a transaction, in the order in which it applies.
using CommandDraft = std::variant<ledger::Account, ledger::Transfer, EventDraft, DeletionDraft>;

/// One compartment as a reader sees it.
struct OpenedCompartment {
  bool forgotten = false;  ///< Its key is destroyed; `content` is empty.
  bool withheld = false;   ///< Of another person than was asked about; `content` is empty.
  std::uint8_t retention = 0;
  Buffer content;
  crypto::Digest salt{};  ///< Discloses the commitment for this compartment alone.
};
/// Of an event that its client signed: sealed with it, and there as long as all of it is.
struct OpenedSignature {
  crypto::Digest salt{};
  std::vector<crypto::Digest> about;  ///< Of each compartment as it was sent.
};
struct OpenedEvent {
  bool forgotten = false;  ///< Compartment 0 is gone: stream, type and data are unknown.
  /// Something was opened that is sealed for a person, or that is restricted (card data is).
  bool is_personal = false;
  /// Data that a schema took apart is put together again. Parts that are gone with a person:
  std::uint32_t parts_forgotten = 0;
  bool withheld = false;             ///< As forgotten, but it is of another person.
  std::uint32_t parts_withheld = 0;  ///< Of other persons than was asked about.
  std::string stream, type, content_type;
  Buffer metadata, data;
  std::vector<OpenedCompartment> compartments;  ///< Without those that are in `data` again.
  std::optional<OpenedSignature> signature;
};

/// Of the table of keys: what was done, and is to be recorded.
struct Erased {
  u128 subject = 0;  ///< Opaque; 0 if it is about nobody alone.
  u128 hold = 0;     ///< That was placed or released.
  std::uint32_t keys_destroyed = 0;
  std::uint32_t epoch = 0;  ///< Whose key-encryption key was destroyed.
  std::vector<std::uint8_t> classes;
  std::vector<storage::KeyName> erased;  ///< Keys that seal; none if that was before a restart.
  std::vector<Kept> kept;                ///< Of who is to be forgotten.
  u128 actor = 0;
  std::vector<KeepingCommand> commands;
  std::unique_ptr<ledger::Request> request;  ///< They; the caller submits it.
};

/// What is said of retention, holds and residency.
struct KeepingList {
  storage::Day today{};
  std::vector<storage::RetentionClass> classes;
  std::vector<storage::Hold> holds;
  struct Place {
    storage::Jurisdiction jurisdiction;
    bool is_held = false;  ///< All of its keys that are needed, by this replica.
    bool is_up = false;    ///< What lives there may be written now, as this replica knows it.
    std::uint32_t older_keys = 0;  ///< Than the one in use, that keys of persons still need.
  };
  std::vector<Place> places{};
};

/// What keeps a request from being sealed.
struct MissingKeys {
  std::vector<storage::KeyRow> rows;          ///< To be recorded.
  std::vector<storage::ResidencyWait> waits;  ///< To be in two regions.
  std::vector<storage::WantedRow> wanted{};   ///< To be made by who leads.
};

class Door {
 public:
  struct Io {
    io::Disk& disk;
    io::Clock& clock;
    io::Entropy& entropy;
    storage::KeyStore& keys;
    io::Executor& executor;
  };
  static constexpr std::uint64_t queued_bytes_max = 64 << 20;
  /// How often keys in use are looked after, as long as there are any: none stays for over 60 s.
  static constexpr io::Duration drop_period = io::seconds(5);

  /// `has_replicas`: names and payloads wait for the key that the replicas share (take_cell_key),
  /// unless the key store holds it already; keys of persons are shared too (shared_keys).
  static Result<std::unique_ptr<Door>> open(const Io&, u128 cell, bool has_replicas,
                                            const storage::TurnPace& pace = {});
  virtual ~Door() = default;

  /// Any thread. Errors: unavailable as long as the cell's key is not here: nothing may be asked of
  /// this door that needs a name or a key, and the names below are 0.
  virtual Status ready() const = 0;
  /// Makes it durable and uses it from then on. `failed` if that cannot be: stop the process.
  virtual void take_cell_key(crypto::Secret key, std::function<void(Error)> failed) = 0;

  /// From now on events of these types are checked and taken apart as they say. Any thread.
  virtual void use_schemas(std::shared_ptr<const Schemas> schemas) = 0;

  using Prepared = std::function<void(Result<std::unique_ptr<ledger::Request>>)>;
  /// Packed accounts or transfers as they are (128 bytes each): the fast path, any thread, no
  /// queue. Errors: invalid_argument naming rule, field and position: size, count, user data that
  /// looks like a card number or an IBAN.
  virtual Result<std::unique_ptr<ledger::Request>> prepare_packed(u128 actor,
                                                                  ledger::CommandKind kind,
                                                                  Bytes commands) = 0;
  /// Drafts as one request. With `atomic`, all are linked into one chain. Keys made for new
  /// subjects are durable before `prepared` is called. An event without an id is refused: whoever
  /// asks must be able to ask again with the same one. An event whose type has a schema leaves it
  /// to that whom a field is about.
  virtual void prepare(u128 actor, std::vector<CommandDraft> commands, bool atomic,
                       Prepared prepared) = 0;

  /// The same where another replica leads: what lives in a jurisdiction is sealed here, for who
  /// leads may not be able to, and handed on. Only the one or the other is called.
  virtual void prepare_for_leader(u128 actor, std::vector<CommandDraft> commands,
                                  Prepared hand_over, Prepared prepared) = 0;

  /// Opens what `payload` (of the record with `header`) holds.
  using Opened = std::function<void(std::vector<Result<OpenedEvent>>)>;
  struct SealedEvent {
    ledger::Header header;
    Buffer payload;
    /// A person (opaque): what is of others in it is withheld. 0: all is opened.
    u128 about = 0;
  };
  virtual void open_events(std::vector<SealedEvent> events, Opened opened) = 0;

  /// Of a door that is alone (asserted). Destroys all keys of `subject` that need not be kept: what
  /// they opened is unreadable when `done` is called, also in every older copy. Then that still has
  /// to be recorded: submit Erased::request.
  virtual void forget(u128 actor, std::string subject,
                      std::function<void(Result<Erased>)> done) = 0;
  /// Of a door that is alone: a class is defined, a hold placed or released. To be recorded too.
  virtual void keep(u128 actor, KeepingDraft draft, std::function<void(Result<Erased>)> done) = 0;
  /// Of a door that is alone: destroys what is due by now. To be recorded too.
  virtual void erase_due(std::function<void(Result<std::vector<Erased>>)> done) = 0;
  /// Of a door that is alone. Turns the epoch, so that no older copy of the table of keys opens, if
  /// its key is at least `age` old (and, unless that is 0, if it wraps any).
  struct EpochTurn {
    std::uint32_t epoch = 0;  ///< In use now.
    std::size_t keys = 0;     ///< Of persons, wrapped anew.
    bool is_turned = false;
  };
  virtual void turn_epoch(io::Duration age, std::function<void(Result<EpochTurn>)> done) = 0;
  /// What was carried out and of which no record was confirmed (a crash came between): submit their
  /// requests at start. confirm_recorded() takes them off the list, durably.
  virtual void owed_erasures(std::function<void(Result<std::vector<Erased>>)> done) = 0;
  /// Any thread. Of `actor`, whom the policy did not let do `action`: counted with the refusals.
  virtual void count_denial(u128 actor, mesh::Action action) = 0;
  /// Any thread. Of `actor`, whose signature over a request was not good: counted likewise.
  virtual void count_bad_signature(u128 actor) = 0;
  virtual void confirm_recorded(u128 actor, std::vector<KeepingCommand> commands) = 0;
  /// Refusals counted since the last call as door_refusals commands, or null if there were none.
  virtual std::unique_ptr<ledger::Request> take_refusals() = 0;
  struct SubjectStatus {
    u128 subject;
    bool known, forgotten;
    std::vector<std::uint8_t> classes;
    std::optional<storage::Day> wish{};  ///< Since when it is to be forgotten.
    std::vector<Kept> keys{};            ///< All that seal.
    std::vector<storage::Hold> holds{};
  };
  virtual void subject_status(std::string subject,
                              std::function<void(Result<SubjectStatus>)> done) = 0;
  /// Of a person (opaque): its keys that seal, and why they are kept; and of each class and period
  /// whether none is left of the class up to it.
  struct KeysLeft {
    std::vector<Kept> keys;
    std::vector<bool> clear;
  };
  virtual void keys_left(u128 subject, std::vector<storage::KeyName> through,
                         std::function<void(KeysLeft)> done) = 0;
  virtual void keeping(std::function<void(KeepingList)> done) = 0;

  /// Opaque ids of names, never 0 once ready() (pure; any thread).
  virtual u128 stream_id(std::string_view name) const = 0;
  virtual u128 category_id(std::string_view name) const = 0;
  virtual u128 type_id(std::string_view name) const = 0;
  virtual u128 actor_id(std::string_view name) const = 0;
  virtual u128 subject_id(std::string_view name) const = 0;
  /// Of the event that holds what a client signed, by its digest.
  virtual u128 signature_id(const crypto::Digest& digest) const = 0;

  // --- keys of persons that several replicas share; on the door's executor ---
  /// Null if the door is alone.
  virtual storage::CellKeyTable* shared_keys() = 0;
  /// What seals for a person waits if its keys are not in the table: `missing` is given the rows
  /// made for it, none if they cannot be made now, and calls back when sealing may be tried again.
  using Missing =
      std::function<void(const MissingKeys& missing, std::function<void(Status)> go_on)>;
  virtual void on_missing_keys(Missing missing) = 0;
  /// Cleanses keys in use, which may be those of somebody who is forgotten.
  virtual void drop_keys() = 0;
};

}  // namespace meridian::door
