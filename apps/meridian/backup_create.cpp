// A copy of a stopped node's directory into a backup: records by the same pieces and checks as
// between replicas, chunks of the state that are not there yet, the log behind the state.
#include <fmt/format.h>

#include <algorithm>

#include "backup.h"
#include "backup_store.h"
#include "commands.h"
#include "data_directory.h"
#include "door/owed_records.h"
#include "files.h"
#include "ledger/entry.h"
#include "ledger/ledger.h"
#include "proof/checkpoint.h"
#include "proof/cosignature.h"
#include "replica/checkpointer.h"
#include "replica/cosigned_head.h"
#include "replica/origin.h"
#include "replica/prover.h"
#include "replica/record_copy.h"
#include "replica/state_source.h"
#include "storage/replica_identity.h"

namespace meridian::app {

namespace {

constexpr std::uint64_t records_per_request = 8'192;
constexpr std::uint64_t head_file_size_max = 4'096;
constexpr std::uint64_t ns_per_day = 24ULL * 3'600 * 1'000'000'000;

class Creation {
 public:
  Creation(const BackupOptions& options, const BackupProgress& progress)
      : options_(options), progress_(progress) {}

  Result<CreatedBackup> run() {
    TRY(open_source());
    TRY(open_target());
    TRY(copy_records());
    TRY(copy_log());
    TRY(copy_state());
    TRY(describe());
    TRY(keep_keys());
    TRY(commit());
    return done_;
  }

 private:
  Status open_source();
  Status check_source();
  Status open_target();
  Status copy_records();
  Status copy_log();
  Status copy_state();
  Status describe();
  Status sign();
  Result<std::vector<door::OwedRecords::Owed>> known_key_records();
  Result<Buffer> read_key_records();
  Status keep_keys();
  Status commit();

  storage::SealedContext source() const {
    return {*data_.disk, *data_.entropy, *data_.keys, data_.cell};
  }
  storage::SealedContext target() const { return bundle_context(*disk_); }
  storage::SealedContext bundle_context(io::Disk& disk) const {
    return {disk, *data_.entropy, *bundle_.keys, data_.cell};
  }
  const storage::StateManifest* manifest() const { return states_->newest(); }
  std::uint64_t covered() const { return manifest() != nullptr ? manifest()->record_index : 0; }
  std::uint64_t logged_from() const { return manifest() != nullptr ? manifest()->entry_index : 0; }

  const BackupOptions& options_;
  const BackupProgress& progress_;
  CreatedBackup done_;

  DataDirectory data_;
  Generation generation_;
  std::unique_ptr<storage::RecordStore> records_;
  std::unique_ptr<storage::TileStore> tiles_;
  std::unique_ptr<storage::StateStore> states_;

  BundleDirectory bundle_;
  std::unique_ptr<io::Disk> disk_;
  std::unique_ptr<io::DiskLock> lock_;
  std::unique_ptr<storage::StateStore> kept_states_;
  std::optional<BackupInfo> before_;
  BackupInfo info_;
  std::uint64_t key_records_until_ = 0;  ///< What the bundle before has.
};

Status Creation::open_source() {
  data_ = TRY(open_to_look(options_.data, options_));
  generation_ = TRY(read_generation(*data_.disk));
  if (generation_.opening)
    return fail(Code::failed_precondition,
                fmt::format("generation {} is being opened. run `meridian recovery new-generation "
                            "--accept-loss {}` to the end, then back up",
                            generation_.number, generation_.opening->range()));
  records_ = TRY(storage::RecordStore::open_read_only(source()));
  tiles_ = TRY(storage::TileStore::open_read_only(*data_.disk));
  states_ = TRY(storage::StateStore::open(source()));
  if (TRY(data_.disk->exists(replica::CosignedHead::path))) {
    const auto cosigned = TRY(replica::CosignedHead::open(*data_.disk));
    if (cosigned.last()) info_.signed_head = *cosigned.last();
  }
  return check_source();
}

/// What is stored is whole, and what was signed.
Status Creation::check_source() {
  const std::uint64_t count = records_->count();
  const std::uint64_t there = std::min(count, tiles_->count(0));
  const std::uint64_t wanted = std::max({count, raw(info_.signed_head.size), covered()});
  if (wanted == 0)
    return fail(Code::failed_precondition, "there is no record yet: nothing to back up");
  if (there < wanted)
    return fail(Code::failed_precondition,
                fmt::format("records {} to {} stand in the write-ahead log only, as a crash leaves "
                            "them. start `meridian serve` on {} once and stop it, then back up",
                            there, wanted - 1, options_.data));
  replica::StoredTiles tiles(*tiles_);
  info_.head = TRY(proof::frontier_at(proof::TreeSize{count}, tiles)).head();
  if (raw(info_.signed_head.size) == 0) return {};
  if (TRY(proof::frontier_at(info_.signed_head.size, tiles)).root() == info_.signed_head.root)
    return {};
  return fail(Code::data_loss,
              fmt::format("the first {} records have another root than the one that was signed. "
                          "nothing was written; see `meridian verify --data {}`",
                          raw(info_.signed_head.size), options_.data));
}

Status Creation::open_target() {
  bundle_ = TRY(make_bundle_directory(options_.keys, *data_.clock, *data_.entropy));
  disk_ = TRY(open_directory(options_.backup));
  auto lock = disk_->lock(lock_path);
  if (!lock && lock.error().code == Code::failed_precondition)
    return fail(Code::failed_precondition,
                fmt::format("another process uses {}. wait for it", options_.backup));
  lock_ = TRY(std::move(lock));
  if (TRY(disk_->exists(cell_path))) {
    if (TRY(read_cell(*disk_)) != data_.cell)
      return fail(Code::failed_precondition,
                  fmt::format("{} holds a backup of another cell: name another directory",
                              options_.backup));
  } else {
    TRY(write_cell(*disk_, data_.cell));
  }
  auto states = storage::StateStore::open(target());
  if (!states)
    return with_context(states.error(),
                        "the backup that is there cannot be continued (is it of "
                        "these --keys?)");
  kept_states_ = std::move(*states);
  before_ = TRY(info_of(*kept_states_));
  if (before_ && before_->head.size > info_.head.size)
    return fail(Code::failed_precondition,
                fmt::format("the backup holds {} records and {} only {}: it is of a later time, or "
                            "of another history. name another directory for the backup",
                            raw(before_->head.size), options_.data, raw(info_.head.size)));
  return {};
}

Status Creation::copy_records() {
  proof::Frontier covered;
  if (before_) {
    auto tiles = TRY(storage::TileStore::open(*disk_, raw(before_->head.size)));
    replica::StoredTiles reader(*tiles);
    covered = TRY(proof::frontier_at(before_->head.size, reader));
    if (covered.head() != before_->head)
      return fail(Code::data_loss, "the tiles of the backup are damaged. `meridian backup verify`");
  }
  done_.records = raw(info_.head.size);
  done_.records_before = raw(covered.size());
  done_.root = info_.head.root;
  if (covered.head() == info_.head) return {};
  if (covered.size() == info_.head.size)
    return fail(Code::failed_precondition,
                "the backup holds as many records, and others: it is of another history. name "
                "another directory for the backup");
  replica::StateSource pieces({*records_, *tiles_, *states_, data_.cell, generation_.number});
  auto copy = TRY(replica::RecordCopy::open(target(), covered, info_.head));
  const auto read = [&](std::uint64_t first, std::uint64_t last) -> Result<Buffer> {
    auto piece = pieces.read({replica::PieceKind::records, raw(info_.head.size), first, last, {}});
    if (piece) return piece;
    return fail(piece.error().code,
                fmt::format("{}. if the server was killed, start it once, stop it and try again; "
                            "else see `meridian verify --data {}`",
                            piece.error().message, options_.data));
  };
  while (!copy->is_proven()) {
    const Buffer bytes = TRY(read(copy->next(), copy->next()));
    const replica::RecordsPiece proof = TRY(replica::RecordsPiece::decode(bytes));
    TRY(copy->prove(proof));
  }
  done_.records_before = copy->next();
  while (!copy->is_complete()) {
    const std::uint64_t last = std::min(raw(info_.head.size), copy->next() + records_per_request);
    const Buffer bytes = TRY(read(copy->next(), last));
    const Status added = copy->add(TRY(replica::RecordsPiece::decode(bytes)),
                                   [](const ledger::Header&) { return Status(); });
    if (!added && added.error().code == Code::invalid_argument)
      return fail(Code::data_loss,
                  fmt::format("{}: {}. see `meridian verify --data {}`", options_.data,
                              added.error().message, options_.data));
    TRY(Status(added));
    done_.record_bytes += bytes.size();
    progress_(copy->next(), raw(info_.head.size));
  }
  return copy->sync();
}

/// Entries behind the state checkpoint; the records that they give are counted. Of a group's log
/// what is past the stored records is left out: it may never be committed.
Status Creation::copy_log() {
  info_.log_number = before_ ? before_->log_number + 1 : 1;
  info_.log_end = covered();
  BackupLogWriter writer = TRY(BackupLogWriter::create(target(), info_.log_number));
  const bool is_of_group = TRY(data_.disk->exists(storage::ReplicaIdentity::path));
  if (is_of_group && manifest() == nullptr)
    return fail(
        Code::failed_precondition,
        "this replica has no state checkpoint yet, and a backup of one of several begins with "
        "one: let it run on until it has (`meridian status`: checkpoint_record), stop it, and "
        "back up then");
  TRY(storage::Wal::read_only(
      source(), logged_from() + 1,
      [&](const storage::WalEntry& entry) -> Status {
        if (is_of_group && info_.log_end >= raw(info_.head.size)) return {};
        if (entry.bytes.empty()) {  // consensus's own: makes no record
          ++info_.log_entries;
          return writer.add(entry);
        }
        const auto view = ledger::EntryView::decode(entry.bytes);
        if (!view)
          return with_context(view.error(), fmt::format("entry {} of the log", entry.index));
        info_.log_end += view->command_count();
        ++info_.log_entries;
        return writer.add(entry);
      },
      [](std::uint64_t, std::uint64_t) {}));
  TRY(writer.finish());
  TRY(disk_->sync_directory("log"));
  info_.log_bytes = writer.bytes();
  done_.log_entries = info_.log_entries;
  done_.log_bytes = info_.log_bytes;
  if (info_.log_end >= raw(info_.head.size)) return {};
  return fail(Code::data_loss,
              fmt::format("the log gives the state up to record {}, the segments hold {}: the log "
                          "lost its end. see `meridian recovery inspect --data {}`",
                          info_.log_end, raw(info_.head.size), options_.data));
}

Status Creation::copy_state() {
  TRY(kept_states_->begin(covered()));
  const auto pin = states_->pin();
  if (pin == nullptr) return {};
  std::vector<storage::StateChunkInfo> here;
  if (const auto kept = kept_states_->pin()) here = kept->chunks();
  for (const storage::StateChunkInfo& chunk : pin->chunks()) {
    ++done_.chunks;
    const auto same = std::ranges::lower_bound(here, chunk.id, {}, &storage::StateChunkInfo::id);
    if (same != here.end() && *same == chunk) {
      ++done_.chunks_kept;
      TRY(kept_states_->keep(chunk.id));
      continue;
    }
    const Buffer bytes = TRY(pin->read(chunk.id));
    TRY(kept_states_->add(chunk.id, chunk.digest, bytes));
    done_.chunk_bytes += chunk.size;
  }
  done_.state_records = covered();
  return {};
}

/// The head that was signed last, signed again: the same size and root, so nothing new is claimed.
Status Creation::sign() {
  replica::ReplicaConfig config;
  config.cell = data_.cell;
  config.generation = generation_.number;
  const proof::Signer log_key(replica::origin_of(config), proof::KeyType::ed25519,
                              TRY(data_.keys->signer("log")));
  const proof::Signer cosigner(replica::cosigner_name_of(config), proof::KeyType::cosignature,
                               TRY(data_.keys->signer("cosign")));
  info_.log_vkey = proof::format_vkey(log_key.verifier());
  info_.cosigner_vkey = proof::format_vkey(cosigner.verifier());
  if (raw(info_.signed_head.size) == 0) return {};
  proof::Note note = TRY(proof::sign_checkpoint(info_.signed_head, log_key));
  note.signatures.push_back(
      TRY(proof::cosign(note.text, cosigner, proof::PosixTime{info_.created_ns / 1'000'000'000})));
  info_.note = proof::format_note(note);
  return {};
}

Status Creation::describe() {
  info_.created_ns = static_cast<std::uint64_t>(data_.clock->now().time);
  info_.generation = generation_.number;
  for (std::uint64_t number = 1; number < generation_.number; ++number) {
    const std::string path =
        fmt::format("{}/{}/{}", generations_path, number, replica::CosignedHead::path);
    info_.kept_heads.push_back(TRY(io::read_file(*data_.disk, path, head_file_size_max)));
  }
  done_.signed_records = raw(info_.signed_head.size);
  return sign();
}

/// Those of the backup before stand in its bundle, unless a version before wrote that, or the keys
/// are of another backup: then all records are read.
Result<std::vector<door::OwedRecords::Owed>> Creation::known_key_records() {
  const Result<KeyBundle> bundle = read_bundle(bundle_context(*bundle_.disk));
  if (!before_ || !bundle || bundle->created_ns != before_->created_ns)
    return std::vector<door::OwedRecords::Owed>();
  const Buffer* known = bundle->find(key_records_path);
  if (known == nullptr) return std::vector<door::OwedRecords::Owed>();
  key_records_until_ = raw(before_->head.size);
  return door::OwedRecords::decode(*known);
}

Result<Buffer> Creation::read_key_records() {
  std::vector<door::OwedRecords::Owed> said = TRY(known_key_records());
  Status decoded;
  TRY(records_->scan(key_records_until_, raw(info_.head.size), [&](std::uint64_t, Bytes bytes) {
    const Result<ledger::Header> header = ledger::Header::decode(bytes);
    if (!header) decoded = header.error();
    const auto record = header ? replica::key_record_of(*header) : std::nullopt;
    if (record && door::change_of(record->kind, record->command.data()))
      said.push_back({header->actor, {record->kind, record->command}});
    return decoded.has_value();
  }));
  TRY(std::move(decoded));
  return door::OwedRecords::encode(said);
}

Status Creation::keep_keys() {
  KeyBundle bundle;
  bundle.cell = data_.cell;
  bundle.created_ns = info_.created_ns;
  bundle.expires_ns = info_.created_ns + options_.keys_valid_days * ns_per_day;
  bundle.files = TRY(collect_key_files(*data_.disk));
  bundle.files.push_back({std::string(key_records_path), TRY(read_key_records())});
  done_.expires_ns = bundle.expires_ns;
  return write_bundle(bundle_context(*bundle_.disk), bundle);
}

Status Creation::commit() {
  std::vector<Buffer> parts;
  if (manifest() != nullptr) {
    constexpr auto frontier = static_cast<std::size_t>(replica::Checkpointer::Part::frontier);
    constexpr auto membership = static_cast<std::size_t>(replica::Checkpointer::Part::membership);
    parts.resize(backup_info_part);
    parts[frontier] = manifest()->parts[frontier];
    if (manifest()->parts.size() > membership) parts[membership] = manifest()->parts[membership];
  } else {
    parts.resize(backup_info_part);
    parts[0] = proof::Frontier().encode();
  }
  parts.push_back(info_.encode());
  const std::uint64_t term = manifest() != nullptr ? manifest()->term : 0;
  TRY(kept_states_->commit(logged_from(), term, std::move(parts)));
  if (before_ && TRY(disk_->exists(backup_log_path(before_->log_number))))
    TRY(disk_->remove(backup_log_path(before_->log_number)));
  return {};
}

}  // namespace

Result<CreatedBackup> create_backup(const BackupOptions& options, const BackupProgress& progress) {
  return Creation(options, progress).run();
}

}  // namespace meridian::app
