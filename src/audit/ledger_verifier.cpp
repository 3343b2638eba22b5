// One pass over the headers: this thread reads, decodes, refolds balances and opens payloads; the
// hashing executor builds the tree. Batches end where a signed head or a checkpoint wants a look.
#include "audit/ledger_verifier.h"

#include <semaphore>
#include <set>
#include <variant>

#include "audit/internal/balance_fold.h"
#include "audit/internal/findings.h"
#include "audit/internal/tree_check.h"
#include "audit/read_only_disk.h"
#include "base/assert.h"
#include "door/payload_sealer.h"
#include "ledger/memory_history.h"
#include "replica/checkpointer.h"
#include "replica/cosigned_head.h"
#include "storage/key_table.h"
#include "storage/state_store.h"
#include "storage/wal.h"

namespace meridian::audit {

namespace {

using internal::BalanceFold;
using internal::Findings;
using internal::HeaderBatch;
using internal::TreeCheck;

constexpr std::size_t batch_records = 4'096;
constexpr std::ptrdiff_t batches_in_flight = 8;
constexpr std::uint64_t named_one_by_one_max = 1'024;

class LedgerVerifier {
 public:
  LedgerVerifier(const VerifierIo& io, u128 cell, const OnFinding& on_finding,
                 const OnProgress& on_progress)
      : io_(io),
        disk_(io.disk),
        context_{disk_, io.entropy, io.keys, cell},
        findings_(on_finding),
        on_progress_(on_progress),
        fold_(cell, findings_) {}
  /// Batches under way refer to members.
  ~LedgerVerifier() { io_.hashing.drain(); }

  Result<Report> run();

 private:
  Status open();
  void open_state();
  void open_keys();
  Status scan();
  void visit(std::uint64_t record, Bytes header);
  void lost(std::uint64_t first, std::uint64_t count, const Error& error);
  void push(Bytes header);
  void flush();
  void payload(const ledger::Header& header, const ledger::EventBody& body);
  void check_missing_keys();
  void check_state();
  void check_log();
  void check_sealed_files(const std::string& directory, std::string_view what);

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
  std::optional<door::PayloadSealer> sealer_;
  std::optional<proof::TreeHead> signed_;
  std::uint64_t count_ = 0;
  std::uint64_t covered_ = 0;  ///< Records below the state checkpoint.
  std::uint64_t next_ = 0;     ///< The record that a scan must hand out next.

  BalanceFold fold_;
  std::optional<TreeCheck> tree_;
  HeaderBatch batch_;
  std::set<std::uint64_t> stops_;  ///< Records before which a batch ends.
  std::counting_semaphore<batches_in_flight> free_batches_{batches_in_flight};

  struct MissingKey {
    std::uint64_t record;
    u128 subject;
    std::uint8_t retention;
  };
  std::vector<MissingKey> missing_keys_;
};

void LedgerVerifier::open_state() {
  auto states = storage::StateStore::open(context_);
  if (!states) return findings_.add("the state checkpoint: " + states.error().message);
  states_ = std::move(*states);
  if (states_->newest() != nullptr) covered_ = states_->newest()->record_index;
}

void LedgerVerifier::open_keys() {
  const Result<bool> there = disk_.exists("keys/table");
  if (!there || !*there)
    return findings_.add("keys/table is missing: payloads about subjects cannot be opened");
  auto table =
      storage::KeyTable::open(context_, const_cast<storage::KeyStore&>(io_.keys), io_.clock);
  if (!table) return findings_.add("keys/table: " + table.error().message);
  key_table_ = std::move(*table);
  auto sealer = door::PayloadSealer::create(context_.cell, io_.entropy, io_.keys, *key_table_);
  if (!sealer) return findings_.add("the key store: " + sealer.error().message);
  sealer_.emplace(std::move(*sealer));
}

Status LedgerVerifier::open() {
  records_ = TRY(storage::RecordStore::open_read_only(context_));
  tiles_ = TRY(storage::TileStore::open_read_only(disk_));
  open_state();
  open_keys();
  count_ = records_->count();
  tree_.emplace(*records_, *tiles_, covered_, findings_);
  if (TRY(disk_.exists("cosigned"))) {
    const auto head = replica::CosignedHead::open(disk_);
    if (!head) {
      findings_.add(head.error().message);
    } else {
      signed_ = head->last();
    }
  }
  if (signed_) {
    report_.signed_records = raw(signed_->size);
    tree_->expect(*signed_, "the head that this replica signed last");
    stops_.insert(raw(signed_->size));
  }
  report_.checkpoint_records = covered_;
  if (covered_ == 0) return {};
  stops_.insert(covered_);
  using Part = replica::Checkpointer::Part;
  const auto& parts = states_->newest()->parts;
  if (parts.size() != replica::Checkpointer::part_count) {
    findings_.add("the state checkpoint has another number of parts than this build writes");
    return {};
  }
  const auto frontier = proof::Frontier::decode(parts[static_cast<std::size_t>(Part::frontier)]);
  if (!frontier || raw(frontier->size()) != covered_) {
    findings_.add("the Merkle frontier of the state checkpoint is damaged");
  } else {
    tree_->expect(frontier->head(), "the state checkpoint");
  }
  return {};
}

void LedgerVerifier::flush() {
  if (batch_.sizes.empty()) return;
  free_batches_.acquire();
  io_.hashing.post([this, batch = std::move(batch_)] {
    tree_->add(batch);
    free_batches_.release();
  });
  batch_ = HeaderBatch();
  batch_.first = next_;
  batch_.bytes.reserve(batch_records * 320);
  on_progress_(next_, count_);
}

/// Adds the header of record `next_`; none if it could not be read.
void LedgerVerifier::push(Bytes header) {
  batch_.bytes.insert(batch_.bytes.end(), header.begin(), header.end());
  batch_.sizes.push_back(static_cast<std::uint32_t>(header.size()));
  ++next_;
  if (batch_.sizes.size() >= batch_records || stops_.contains(next_)) flush();
  if (next_ == covered_ && covered_ != 0) check_state();
}

void LedgerVerifier::lost(std::uint64_t first, std::uint64_t count, const Error& error) {
  if (count == 0) return findings_.add(error.message);
  if (count > named_one_by_one_max)
    findings_.add(first,
                  fmt::format("{} records from here on cannot be read: {}", count, error.message));
  for (std::uint64_t record = first; record < first + count; ++record) {
    fold_.lost(record);
    if (count <= named_one_by_one_max) findings_.add(record, "cannot be read: " + error.message);
    if (record == next_) push({});
  }
}

void LedgerVerifier::visit(std::uint64_t record, Bytes bytes) {
  const Result<ledger::Header> header = ledger::Header::decode(bytes);
  if (!header) {
    findings_.add(record, "its header is not canonical: " + header.error().message);
    fold_.lost(record);
  } else if (raw(header->record_index) != record) {
    findings_.add(record,
                  fmt::format("its header says that it is record {}", raw(header->record_index)));
    fold_.lost(record);
  } else {
    fold_.add(*header);
    const auto* event = std::get_if<ledger::EventBody>(&header->body);
    if (event != nullptr && header->outcome == ledger::Outcome::created && event->payload_size > 0)
      payload(*header, *event);
  }
  push(bytes);
}

void LedgerVerifier::payload(const ledger::Header& header, const ledger::EventBody& body) {
  const std::uint64_t record = raw(header.record_index);
  const Result<Buffer> bytes = records_->payload(record);
  if (!bytes) {
    findings_.add(record, bytes.error().code == Code::not_found
                              ? "its payload is missing, and nothing says that it was erased"
                              : "its payload cannot be read: " + bytes.error().message);
    return;
  }
  if (bytes->size() != body.payload_size)
    return findings_.add(record, fmt::format("its payload has {} bytes, its header says {}",
                                             bytes->size(), body.payload_size));
  const Result<ledger::Payload> decoded = ledger::Payload::decode(*bytes);
  if (!decoded)
    return findings_.add(record, "its payload is malformed: " + decoded.error().message);
  if (!sealer_) {
    std::vector<crypto::Digest> commitments;
    for (const ledger::Compartment& compartment : decoded->compartments)
      commitments.push_back(compartment.commitment);
    if (ledger::fold_commitments(commitments) != header.payload_commitment)
      findings_.add(record, "its payload does not match the commitment in its header");
    return;
  }
  const Result<door::OpenedEvent> opened = sealer_->open(header, *bytes);
  if (!opened) return findings_.add(record, opened.error().message);
  bool is_forgotten = false;
  for (std::size_t i = 0; i < opened->compartments.size(); ++i) {
    if (!opened->compartments[i].forgotten) continue;
    is_forgotten = true;
    const ledger::Compartment& sealed = decoded->compartments[i];
    missing_keys_.push_back({record, sealed.subject, sealed.retention});
  }
  ++(is_forgotten ? report_.payloads_forgotten : report_.payloads_opened);
}

/// Keys may be gone only for subjects of which a record, perhaps a later one, says so.
void LedgerVerifier::check_missing_keys() {
  for (const MissingKey& missing : missing_keys_)
    if (!fold_.is_erased(missing.subject, missing.retention))
      findings_.add(missing.record,
                    "the key of its payload is gone, and no erasure record covers it");
}

Status LedgerVerifier::scan() {
  if (stops_.contains(0)) stops_.erase(0);
  batch_.first = 0;
  TRY(records_->scan_all(
      0, count_,
      [this](std::uint64_t record, Bytes header) {
        visit(record, header);
        return true;
      },
      [this](std::uint64_t first, std::uint64_t count, const Error& error) {
        lost(first, count, error);
      }));
  flush();
  io_.hashing.drain();
  return {};
}

/// The balances folded so far are those of the checkpoint's record.
void LedgerVerifier::check_state() {
  const storage::StateManifest& manifest = *states_->newest();
  std::vector<ledger::StateChunk> chunks;
  const Status loaded = states_->load([&](storage::ChunkId id, Bytes bytes) -> Status {
    chunks.push_back({id.kind, id.number, false, to_buffer(bytes)});
    return {};
  });
  if (!loaded) return findings_.add("the state checkpoint: " + loaded.error().message);
  proof::Hashes leaves;
  for (const ledger::StateChunk& chunk : chunks) {
    const crypto::Digest digest = ledger::chunk_digest(chunk.kind, chunk.number, chunk.bytes);
    leaves.push_back(proof::leaf_hash(digest));
  }
  if (proof::root_of(leaves) != manifest.digest)
    return findings_.add("the state checkpoint's chunks do not give its digest");
  ledger::MemoryHistory none;
  ledger::Ledger state(context_.cell, none);
  const Status restored = state.restore(chunks);
  if (!restored) return findings_.add("the state checkpoint: " + restored.error().message);
  if (state.records() != covered_)
    return findings_.add(
        fmt::format("the state checkpoint holds the state of {} records, not of {}",
                    state.records(), covered_));
  fold_.compare(state);
}

void LedgerVerifier::check_log() {
  const std::uint64_t from =
      states_ != nullptr && states_->newest() != nullptr ? states_->newest()->entry_index + 1 : 1;
  std::uint64_t in_log = covered_;
  const auto wal = storage::Wal::read(
      context_, from,
      [&](const storage::WalEntry& entry) -> Status {
        const Result<ledger::EntryView> view = ledger::EntryView::decode(entry.bytes);
        if (!view) {
          findings_.add(fmt::format("entry {} of the write-ahead log: {}", entry.index,
                                    view.error().message));
          return {};
        }
        ++report_.log_entries;
        in_log += view->command_count();
        return {};
      },
      {});
  if (!wal) return findings_.add("the write-ahead log: " + wal.error().message);
  const std::uint64_t there = std::max(count_, in_log);
  if (signed_ && raw(signed_->size) > there)
    findings_.add(there,
                  fmt::format("records from here to {} were signed and are not there any more",
                              raw(signed_->size) - 1));
  if (count_ > in_log)
    findings_.add(in_log, "this record and all after it are in the segments, but not in the log");
}

/// Every frame of every file of a directory opens: for what nothing above reads from end to end.
void LedgerVerifier::check_sealed_files(const std::string& directory, std::string_view what) {
  const Result<bool> there = disk_.exists(directory);
  if (!there || !*there) return;
  const auto names = disk_.list(directory);
  if (!names) return findings_.add(fmt::format("{}: {}", what, names.error().message));
  for (const std::string& name : *names) {
    const std::string path = directory + "/" + name;
    Buffer header(storage::sealed_file_header_size);
    const auto file = disk_.open(path, io::OpenMode::read);
    const Result<std::size_t> size = file ? (*file)->read_at(0, header) : Result<std::size_t>(0);
    if (!size || *size != header.size() || !as_text(header).starts_with("MRDNFILE")) {
      if (name.ends_with(".run")) findings_.add(fmt::format("{}: {} is damaged", what, path));
      continue;
    }
    const auto purpose = static_cast<storage::Purpose>(load_le<std::uint16_t>(&header[10]));
    const auto number = load_le<std::uint64_t>(&header[32]);
    auto reader = storage::SealedReader::open(context_, path, purpose, number);
    std::uint64_t position = storage::sealed_file_header_size;
    while (reader) {
      const auto frame = reader->read(position);
      if (!frame && frame.error().code == Code::out_of_range) break;
      if (!frame) {
        findings_.add(fmt::format("{}: {}", what, frame.error().message));
        break;
      }
      position += frame->size;
    }
    if (!reader) findings_.add(fmt::format("{}: {}: {}", what, path, reader.error().message));
  }
}

Result<Report> LedgerVerifier::run() {
  TRY(open());
  TRY(scan());
  tree_->finish();
  check_missing_keys();
  if (covered_ > count_)
    findings_.add(count_, fmt::format("records from here to {} are missing: the state checkpoint "
                                      "covers them",
                                      covered_ - 1));
  if (states_ != nullptr && states_->newest() != nullptr) {
    const auto recorded = fold_.state_digests().find(covered_);
    if (recorded != fold_.state_digests().end() && recorded->second != states_->newest()->digest)
      findings_.add("the state checkpoint is not the one whose digest the ledger recorded");
  }
  check_log();
  for (const char* name : {"transfers", "resolutions", "events", "streams", "categories"})
    check_sealed_files(std::string("index/") + name, std::string("the index of ") + name);

  report_.records = count_;
  report_.transfers = fold_.transfers();
  report_.accounts = fold_.accounts();
  report_.events = fold_.events();
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
