// One pass over the headers, in a pipeline: this thread reads and opens them, `folding` decodes
// them, refolds balances and opens payloads, `hashing` builds the tree. `replaying` meanwhile
// restores the state checkpoint, keeps its balances for `folding` and executes the log from there.
//
//   scan -> batch -> folding: visit; at the checkpoint's record check_state
//                \-> hashing: TreeCheck::add
//   replaying: restore_state -> what the checkpoint holds -> LogReplay::run
//   then, alone: check_replay compares both, add_unstored adds what stands in the log only
//
// Batches end where a signed head or a checkpoint wants a look.
#include "audit/ledger_verifier.h"

#include <future>
#include <set>
#include <variant>

#include "audit/internal/balance_fold.h"
#include "audit/internal/findings.h"
#include "audit/internal/header_batch.h"
#include "audit/internal/log_replay.h"
#include "audit/internal/payload_check.h"
#include "audit/internal/sealed_files.h"
#include "audit/internal/signature_check.h"
#include "audit/internal/tree_check.h"
#include "audit/read_only_disk.h"
#include "base/assert.h"
#include "door/keeping_commands.h"
#include "door/owed_records.h"
#include "door/subject_key.h"
#include "replica/checkpointer.h"
#include "replica/cosigned_head.h"
#include "storage/cell_key_table.h"
#include "storage/key_table.h"
#include "storage/replica_identity.h"
#include "storage/state_store.h"

namespace meridian::audit {

namespace {

using namespace internal;  // NOLINT(google-build-using-namespace): the parts of this one

constexpr std::size_t batch_records = 1'024;
constexpr std::uint64_t owed_size_max = std::uint64_t{16} << 20;
constexpr std::uint64_t named_one_by_one_max = 1'024;
/// How many records ahead of its turn an account is fetched into the cache, in two steps.
constexpr std::size_t fetch_index_ahead = 24, fetch_account_ahead = 12;

class LedgerVerifier {
 public:
  LedgerVerifier(const VerifierIo& io, u128 cell, const OnFinding& on_finding,
                 const OnProgress& on_progress)
      : io_(io),
        disk_(io.disk),
        context_{disk_, io.entropy, io.keys, cell},
        findings_(on_finding),
        on_progress_(on_progress),
        fold_(cell, findings_),
        signatures_(findings_,
                    [this](std::uint64_t record) { return payloads_.read(*records_, record); }),
        payloads_(findings_, signatures_) {}
  /// Batches under way refer to members.
  ~LedgerVerifier() { drain(); }

  Result<Report> run();

 private:
  void drain() {
    io_.hashing.drain();
    io_.folding.drain();
    io_.replaying.drain();
  }

  // The calling thread.
  Status open();
  void open_state();
  void open_keys();
  void take_owed();
  Status open_signed();
  void expect_checkpoint();
  Status scan();
  void push(Bytes header);
  void flush();
  void lost(std::uint64_t first, std::uint64_t count, const Error& error);
  void check_replay();
  void check_generations();
  void add_unstored();

  // On `folding`, and on the calling thread when nothing runs there any more.
  void fold(const HeaderBatch& batch);
  void visit(std::uint64_t record, Bytes header, const Bytes* payload);
  void fold_key(const ledger::Header& header);
  void check_state();

  // On `replaying`.
  void replay();
  bool restore_state();

  VerifierIo io_;
  ReadOnlyDisk disk_;
  storage::SealedContext context_;
  Findings findings_;
  const OnProgress& on_progress_;
  Report report_;

  std::unique_ptr<storage::RecordStore> records_;
  std::unique_ptr<storage::TileStore> tiles_;
  std::unique_ptr<storage::StateStore> states_;
  std::unique_ptr<storage::KeyTable> key_table_;
  std::unique_ptr<storage::CellKeyTable> cell_key_table_;  ///< Of one of several replicas, instead.
  std::optional<proof::TreeHead> signed_;
  std::uint64_t count_ = 0;
  std::uint64_t covered_ = 0;  ///< Records below the state checkpoint.
  std::uint64_t next_ = 0;     ///< The record that a scan must hand out next.

  BalanceFold fold_;
  SignatureCheck signatures_;
  PayloadCheck payloads_;
  std::optional<TreeCheck> tree_;
  std::optional<LogReplay> replay_;
  bool can_replay_ = false;  ///< The id indexes open.
  /// What the checkpoint holds; none if it is damaged.
  std::promise<std::optional<BalanceFold::Stored>> stored_state_;
  BatchPool pool_;
  std::shared_ptr<HeaderBatch> batch_;
  std::set<std::uint64_t> stops_;  ///< Records before which a batch ends.
};

void LedgerVerifier::open_state() {
  replay_.emplace(context_, *records_, count_, findings_);
  auto states = storage::StateStore::open(context_);
  if (!states) return findings_.add("the state checkpoint: " + states.error().message);
  states_ = std::move(*states);
  const storage::StateManifest* manifest = states_->newest();
  if (manifest != nullptr) covered_ = manifest->record_index;
  if (manifest != nullptr && !replica::Checkpointer::is_part_count(manifest->parts.size()))
    return findings_.add("the state checkpoint has another number of parts than this build writes");
  const Status opened = replay_->open(manifest);
  can_replay_ = opened.has_value();
  if (!opened) findings_.add("the index of ids: " + opened.error().message);
}

void LedgerVerifier::open_keys() {
  const Result<bool> there = disk_.exists("keys/table");
  if (!there || !*there)
    return findings_.add("keys/table is missing: payloads about subjects cannot be opened");
  const Result<bool> has_peers = disk_.exists(storage::ReplicaIdentity::path);
  auto& keys = const_cast<storage::KeyStore&>(io_.keys);  // the disk is read only
  const auto open_into = [&](auto& member, auto opened) -> storage::SubjectKeyring* {
    if (!opened) {
      findings_.add("keys/table: " + opened.error().message);
      return nullptr;
    }
    member = std::move(*opened);
    return member.get();
  };
  storage::SubjectKeyring* ring =
      has_peers && *has_peers
          ? open_into(cell_key_table_, storage::CellKeyTable::open(context_, keys, io_.clock))
          : open_into(key_table_, storage::KeyTable::open(context_, keys, io_.clock));
  if (ring == nullptr) return;
  if (cell_key_table_ != nullptr) cell_key_table_->set_complete(true);
  auto sealer = door::PayloadSealer::create(context_.cell, io_.entropy, io_.keys, *ring);
  if (!sealer) return findings_.add("the key store: " + sealer.error().message);
  payloads_.open_with(std::move(*sealer));
}

/// Keys that are destroyed before the record of it is there: after a crash in between, or of a copy
/// that is older than its keys. The next start records them.
void LedgerVerifier::take_owed() {
  const Result<bool> there = disk_.exists(door::OwedRecords::path);
  if (!there || !*there) return;
  const auto bytes = io::read_file(disk_, door::OwedRecords::path, owed_size_max);
  const auto owed = bytes ? door::OwedRecords::decode(*bytes) : bytes.error();
  if (!owed) return findings_.add("keys/owed.records: " + owed.error().message);
  for (const door::OwedRecords::Owed& one : *owed) fold_.owe(one.command);
}

Status LedgerVerifier::open_signed() {
  if (!TRY(disk_.exists(replica::CosignedHead::path))) {
    if (count_ > 0)
      findings_.add("the file `cosigned` is missing: which tree head was signed last is not known");
    return {};
  }
  const auto head = replica::CosignedHead::open(disk_);
  if (!head) {
    findings_.add(head.error().message);
    return {};
  }
  if (head->damage()) findings_.add(*head->damage());
  signed_ = head->last();
  if (!signed_) return {};
  report_.signed_records = raw(signed_->size);
  report_.signed_root = signed_->root;
  tree_->expect(*signed_, "the head that this replica signed last");
  stops_.insert(raw(signed_->size));
  return {};
}

void LedgerVerifier::expect_checkpoint() {
  report_.checkpoint_records = covered_;
  if (covered_ == 0) return;
  stops_.insert(covered_);
  const auto& parts = states_->newest()->parts;
  constexpr auto part = static_cast<std::size_t>(replica::Checkpointer::Part::frontier);
  if (parts.size() <= part) return;  // told when it was opened
  const auto frontier = proof::Frontier::decode(parts[part]);
  if (!frontier || raw(frontier->size()) != covered_)
    return findings_.add("the Merkle frontier of the state checkpoint is damaged");
  tree_->expect(frontier->head(), "the state checkpoint");
}

Status LedgerVerifier::open() {
  records_ = TRY(storage::RecordStore::open_read_only(context_));
  tiles_ = TRY(storage::TileStore::open_read_only(disk_));
  count_ = records_->count();
  open_state();
  open_keys();
  tree_.emplace(*records_, *tiles_, covered_, findings_);
  TRY(open_signed());
  expect_checkpoint();
  return {};
}

// --- reading ---

void LedgerVerifier::flush() {
  if (batch_ == nullptr) return;
  BatchRef batch = std::move(batch_);
  batch_ = nullptr;
  io_.hashing.post([this, batch] { tree_->add(*batch); });
  io_.folding.post([this, batch = std::move(batch)] { fold(*batch); });
  on_progress_(next_, count_);
}

/// Adds the header of record `next_`; none if it could not be read.
void LedgerVerifier::push(Bytes header) {
  if (batch_ == nullptr) batch_ = pool_.take(next_);
  batch_->add(header);
  ++next_;
  if (batch_->sizes.size() >= batch_records || stops_.contains(next_)) flush();
}

void LedgerVerifier::lost(std::uint64_t first, std::uint64_t count, const Error& error) {
  if (count == 0) return findings_.add(error.message);
  if (count > named_one_by_one_max)
    findings_.add(first,
                  fmt::format("{} records from here on cannot be read: {}", count, error.message));
  for (std::uint64_t record = first; record < first + count; ++record) {
    if (count <= named_one_by_one_max) findings_.add(record, "cannot be read: " + error.message);
    if (record == next_) push({});
  }
}

Status LedgerVerifier::scan() {
  io_.replaying.post([this] { replay(); });
  // A crash may leave no segment at all: the log has the records.
  Status scanned = count_ == 0 ? Status()
                               : records_->scan_all(
                                     0, count_,
                                     [this](std::uint64_t, Bytes header) {
                                       push(header);
                                       return true;
                                     },
                                     [this](std::uint64_t first, std::uint64_t count,
                                            const Error& error) { lost(first, count, error); });
  flush();
  check_indexes(context_, states_.get(), findings_);
  drain();
  return scanned;
}

// --- folding ---

void LedgerVerifier::fold(const HeaderBatch& batch) {
  const Bytes bytes = batch.bytes;
  std::size_t at = 0, index_at = 0, account_at = 0;
  std::size_t index_next = 0, account_next = 0;
  for (std::size_t i = 0; i < batch.sizes.size(); ++i) {
    for (; index_next < std::min(i + fetch_index_ahead, batch.sizes.size()); ++index_next) {
      fold_.fetch_index(bytes.subspan(index_at, batch.sizes[index_next]));
      index_at += batch.sizes[index_next];
    }
    for (; account_next < std::min(i + fetch_account_ahead, batch.sizes.size()); ++account_next) {
      fold_.fetch_accounts(bytes.subspan(account_at, batch.sizes[account_next]));
      account_at += batch.sizes[account_next];
    }
    visit(batch.first + i, bytes.subspan(at, batch.sizes[i]), nullptr);
    at += batch.sizes[i];
  }
  if (batch.end() == covered_) check_state();
}

/// `payload`: of a record that stands in the log only; others are read from the segments.
void LedgerVerifier::visit(std::uint64_t record, Bytes bytes, const Bytes* payload) {
  if (bytes.empty()) return fold_.lost();  // told by whoever could not read it
  const Result<ledger::Header> header = ledger::Header::decode(bytes);
  if (!header) {
    findings_.add(record, "its header is not canonical: " + header.error().message);
    return fold_.lost();
  }
  if (raw(header->record_index) != record) {
    findings_.add(record,
                  fmt::format("its header says that it is record {}", raw(header->record_index)));
    return fold_.lost();
  }
  fold_.add(*header);
  if (cell_key_table_ != nullptr) fold_key(*header);
  signatures_.add_record(*header);
  const auto* event = std::get_if<ledger::EventBody>(&header->body);
  if (event == nullptr || header->outcome != ledger::Outcome::created || event->payload_size == 0)
    return;
  payloads_.check(
      *header, *event,
      payload != nullptr ? Result<Buffer>(to_buffer(*payload)) : records_->payload(record));
}

/// What was stored after the table was written last, in memory only. From a turn on that is not in
/// the table the keys are wrapped under one that is not here.
void LedgerVerifier::fold_key(const ledger::Header& header) {
  const auto record = replica::key_record_of(header);
  storage::CellKeyTable& table = *cell_key_table_;
  if (!record || record->record < table.place().records) return;
  const Byte* command = record->command.data();
  if (record->kind == ledger::CommandKind::turn_epoch) {
    if (ledger::load_command<ledger::TurnEpoch>(command).number > table.place().turns)
      table.set_complete(false);
  } else if (const auto change = door::change_of(record->kind, command)) {
    table.change(*change);
  } else if (record->kind == ledger::CommandKind::subject_key) {
    const Status added =
        door::fold(table, ledger::load_command<ledger::SubjectKey>(command), record->record);
    if (!added) findings_.add(record->record, added.error().message);
  }
}

/// The balances folded so far are those of the checkpoint's record; then the log goes on from it.
void LedgerVerifier::check_state() {
  const std::optional<BalanceFold::Stored> stored = stored_state_.get_future().get();
  if (stored) fold_.compare(*stored);
}

void LedgerVerifier::replay() {
  const bool is_restored = covered_ == 0 || restore_state();
  std::optional<BalanceFold::Stored> stored;
  if (is_restored) stored = BalanceFold::stored_of(replay_->state());
  stored_state_.set_value(std::move(stored));
  replay_->run(is_restored && can_replay_);
}

bool LedgerVerifier::restore_state() {
  const storage::StateManifest& manifest = *states_->newest();
  std::vector<ledger::StateChunk> chunks;
  const Status loaded = states_->load([&](storage::ChunkId id, Bytes bytes) -> Status {
    chunks.push_back({id.kind, id.number, false, to_buffer(bytes)});
    return {};
  });
  const auto damaged = [this](std::string what) {
    findings_.add(std::move(what));
    return false;
  };
  if (!loaded) return damaged("the state checkpoint: " + loaded.error().message);
  proof::Hashes leaves;
  for (const ledger::StateChunk& chunk : chunks) {
    const crypto::Digest digest = ledger::chunk_digest(chunk.kind, chunk.number, chunk.bytes);
    leaves.push_back(proof::leaf_hash(digest));
  }
  if (proof::root_of(leaves) != manifest.digest)
    return damaged("the state checkpoint's chunks do not give its digest");
  ledger::Ledger& state = replay_->state();
  const Status restored = state.restore(chunks);
  if (!restored) return damaged("the state checkpoint: " + restored.error().message);
  if (state.records() != covered_)
    return damaged(fmt::format("the state checkpoint holds the state of {} records, not of {}",
                               state.records(), covered_));
  return true;
}

// --- what the log gives, once everything has run ---

/// Every record that stands in segment and log is the one that the log gives.
void LedgerVerifier::check_replay() {
  const LogReplay::Results& log = replay_->results();
  const std::uint64_t executed = log.first + log.leaves.size();
  for (std::uint64_t record = log.first; record < std::min(executed, count_); ++record) {
    const std::optional<proof::Hash> stored = tree_->leaf_of_header(record);
    if (!stored) continue;
    ++report_.log_records_compared;
    if (*stored != log.leaves[record - log.first])
      findings_.add(record, "its header is not the one that its entry in the log gives");
  }
  report_.log_entries = log.entries;
  report_.log_executed = log.executed;
  report_.log_tail_bytes = log.tail_bytes;
  if (count_ > log.end)
    findings_.add_loss(log.end,
                       "this record and all after it are in the segments, but not in the log");
  if (log.executed) add_unstored();
}

/// Records that stand in the log only are records like all others.
void LedgerVerifier::add_unstored() {
  HeaderBatch batch;
  batch.first = next_;
  const auto hand_over = [&] {
    tree_->add(batch);
    batch = HeaderBatch();
    batch.first = next_;
  };
  replay_->visit_unstored([&](Bytes header, Bytes payload) {
    visit(next_, header, &payload);
    batch.add(header);
    ++next_;
    ++report_.log_only_records;
    if (batch.sizes.size() >= batch_records || stops_.contains(next_)) hand_over();
  });
  if (!batch.sizes.empty()) hand_over();
}

/// What a later generation says was lost is what the earlier one signed.
void LedgerVerifier::check_generations() {
  report_.generation = fold_.generation();
  for (const Succession& next : fold_.successions()) {
    const ledger::OpenGeneration& command = next.command;
    if (command.lost_count > 0)
      report_.losses.push_back({command.generation, next.record,
                                command.predecessor_size - command.lost_count,
                                command.predecessor_size - 1});
    const std::string kept =
        fmt::format("generations/{}/{}", command.generation - 1, replica::CosignedHead::path);
    const Result<bool> there = disk_.exists(kept);
    if (!there || !*there) {
      findings_.add(next.record, kept + " is missing: what the earlier generation signed last");
      continue;
    }
    const auto head = replica::CosignedHead::open(disk_, kept);
    const proof::TreeHead said{proof::TreeSize{command.predecessor_size}, command.predecessor_root};
    if (!head) {
      findings_.add(next.record, head.error().message);
    } else if (head->last() != said) {
      findings_.add(next.record, "names another head than " + kept + " holds");
    }
  }
}

Result<Report> LedgerVerifier::run() {
  TRY(open());
  TRY(scan());
  if (covered_ > count_) {
    findings_.add(count_, fmt::format("records from here to {} are missing: the state checkpoint "
                                      "covers them",
                                      covered_ - 1));
  }
  check_replay();
  tree_->finish();
  take_owed();
  payloads_.check_missing_keys(fold_);
  check_generations();
  const std::uint64_t there = std::max(count_, replay_->results().end);
  if (signed_ && raw(signed_->size) > there)
    findings_.add_loss(there,
                       fmt::format("records from here to {} were signed and are not there any more",
                                   raw(signed_->size) - 1));
  if (states_ != nullptr && states_->newest() != nullptr) {
    const auto recorded = fold_.state_digests().find(covered_);
    if (recorded != fold_.state_digests().end() && recorded->second != states_->newest()->digest)
      findings_.add("the state checkpoint is not the one whose digest the ledger recorded");
  }

  report_.records = count_ + report_.log_only_records;
  report_.stored_records = count_;
  report_.log_end = replay_->results().end;
  report_.transfers = fold_.transfers();
  report_.accounts = fold_.accounts();
  report_.events = fold_.events();
  report_.payloads_opened = payloads_.opened();
  report_.payloads_forgotten = payloads_.forgotten();
  report_.payloads_locked = payloads_.locked();
  report_.client_signatures = signatures_.signatures();
  report_.client_signed_records = signatures_.records();
  report_.client_signed_contents = signatures_.contents();
  report_.client_signed_unread = signatures_.unread();
  report_.root = to_hex(tree_->head().root);
  report_.findings = findings_.count();
  return std::move(report_);
}

}  // namespace

Result<Report> verify_ledger(const VerifierIo& io, u128 cell, const OnFinding& on_finding,
                             const OnProgress& on_progress) {
  return LedgerVerifier(io, cell, on_finding, on_progress).run();
}

}  // namespace meridian::audit
