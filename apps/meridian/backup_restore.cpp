// A new data directory from a backup and its keys.
//
//   keys ─> records and state, by the pieces and checks of a copy ─> log ─> erasures that the
//   records hold ─> what was signed ─> file `cell` ─> new generation, if need be ─> verify all
//
// Until the file `cell` is there nothing serves the directory; the marker `restoring` lets the same
// command go on after a stop.
#include <fmt/format.h>

#include <algorithm>

#include "audit/read_only_disk.h"
#include "backup.h"
#include "backup_store.h"
#include "commands.h"
#include "data_directory.h"
#include "door/keeping_commands.h"
#include "door/owed_records.h"
#include "door/subject_key.h"
#include "files.h"
#include "new_generation.h"
#include "proof/checkpoint.h"
#include "replica/cosigned_head.h"
#include "replica/origin.h"
#include "replica/prover.h"
#include "replica/recovery.h"
#include "replica/state_installer.h"
#include "replica/state_source.h"
#include "storage/cell_key_table.h"
#include "storage/key_table.h"

namespace meridian::app {

namespace {

constexpr std::string_view marker_path = "restoring";
constexpr std::uint64_t head_file_size = 1'024;
constexpr std::string_view head_file_magic = "MRDNHEAD";  // docs/formats/generation.md
constexpr std::uint64_t note_size_max = proof::note_size_max;

/// What is known of the head that was signed last.
struct LastSigned {
  proof::TreeHead head;
  bool is_certain = false;  ///< Nothing newer was signed.
};

class Restoration {
 public:
  Restoration(const BackupOptions& options, const BackupProgress& progress)
      : options_(options), progress_(progress) {}

  Result<RestoredBackup> run() {
    TRY(open_backup_and_keys());
    TRY(find_last_signed());
    TRY(open_target());
    if (!TRY(node_.disk->exists(cell_path))) TRY(fill());
    TRY(finish());
    return done_;
  }

 private:
  Status open_backup_and_keys();
  Status find_last_signed();
  Status check_known(const proof::TreeHead& head);
  Status open_target();
  Status fill();
  Status put_keys();
  Status install();
  Status put_log();
  Status fold_keys();
  Status owe(storage::KeyTable& table, const std::vector<door::KeepingCommand>& recorded);
  Status erase_again();
  Status put_heads();
  Status finish();
  Status verify_all();
  Status check_root(io::Disk& disk, const audit::Report& report);

  storage::SealedContext from() const {
    return {*backup_disk_, *node_.entropy, *bundle_.keys, cell_};
  }
  storage::SealedContext to() const { return {*node_.disk, *node_.entropy, *node_.keys, cell_}; }

  const BackupOptions& options_;
  const BackupProgress& progress_;
  RestoredBackup done_;

  std::unique_ptr<io::Disk> backup_writable_;  ///< Never written.
  std::unique_ptr<audit::ReadOnlyDisk> backup_disk_;
  BundleDirectory bundle_;
  KeyBundle keys_;
  u128 cell_ = 0;
  Node node_;  ///< Its clock and entropy serve from the start.
  Backup backup_;
  LastSigned last_;
};

Status Restoration::open_backup_and_keys() {
  node_.clock = io::os_clock();
  node_.entropy = io::os_entropy();
  bundle_ = TRY(open_bundle_directory(options_.keys, *node_.clock, *node_.entropy));
  backup_writable_ = TRY(open_existing_directory(options_.backup));
  backup_disk_ = std::make_unique<audit::ReadOnlyDisk>(*backup_writable_);
  cell_ = TRY(read_cell(*backup_disk_));
  keys_ = TRY(read_bundle(bundle_.context(*node_.entropy, cell_)));
  TRY(keys_.check_valid(node_.clock->now().time));
  backup_ = TRY(open_backup(from()));
  return {};
}

/// A tree of which the backup holds all records must be a part of it.
Status Restoration::check_known(const proof::TreeHead& head) {
  if (raw(head.size) == 0 || head.size > backup_.info.head.size) return {};
  replica::StoredTiles tiles(*backup_.tiles);
  if (TRY(proof::frontier_at(head.size, tiles)).root() == head.root) return {};
  return fail(Code::data_loss,
              fmt::format("the first {} records of the backup have another root than the one that "
                          "was signed: it is of another history. nothing was restored",
                          raw(head.size)));
}

/// From the backup, or newer from the file that was named: `cosigned` of the lost directory, or a
/// checkpoint note that somebody kept.
Status Restoration::find_last_signed() {
  last_.head = backup_.info.signed_head;
  TRY(check_known(last_.head));
  if (options_.last_signed.empty()) return {};
  const std::string text = TRY(read_input(options_.last_signed, note_size_max));
  proof::TreeHead given;
  if (text.size() == head_file_size && text.find(head_file_magic) != std::string::npos) {
    const std::string path = below_root(options_.last_signed);
    const auto root = TRY(open_existing_directory("/"));
    audit::ReadOnlyDisk look(*root);
    const auto cosigned = TRY(replica::CosignedHead::open(look, path));
    if (cosigned.last()) given = *cosigned.last();
    last_.is_certain = !cosigned.damage();
  } else {
    const proof::Note note = TRY(proof::parse_note(text));
    const proof::Checkpoint checkpoint = TRY(proof::parse_checkpoint(note.text));
    replica::ReplicaConfig config;
    config.cell = cell_;
    config.generation = backup_.info.generation;
    if (checkpoint.origin != replica::origin_of(config))
      return fail(Code::invalid_argument,
                  fmt::format("{} is a checkpoint of {}, the backup is of {}", options_.last_signed,
                              checkpoint.origin, replica::origin_of(config)));
    const auto log = TRY(proof::parse_vkey(backup_.info.log_vkey));
    const bool is_signed = std::ranges::any_of(note.signatures, [&](const auto& signature) {
      return proof::check_signature(note.text, signature, log) == proof::SignatureCheck::good;
    });
    if (!is_signed)
      return fail(Code::invalid_argument,
                  options_.last_signed + " is not signed by the log of the backup");
    given = checkpoint.head;
  }
  TRY(check_known(given));
  if (given.size >= last_.head.size) {
    last_.head = given;
    return {};
  }
  last_.is_certain = false;
  return fail(Code::invalid_argument,
              fmt::format("{} is older than the backup: it covers {} records, the backup knows of "
                          "{} that were signed",
                          options_.last_signed, raw(given.size), raw(last_.head.size)));
}

Status Restoration::open_target() {
  node_.disk = std::make_unique<storage::GuardedDisk>(TRY(open_directory(options_.data)));
  const bool is_begun = TRY(node_.disk->exists(marker_path));
  if (!is_begun && !TRY(node_.disk->list("")).empty())
    return fail(Code::failed_precondition,
                fmt::format("{} is not empty: name a new directory", options_.data));
  auto lock = node_.disk->lock(lock_path);
  if (!lock && lock.error().code == Code::failed_precondition)
    return fail(Code::failed_precondition,
                fmt::format("another process uses {}. wait for it", options_.data));
  node_.lock = TRY(std::move(lock));
  TRY(io::replace_file(*node_.disk, marker_path, as_bytes("meridian backup restore\n")));
  TRY(put_keys());
  const crypto::Secret passphrase = TRY(read_passphrase(options_, *node_.disk));
  node_.keys =
      TRY(open_key_store(options_, {*node_.disk, *node_.clock, *node_.entropy}, passphrase));
  node_.cell = cell_;
  node_.generation = TRY(read_generation(*node_.disk));
  return {};
}

/// Once: keys that were destroyed or added here since must stay so.
Status Restoration::put_keys() {
  if (TRY(node_.disk->exists("keys/store"))) return {};
  TRY(node_.disk->make_directory("keys"));
  TRY(node_.disk->sync_directory(""));
  // The store last: with it the others are there.
  for (const bool is_store : {false, true})
    for (const KeyBundle::File& file : keys_.files)
      if (file.path != key_records_path && (file.path == "keys/store") == is_store)
        TRY(io::replace_file(*node_.disk, file.path, file.bytes));
  return {};
}

Status Restoration::fill() {
  TRY(install());
  TRY(put_log());
  TRY(erase_again());
  TRY(put_heads());
  return write_cell(*node_.disk, cell_);
}

Status Restoration::install() {
  const std::uint64_t covered = backup_.state().record_index;
  if (covered == 0) {  // the log gives everything; the stores are made as at a first start
    TRY(replica::open_stores(to()));
    return {};
  }
  {
    const auto states = TRY(storage::StateStore::open(to()));
    if (states->newest() != nullptr && states->newest()->record_index == covered) return {};
  }
  replica::StateSource source(
      {*backup_.records, *backup_.tiles, *backup_.states, cell_, backup_.info.generation});
  const replica::StateOffer offer = TRY(source.describe());
  const auto installer = TRY(replica::StateInstaller::begin(to(), offer, {}));
  while (const auto request = installer->next()) {
    const Status added = installer->add(*request, TRY(source.read(*request)), options_.backup);
    if (!added && added.error().code == Code::invalid_argument)
      return fail(Code::data_loss, "the backup is damaged: " + added.error().message);
    TRY(Status(added));
    progress_(installer->progress().records, raw(backup_.info.head.size));
  }
  done_.records_before = installer->progress().records_kept;
  return installer->commit();
}

Status Restoration::put_log() {
  TRY(replica::CosignedHead::open(*node_.disk));  // a node makes it before its log
  const auto log = TRY(storage::Wal::open(
      to(), {}, backup_.state().entry_index + 1,
      [](const storage::WalEntry&) -> Status { return {}; }, [](std::uint64_t, std::uint64_t) {}));
  if (log->ambiguous_tail()) TRY(log->drop_tail());
  std::vector<Buffer> kept;
  std::vector<storage::WalEntry> entries;
  std::size_t bytes = 0;
  const auto append = [&]() -> Status {
    if (!entries.empty()) TRY(log->append(entries));
    entries.clear();
    kept.clear();
    bytes = 0;
    return {};
  };
  TRY(read_backup_log(from(), backup_.info, [&](const storage::WalEntry& entry) -> Status {
    if (entry.index <= log->last_index()) return {};
    kept.push_back(to_buffer(entry.bytes));
    entries.push_back({entry.index, entry.term, kept.back()});
    bytes += kept.back().size();
    return bytes < (4U << 20) ? Status() : append();
  }));
  return append();
}

/// Of a backup that one of several replicas made: the records have keys of persons, and its table
/// may be some behind them.
Status Restoration::fold_keys() {
  const auto table = TRY(storage::CellKeyTable::open(to(), *node_.keys, *node_.clock));
  const storage::KeyPlace place = table->place();
  if (place.turns == 0) return {};  // of a replica that was alone
  Status folded;
  const auto fold = [&](Bytes bytes) -> Status {
    const ledger::Header header = TRY(ledger::Header::decode(bytes));
    const auto record = replica::key_record_of(header);
    if (!record || record->kind != ledger::CommandKind::subject_key) return {};
    return door::fold(*table, ledger::load_command<ledger::SubjectKey>(record->command.data()),
                      record->record);
  };
  const std::uint64_t end = raw(backup_.info.head.size);
  if (place.records >= end) return {};
  TRY(backup_.records->scan(place.records, end, [&](std::uint64_t, Bytes header) {
    folded = fold(header);
    return folded.has_value();
  }));
  TRY(std::move(folded));
  return table->folded(end);
}

/// What the keys know and the records do not, because they are older: the table is told once more,
/// and the first start records it.
Status Restoration::owe(storage::KeyTable& table,
                        const std::vector<door::KeepingCommand>& recorded) {
  const Buffer* known = keys_.find(key_records_path);
  if (known == nullptr) return {};  // of a version before
  std::vector<door::OwedRecords::Owed> missing;
  std::size_t at = 0;  // both in the order of the records
  for (const door::OwedRecords::Owed& one : TRY(door::OwedRecords::decode(*known))) {
    if (at < recorded.size() && recorded[at] == one.command) {
      ++at;
      continue;
    }
    TRY(table.change({*door::change_of(one.command.kind, one.command.bytes.data())}));
    missing.push_back(one);
  }
  if (missing.empty()) return {};
  done_.owed_records = missing.size();
  auto owed = TRY(door::OwedRecords::open(*node_.disk));
  TRY(owed.remove(missing));  // of a restore that was stopped here
  return owed.add(missing);
}

/// Whom the records say is forgotten stays forgotten, even if the keys are older; and whom the keys
/// know to be forgotten, even if the records are.
Status Restoration::erase_again() {
  TRY(fold_keys());
  const auto table = TRY(storage::KeyTable::open(to(), *node_.keys, *node_.clock));
  std::vector<door::KeepingCommand> recorded;
  Status erased;
  const auto erase = [&](Bytes bytes) -> Status {
    const ledger::Header header = TRY(ledger::Header::decode(bytes));
    const auto record = replica::key_record_of(header);
    if (!record) return {};
    const auto change = door::change_of(record->kind, record->command.data());
    if (!change) return {};
    recorded.push_back({record->kind, record->command});
    const bool was_forgotten = table->is_forgotten(change->subject);
    TRY(table->change({*change}));
    if (!was_forgotten && table->is_forgotten(change->subject)) ++done_.erased_subjects;
    return {};
  };
  TRY(backup_.records->scan(0, raw(backup_.info.head.size), [&](std::uint64_t, Bytes header) {
    erased = erase(header);
    return erased.has_value();
  }));
  TRY(std::move(erased));
  return owe(*table, recorded);
}

/// What earlier generations signed, what this one signed, and whether it can go on.
Status Restoration::put_heads() {
  node_.generation = Generation{backup_.info.generation, std::nullopt};
  for (std::size_t i = 0; i < backup_.info.kept_heads.size(); ++i) {
    const std::string folder = fmt::format("{}/{}", generations_path, i + 1);
    TRY(node_.disk->make_directory(folder));
    TRY(io::replace_file(*node_.disk, fmt::format("{}/{}", folder, replica::CosignedHead::path),
                         backup_.info.kept_heads[i]));
    TRY(node_.disk->sync_directory(std::string(generations_path)));
  }
  const Generation now = TRY(read_generation(*node_.disk));
  if (now.opening) {  // decided before a stop
    node_.generation = now;
    return {};
  }
  {
    auto cosigned = TRY(replica::CosignedHead::open(*node_.disk));
    if (cosigned.last() && cosigned.last()->size > last_.head.size)
      return fail(Code::failed_precondition,
                  "this restore was begun with a newer --last-signed: name it again");
    if (raw(last_.head.size) > 0 && cosigned.last() != last_.head) TRY(cosigned.save(last_.head));
  }
  const std::uint64_t restored = backup_.info.log_end;
  if (last_.is_certain && raw(last_.head.size) <= restored) {
    if (node_.generation.number > 1) TRY(write_generation(*node_.disk, node_.generation));
    return {};
  }
  const std::uint64_t size = raw(last_.head.size);
  return decide_generation(node_, Loss{std::min(restored, size), size, last_.head.root}, restored);
}

Status Restoration::finish() {
  if (node_.generation.opening) {
    done_.loss = node_.generation.opening;
    const OpenedGeneration opened = TRY(open_generation(node_));
    done_.opened_by = opened.record;
    done_.origin = opened.origin;
    done_.note = opened.note;
  } else {
    replica::ReplicaConfig config;
    config.cell = cell_;
    config.generation = node_.generation.number;
    done_.origin = replica::origin_of(config);
  }
  done_.generation = node_.generation.number;
  done_.records = raw(backup_.info.head.size);
  TRY(verify_all());
  return node_.disk->remove(marker_path);
}

/// The records of the backup are the first of what was restored.
Status Restoration::check_root(io::Disk& disk, const audit::Report& report) {
  const proof::TreeHead& head = backup_.info.head;
  std::string root = report.root;
  if (report.records != raw(head.size)) {
    const auto tiles = TRY(storage::TileStore::open_read_only(disk));
    if (tiles->count(0) < raw(head.size)) return {};  // in the log only, and verified there
    replica::StoredTiles reader(*tiles);
    root = to_hex(TRY(proof::frontier_at(head.size, reader)).root());
  }
  if (root == to_hex(head.root)) return {};
  return fail(
      Code::data_loss,
      fmt::format("the first {} records that were restored have the root {}, the backup has "
                  "{}: it is damaged. see `meridian backup verify`",
                  raw(head.size), root, to_hex(head.root)));
}

Status Restoration::verify_all() {
  node_.lock.reset();
  DataDirectory data = TRY(open_to_look(options_.data, options_));
  std::string first;
  const audit::Report report = TRY(verify(
      data,
      [&](const audit::Finding& finding) {
        if (first.empty()) first = finding.what;
      },
      progress_));
  done_.verified_records = report.records;
  done_.findings = report.findings;
  if (report.findings == 0) return check_root(*data.disk, report);
  return fail(
      Code::data_loss,
      fmt::format("what was restored is damaged ({} findings, the first: {}). see `meridian "
                  "verify --data {}`, and `meridian backup verify` for the backup",
                  report.findings, first, options_.data));
}

}  // namespace

Result<RestoredBackup> restore_backup(const BackupOptions& options,
                                      const BackupProgress& progress) {
  return Restoration(options, progress).run();
}

}  // namespace meridian::app
