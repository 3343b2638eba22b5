// One replica of one cell: propose, log, apply, prove, answer (DESIGN section 12).
//
//   submit -> proposer -> ordered log -> apply -> answer
//                                          \-> prove: headers, Merkle tree, segments, checkpoint
//                                          \-> state checkpoint now and then
//
// Each stage runs on its own io::Executor and hands batches on; nothing is locked per record. All
// calls here are thread-safe. Callbacks run on a stage's executor and must be short: post long work
// elsewhere. Queues are bounded by ReplicaLimits: what does not fit is refused with
// resource_exhausted before anything was done. Recovery = state checkpoint + replay of the log.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "crypto/sealed_box.h"
#include "io/clock.h"
#include "io/disk.h"
#include "io/entropy.h"
#include "io/executor.h"
#include "ledger/entry.h"
#include "ledger/header.h"
#include "ledger/ledger.h"
#include "ledger/queries.h"
#include "metrics/registry.h"
#include "proof/checkpoint.h"
#include "proof/receipt.h"
#include "replica/canary.h"
#include "replica/group_report.h"
#include "replica/group_state.h"
#include "replica/level_news.h"
#include "replica/member_news.h"
#include "replica/ordered_log.h"
#include "storage/key_store.h"

namespace meridian::replica {

struct ReplicaLimits {
  std::uint64_t queued_bytes_max = 64 << 20;  ///< Requests submitted and not yet answered.
  std::uint64_t queued_requests_max = 65'536;
  std::uint64_t unproven_entries_max = 64;  ///< Applied, headers not stored yet.
  std::uint64_t records_max = std::uint64_t{1} << 36;
  std::uint64_t accounts_max = 100'000'000;
  std::uint64_t bytes_reserve = 256 << 20;  ///< Writes are refused below this free disk.
};

struct ReplicaConfig {
  std::string deployment = "meridian";
  u128 cell = 0;
  std::uint64_t generation = 1;
  /// Records between state checkpoints, the same on every replica and for ever; 0: as many as the
  /// ledger's size calls for (Ledger::next_checkpoint_at). Other values are for tests.
  std::uint64_t checkpoint_interval = 0;
  /// The newest feature level that this replica runs; lower: as a version before would. A new cell
  /// begins at that of who leads it first.
  std::uint32_t feature_level = ledger::feature_level_newest;
  std::uint64_t wal_file_size = 64 << 20;  ///< storage::WalOptions::file_size
  /// Read back a second to find damage (scrub.h); 0: only what readers find is looked at.
  std::uint64_t scrub_bytes_per_second = 8 << 20;

  ReplicaLimits limits;
  /// Set: one of several replicas (its own id, its peers). None: it is alone.
  std::optional<GroupConfig> group{};
  Canary canary{};
};

/// What became of one request. One result per command, in order.
struct Answer {
  std::uint64_t entry_index;
  std::uint64_t term;
  ledger::RecordIndex first_record;
  std::uint64_t first_time;  ///< Command i was given time first_time + i.
  struct CommandResult {
    ledger::Outcome outcome;
    std::uint64_t time;      ///< Timestamp of the account or transfer made (or that exists).
    std::uint64_t revision;  ///< Events and deletions.
  };
  std::vector<CommandResult> results;
};

/// Executors of the stages, made by main (threads) or by a simulator (one thread).
struct ReplicaExecutors {
  io::Executor& log;
  io::Executor& apply;
  io::Executor& prove;
  io::Executor& checkpoint;
  io::Executor* raft = nullptr;     ///< Of a group.
  io::Executor* propose = nullptr;  ///< Of a group.
  /// Of a group: answers who copies this replica's state, and does a part of the work, beside
  /// apply, while this one copies a state itself (StateInstaller::Options::beside). Null: the
  /// checkpoint executor answers, so that whoever copies waits for its syncs and merges, and
  /// nothing is done beside.
  io::Executor* give = nullptr;
};

struct RecoveryProgress {
  std::string_view stage;  ///< "state", "log"
  std::uint64_t done, total;
};

class StateSource;

/// A record that the keys of persons are folded from (docs/formats/keys.md): one that had an
/// effect.
struct KeyRecord {
  std::uint64_t record;
  ledger::CommandKind kind;
  std::array<Byte, ledger::command_size> command;
};
constexpr bool is_of_keys(ledger::CommandKind kind) {
  return (kind >= ledger::CommandKind::set_retention &&
          kind <= ledger::CommandKind::turn_residency) ||
         kind == ledger::CommandKind::subject_key || kind == ledger::CommandKind::erase_subject ||
         kind == ledger::CommandKind::turn_epoch;
}
/// What a stored record is to them; none: nothing.
std::optional<KeyRecord> key_record_of(const ledger::Header& header);

class Replica {
 public:
  struct Io {
    io::Disk& disk;
    io::Clock& clock;
    io::Entropy& entropy;
    storage::KeyStore& keys;
    metrics::Registry& metrics;
    /// What an operator should read, one line each: a dropped tail, a capacity alarm.
    std::function<void(const std::string&)> notice;
    std::function<std::unique_ptr<io::Network>()> make_network{};  ///< Of a group; called once.
    /// Once: the log cannot bring this replica up any more. Close it, take the state of `peer`
    /// (catch_up.h) and open again. Comes on the raft executor.
    std::function<void(const MemberInfo& peer)> behind{};
    /// Of a group, once: what is stored here is damaged, and not where it is repaired in place.
    /// Close it, have it repaired from the others (CatchUp::Need::repair) and open again. Comes on
    /// any thread, also before open() returns.
    std::function<void(const Error& what)> damaged{};
    /// Of a group: the key that its replicas share (storage/cell_key.h), as soon as it was handed
    /// to this one; at most once, on the apply executor. Without it none is made.
    std::function<void(crypto::Secret key)> cell_key{};
    /// Of a group: how this replica stands in it, at first and whenever that has changed. Who is
    /// out (is_out) has to be closed. Comes on the raft executor.
    std::function<void(Standing)> standing{};
    /// Of a group: records of keys of persons, as they are stored, before they are readable. In
    /// their order, on the prove executor.
    std::function<void(std::vector<KeyRecord>)> key_records{};
    /// Of a group: what the keeper of keys at replica `from` sent. On the raft executor.
    std::function<void(std::uint64_t from, Buffer)> keeper_message{};
    /// Of a group: its leader wants this replica's storage key turned over
    /// (storage/storage_turner.h). On the door's executor.
    std::function<void()> turn_storage{};
  };
  using Progress = std::function<void(const RecoveryProgress&)>;
  /// Opens or creates the cell's data on `disk` and recovers it. Blocks. `on_fatal` is called once
  /// if the disk fails later: the process must then stop. Errors: data_loss naming the damaged
  /// records and what to do; failed_precondition (other cell, newer format).
  static Result<std::unique_ptr<Replica>> open(const Io&, const ReplicaConfig&, ReplicaExecutors,
                                               const Progress&,
                                               std::function<void(Error)> on_fatal);
  virtual ~Replica() = default;

  // --- writing ---
  using Answered = std::function<void(Result<Answer>)>;
  /// Queues a request. `answered` is called once: with the Answer after it is durable and
  /// applied; or with an error: resource_exhausted and invalid_argument mean nothing was done;
  /// unavailable after a failure of the log means the outcome is UNKNOWN.
  virtual void submit(std::unique_ptr<ledger::Request> request, Answered answered) = 0;

  // --- who orders ---
  /// Thread-safe. Alone: always itself.
  virtual Leadership leadership() const = 0;
  /// No others order with it: catch_up() has nothing to wait for.
  virtual bool is_alone() const = 0;
  /// Where clients reach the leader, if that is another replica and has said so; else empty.
  virtual std::string leader_address() const = 0;
  /// How far this replica is: readable records, applied entries. Thread-safe, never blocks.
  struct Position {
    std::uint64_t records, entry_index;
  };
  virtual Position position() const = 0;
  /// Everything that was answered anywhere before then is in this replica's state; none: it does
  /// not know, as no leader has answered yet. Asked for a few times a second, so that it is not
  /// much older than a round trip while a leader can be reached. Alone: now. Thread-safe, never
  /// blocks.
  virtual std::optional<io::MonotonicTime> current_as_of() const = 0;
  /// Calls `ready` once this replica's state holds everything that was answered anywhere before
  /// this call: what is read after that is linearizable. Errors: unavailable (no leader answers).
  virtual void catch_up(std::function<void(Status)> ready) = 0;
  /// Whether most voters' clocks agree with ours, as compared just now: what is done because time
  /// has passed, and cannot be undone, waits for that. Alone: yes. Thread-safe.
  virtual bool is_clock_confirmed() const = 0;
  /// Asks for leadership to move to replica `to`, which must be caught up.
  virtual void transfer_leadership(std::uint64_t to) = 0;

  /// Who takes part now, as this replica knows it; alone: nobody but itself. Comes on the raft
  /// executor, or at once.
  virtual void group(std::function<void(const GroupState&)> ready) = 0;
  /// Adds learners, gives votes, removes members, in one change. `done` once the change is applied
  /// here; a joint configuration is left by itself after that. Errors, nothing was done then:
  /// invalid_argument; failed_precondition (placement, too few active voters, a learner that is
  /// behind, another change under way); unavailable (not the leader). deadline_exceeded: the
  /// outcome is unknown.
  virtual void change_members(std::vector<MemberStep> steps, std::function<void(Status)> done) = 0;

  /// Which feature levels the members run, and which is active. Comes as group() does.
  virtual void levels(std::function<void(const LevelReport&)> ready) = 0;
  /// Makes `level` the cell's, for good. `done` once that is applied here. Errors, nothing was done
  /// then: failed_precondition (check_activation); unavailable (not the leader).
  /// deadline_exceeded: the outcome is unknown; levels() tells it.
  virtual void activate_level(std::uint32_t level, std::function<void(Status)> done) = 0;

  // --- state, read where it is changed: linearizable on a leader or after catch_up() ---
  using Reader = std::function<void(const ledger::Ledger&)>;
  /// Runs `reader` on the apply executor, after everything that this replica answered before.
  virtual void read_state(Reader reader) = 0;
  /// The record that used this id, or no_record.
  using Found = std::function<void(Result<ledger::RecordIndex>)>;
  virtual void find_record(ledger::IdSpace space, u128 id, Found found) = 0;

  // --- history, from any thread; blocks on disk reads ---
  /// Records stored and readable so far: a position that a reader may wait for.
  virtual std::uint64_t visible_records() const = 0;
  /// Calls `visible` once when at least `count` records are readable (at once if they are).
  /// Returns a token for cancel_wait.
  virtual std::uint64_t when_visible(std::uint64_t count,
                                     std::function<void(std::uint64_t)> visible) = 0;
  virtual void cancel_wait(std::uint64_t token) = 0;
  virtual Result<Buffer> header(ledger::RecordIndex index) = 0;
  virtual Result<Buffer> payload(ledger::RecordIndex index) = 0;
  using Visit = std::function<bool(ledger::RecordIndex, Bytes header)>;
  virtual Status scan(ledger::RecordIndex first, std::uint64_t count, const Visit& visit) = 0;
  /// The same as a source for ledger/queries.h.
  virtual ledger::RecordSource& records() = 0;
  /// Records of a stream by revision, or of a category by record index: first <= position <= last.
  virtual Result<std::vector<ledger::RecordIndex>> stream_records(u128 stream, std::uint64_t first,
                                                                  std::uint64_t last,
                                                                  std::size_t count,
                                                                  bool reversed) = 0;
  virtual Result<std::vector<ledger::RecordIndex>> category_records(
      u128 category, std::uint64_t first, std::uint64_t last, std::size_t count, bool reversed) = 0;

  // --- keys of persons, of a group ---
  /// To the keeper of keys at replica `to`; lost if it cannot be reached now. Thread-safe.
  virtual void send_to_keeper(std::uint64_t to, Buffer message) = 0;
  /// Of every replica that told it, this one included. Thread-safe.
  virtual std::map<std::uint64_t, crypto::ExchangePublicKey> exchange_keys() const = 0;

  // --- proofs ---
  // One of a group gives neither before a quorum of voters, of two regions, has cosigned the tree.
  // Errors then: unavailable after CosignerExchange::patience, naming who did not. What was
  // answered stays acknowledged, and provable once they are back; without a quorum there is no
  // receipt.
  /// A checkpoint note, signed and cosigned, over at least all that was answered before this call.
  using CheckpointReady = std::function<void(Result<std::string>)>;
  virtual void checkpoint(CheckpointReady ready) = 0;
  /// A receipt of record `index` under a checkpoint that covers it, made when it is.
  using ReceiptReady = std::function<void(Result<proof::Receipt>)>;
  virtual void receipt(ledger::RecordIndex index, ReceiptReady ready) = 0;
  virtual std::string origin() const = 0;
  virtual std::string log_vkey() const = 0;
  virtual std::string cosigner_vkey() const = 0;
  /// The vkeys of one that votes.
  struct VoterKeys {
    std::uint64_t id;
    std::string region;  ///< Empty alone.
    std::string log_vkey, cosigner_vkey;
  };
  /// Of all who vote, this replica's own if it is alone: what a policy names. Peers tell theirs
  /// over their links. Errors: unavailable, naming those that have not yet.
  virtual Result<std::vector<VoterKeys>> voter_keys() const = 0;
  /// Hashes of a tile level (proof::TileReader of this log).
  virtual proof::TileReader& tiles() = 0;

  /// For whoever copies this replica's state and records.
  virtual StateSource& state_source() = 0;

  struct Report {
    ledger::LedgerCounts counts;
    std::uint64_t last_entry_index, term, checkpoint_record, debt_bytes, wal_files;
    bool at_capacity;  ///< a declared maximum is reached: new writes are refused
    std::optional<proof::TreeHead> signed_head;
    std::optional<GroupReport> group;  ///< None: it is alone.
  };
  virtual void report(std::function<void(Report)> ready) = 0;
  /// Calls `done` when all that was submitted is answered, proven and stored, no checkpoint is
  /// being written and no run waits to be merged.
  virtual void settle(std::function<void()> done) = 0;
};

}  // namespace meridian::replica
