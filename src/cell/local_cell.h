// The one cell that this process serves: its door and its replica behind calls in users' terms.
//
// What api/ translates from gRPC and HTTP. All calls are thread-safe. Callbacks come on internal
// executors and must be short. Reads of history run on the reads executor, never on the apply
// thread. Errors are those of door.h and replica.h, passed on unchanged.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "door/door.h"
#include "door/erasure_records.h"
#include "io/executor.h"
#include "ledger/queries.h"
#include "replica/replica.h"

namespace meridian::cell {

/// The actor of what the cell writes by itself.
inline constexpr std::string_view own_actor = "cell";

/// An event as a reader gets it.
struct ReadEvent {
  ledger::Header header;
  door::OpenedEvent event;
};

struct ReadQuery {
  enum class Source : std::uint8_t { stream, category, all } source = Source::all;
  std::string name;            ///< Of the stream or category.
  std::uint64_t position = 0;  ///< Stream: revision. Category, all: record index. Included.
  bool from_end = false;       ///< Backwards from the newest.
  bool backwards = false;
  std::uint32_t limit = 100;  ///< 1..read_limit_max
};
inline constexpr std::uint32_t read_limit_max = 4'096;

struct ReadPage {
  std::vector<ReadEvent> events;
  std::uint64_t next = 0;  ///< Position to continue at.
  bool end = false;        ///< Nothing more in that direction now.
  bool stream_deleted = false;
};

struct ForgetAnswer {
  u128 subject;
  std::uint32_t keys_destroyed, epoch;
  std::vector<std::uint8_t> classes;
  ledger::RecordIndex record;  ///< The first of `records` that say so.
  std::uint32_t records = 1;
  std::vector<storage::KeyName> erased{};  ///< Keys that seal.
  std::vector<door::Kept> kept{};          ///< Until it may go too.
  /// Of a cell of several replicas: on which of them the keys are destroyed by now, and on which
  /// they are destroyed as soon as those go on.
  std::vector<std::uint64_t> destroyed_on{}, not_yet_on{};
  std::optional<ledger::RecordIndex> turn{};  ///< That says so of the key of the epoch.
};

/// A part of everything about a person.
struct ExportPage {
  std::vector<ReadEvent> events;
  std::uint64_t next = 0;  ///< Record to go on from.
  bool end = false;
  std::uint64_t records = 0;  ///< In the ledger.
};

/// Of a person (its name), or of a retention class: what was destroyed, from record `position` on.
struct ErasuresQuery {
  std::variant<std::string, door::RetentionNumber> of;
  std::uint64_t position = 0;
};
/// A record about that.
struct Erasure {
  door::ErasureRecord said;
  std::optional<std::uint64_t> turn;  ///< The record by which the epoch's key was destroyed.
  bool is_clear = false;  ///< Of an expiry: no key of the class up to its period is left of the
                          ///< person that was asked about.
};
/// How far a replica is known to have turned the epoch.
struct ReplicaEpoch {
  std::uint64_t id = 0;
  std::uint32_t epoch = 0;  ///< Keys of all epochs below it are destroyed there.
  bool operator==(const ReplicaEpoch&) const = default;
};
/// A part of them.
struct ErasuresPage {
  u128 subject = 0;  ///< Opaque; 0 of a class.
  std::vector<Erasure> erasures{};
  std::uint64_t next = 0;  ///< Record to go on from.
  bool end = false;
  std::uint64_t records = 0;             ///< In the ledger.
  std::vector<door::Kept> kept{};        ///< Of the person: keys that seal, now.
  std::vector<ReplicaEpoch> replicas{};  ///< Of several; as this one has heard.
};

struct KeepAnswer {
  ledger::RecordIndex record;
  u128 hold = 0;           ///< That was placed or released.
  std::uint32_t turn = 0;  ///< Of a jurisdiction's key, that is wanted.
};

/// The key above those of persons was turned over.
struct EpochAnswer {
  std::uint32_t epoch = 0;  ///< Of a node alone: the version in use. Of several: how often so far.
  /// Of several replicas: on which of them the one before is destroyed, and on which it is as soon
  /// as those go on.
  std::vector<std::uint64_t> destroyed_on{}, not_yet_on{};
};

class LocalCell {
 public:
  struct Executors {
    replica::ReplicaExecutors replica;
    io::Executor& door;
    io::Executor& reads;
  };
  /// Opens or creates the cell below `io.disk` and recovers it. Blocks.
  static Result<std::unique_ptr<LocalCell>> open(const replica::Replica::Io& io,
                                                 const replica::ReplicaConfig& config,
                                                 Executors executors,
                                                 const replica::Replica::Progress& progress,
                                                 std::function<void(Error)> on_fatal);
  virtual ~LocalCell() = default;

  using Answered = replica::Replica::Answered;
  /// `commands`: packed accounts or transfers, 128 bytes each.
  virtual void submit_packed(u128 actor, ledger::CommandKind kind, Bytes commands,
                             Answered answered) = 0;
  /// Each chain of linked drafts is a transaction.
  virtual void submit(u128 actor, std::vector<door::CommandDraft> commands, Answered answered) = 0;
  /// An event of the cell's own, of own_actor. Where another replica leads, it is sealed here and
  /// handed to that one, which takes nothing but readings (cell/order_check.h). Errors besides:
  /// deadline_exceeded if it is not known whether it is recorded: ask again with the same id.
  virtual void submit_own(door::EventDraft event, Answered answered) = 0;
  /// `jws` is what `actor` signed of them, verified, as it is kept (docs/formats/signature.md): it
  /// becomes a record before theirs, and the answer says nothing of it.
  virtual void submit_signed(u128 actor, std::vector<door::CommandDraft> commands, std::string jws,
                             Answered answered) = 0;
  virtual void forget(u128 actor, std::string subject,
                      std::function<void(Result<ForgetAnswer>)> done) = 0;
  virtual void subject_status(std::string subject,
                              std::function<void(Result<door::Door::SubjectStatus>)> done) = 0;

  /// Turns the epoch, as a day of its use does by itself (docs/security/keys.md).
  virtual void turn_epoch(u128 actor, std::function<void(Result<EpochAnswer>)> done) = 0;
  /// Of several replicas: KeyCustodian::ask_storage_turn. Alone there is nobody to ask (asserted).
  virtual void ask_storage_turn(std::optional<std::uint64_t> which,
                                std::function<void(Result<std::vector<std::uint64_t>>)> done) = 0;

  /// Defines a class, places a hold or releases one: for good once `done` is called.
  virtual void keep(u128 actor, door::KeepingDraft draft,
                    std::function<void(Result<KeepAnswer>)> done) = 0;
  virtual void keeping(std::function<void(door::KeepingList)> done) = 0;
  /// Events with a compartment about the subject, from record `position` on: a part of them.
  virtual void export_subject(std::string subject, std::uint64_t position,
                              std::function<void(Result<ExportPage>)> done) = 0;
  /// Records by which something of a person, or of a class, was destroyed: a part of them.
  virtual void find_erasures(ErasuresQuery query,
                             std::function<void(Result<ErasuresPage>)> done) = 0;

  virtual void lookup_accounts(std::vector<u128> ids,
                               std::function<void(std::vector<ledger::AccountState>)> done) = 0;
  virtual void list_accounts(std::uint64_t first, std::size_t count,
                             std::function<void(std::vector<ledger::AccountState>)> done) = 0;
  virtual void lookup_transfers(
      std::vector<u128> ids, std::function<void(Result<std::vector<ledger::Transfer>>)> done) = 0;
  virtual void account_transfers(
      ledger::AccountFilter filter,
      std::function<void(Result<std::vector<ledger::Transfer>>)> done) = 0;
  virtual void account_balances(
      ledger::AccountFilter filter,
      std::function<void(Result<std::vector<ledger::AccountBalance>>)> done) = 0;
  virtual void query_transfers(ledger::QueryFilter filter,
                               std::function<void(Result<std::vector<ledger::Transfer>>)> done) = 0;
  virtual void query_accounts(ledger::QueryFilter filter,
                              std::function<void(Result<std::vector<ledger::Account>>)> done) = 0;
  /// What became of a command whose answer never came. None: it never reached the ledger.
  struct KnownOutcome {
    ledger::Header header;
  };
  virtual void outcome(ledger::CommandKind kind, u128 id,
                       std::function<void(Result<std::optional<KnownOutcome>>)> done) = 0;
  /// Sets what events of `type` are like from now on; empty: anything again. An event with
  /// `event_id`. Errors: those of door::EventSchema::parse, and of submit().
  virtual void set_schema(u128 actor, u128 event_id, const std::string& type,
                          const std::string& schema, Answered answered) = 0;
  struct SchemaOfType {
    std::string type;
    std::shared_ptr<const door::EventSchema> schema;
    std::uint64_t record = 0;  ///< That set it.
    std::uint64_t time = 0;    ///< Nanoseconds since 1970.
    u128 actor{};
  };
  virtual void schemas(std::function<void(Result<std::vector<SchemaOfType>>)> done) = 0;
  /// What a client signed of the request that a record is of.
  struct KeptSignature {
    std::string jws;
    ledger::RecordIndex record;  ///< That holds it.
  };
  /// Errors: not_found if it was not signed; data_loss if what was signed is not there.
  virtual void signature(ledger::RecordIndex record,
                         std::function<void(Result<KeptSignature>)> done) = 0;
  virtual void read_events(ReadQuery query, std::function<void(Result<ReadPage>)> done) = 0;

  virtual replica::Replica& replica() = 0;
  virtual door::Door& door() = 0;
};

}  // namespace meridian::cell
