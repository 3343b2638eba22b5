// What a backup holds, proven without the ledger it is of: every record against the root, the root
// against the signed note, the state against its digest and the record that holds it.
#include <fmt/format.h>

#include <algorithm>

#include "audit/read_only_disk.h"
#include "backup.h"
#include "backup_store.h"
#include "data_directory.h"
#include "files.h"
#include "ledger/entry.h"
#include "ledger/ledger.h"
#include "ledger/memory_history.h"
#include "proof/checkpoint.h"
#include "proof/cosignature.h"
#include "replica/record_copy.h"

namespace meridian::app {

namespace {

Error damaged(std::string what) {
  return fail(Code::data_loss,
              std::move(what) + ". make a new backup into another directory, and keep this one");
}

class Verification {
 public:
  Verification(const storage::SealedContext& context, const BackupProgress& progress)
      : context_(context), progress_(progress) {}

  Result<CheckedBackup> run() {
    backup_ = TRY(open_backup(context_));
    TRY(check_records());
    TRY(check_note());
    TRY(check_state());
    TRY(check_log());
    const BackupInfo& info = backup_.info;
    done_.created_ns = info.created_ns;
    done_.generation = info.generation;
    done_.records = raw(info.head.size);
    done_.root = info.head.root;
    done_.signed_records = raw(info.signed_head.size);
    done_.log_end = info.log_end;
    done_.log_vkey = info.log_vkey;
    return done_;
  }

 private:
  Status check_records();
  Status visit(const ledger::Header& header);
  Status check_heads(const proof::Frontier& frontier);
  Status check_note();
  Status check_state();
  Status check_log();
  std::uint64_t covered() const { return backup_.state().record_index; }

  storage::SealedContext context_;
  const BackupProgress& progress_;
  Backup backup_;
  CheckedBackup done_;
  std::optional<crypto::Digest> recorded_digest_;
};

/// All records; the tree is looked at where something else knows its root.
Status Verification::check_records() {
  const std::uint64_t count = raw(backup_.info.head.size);
  proof::Frontier frontier;
  TRY(check_heads(frontier));
  while (raw(frontier.size()) < count) {
    const std::uint64_t first = raw(frontier.size());
    std::uint64_t end = (first / storage::segment_records + 1) * storage::segment_records;
    end = std::min(end, count);
    for (const std::uint64_t stop : {covered(), raw(backup_.info.signed_head.size)})
      if (first < stop) end = std::min(end, stop);
    auto leaves = replica::check_stored_records(
        *backup_.records, context_.cell, first, end,
        [this](const ledger::Header& header) { return visit(header); });
    if (!leaves) return damaged(leaves.error().message);
    for (const proof::Hash& leaf : *leaves) frontier.append(leaf);
    TRY(check_heads(frontier));
    progress_(end, count);
  }
  return {};
}

Status Verification::visit(const ledger::Header& header) {
  done_.events += std::holds_alternative<ledger::EventBody>(header.body) ? 1 : 0;
  if (header.kind != ledger::CommandKind::state_digest) return {};
  const auto& body = std::get<ledger::SystemBody>(header.body);
  const auto digest = ledger::load_command<ledger::StateDigest>(body.command.data());
  if (digest.record_index != covered()) return {};
  recorded_digest_ = digest.digest;
  done_.digest_record = raw(header.record_index);
  return {};
}

Status Verification::check_heads(const proof::Frontier& frontier) {
  const BackupInfo& info = backup_.info;
  const proof::TreeHead head = frontier.head();
  const auto check = [&](const proof::TreeHead& wanted, std::string_view what) -> Status {
    if (head.size != wanted.size || head == wanted) return {};
    return damaged(fmt::format("the first {} records give the root {}, {} says {}", raw(head.size),
                               to_hex(head.root), what, to_hex(wanted.root)));
  };
  TRY(check(info.head, "the manifest of the backup"));
  if (raw(info.signed_head.size) > 0) TRY(check(info.signed_head, "the signed checkpoint"));
  if (raw(head.size) != covered()) return {};
  const auto kept = proof::Frontier::decode(backup_.state().parts.front());
  if (!kept) return damaged("the Merkle frontier of the state: " + kept.error().message);
  return check(kept->head(), "the state checkpoint");
}

Status Verification::check_note() {
  const BackupInfo& info = backup_.info;
  if (raw(info.signed_head.size) == 0) return {};
  const auto note = proof::parse_note(info.note);
  if (!note) return damaged("the signed checkpoint: " + note.error().message);
  const auto checkpoint = proof::parse_checkpoint(note->text);
  const auto log = proof::parse_vkey(info.log_vkey),
             replica = proof::parse_vkey(info.cosigner_vkey);
  if (!checkpoint || !log || !replica) return damaged("the signed checkpoint is malformed");
  bool is_signed = false, is_cosigned = false;
  for (const proof::NoteSignature& signature : note->signatures) {
    is_signed |= proof::check_signature(note->text, signature, *log) == proof::SignatureCheck::good;
    is_cosigned |= proof::check_cosignature(note->text, signature, *replica).check ==
                   proof::SignatureCheck::good;
  }
  done_.origin = checkpoint->origin;
  if (checkpoint->head != info.signed_head)
    return damaged("the signed checkpoint is of another tree than the backup");
  if (!is_signed || !is_cosigned) return damaged("the checkpoint's signatures do not verify");
  return {};
}

Status Verification::check_state() {
  done_.state_records = covered();
  if (covered() == 0) return {};
  std::vector<ledger::StateChunk> chunks;
  const Status loaded = backup_.states->load([&](storage::ChunkId id, Bytes bytes) -> Status {
    chunks.push_back({id.kind, id.number, false, to_buffer(bytes)});
    return {};
  });
  if (!loaded) return damaged(loaded.error().message);
  done_.chunks = chunks.size();
  ledger::MemoryHistory none;
  ledger::Ledger ledger(context_.cell, none);
  const Status restored = ledger.restore(chunks);
  if (!restored) return damaged(restored.error().message);
  if (ledger.records() != covered())
    return damaged(
        fmt::format("the state is that of {} records, not of {}", ledger.records(), covered()));
  done_.accounts = ledger.counts().accounts;
  if (recorded_digest_ && *recorded_digest_ != backup_.state().digest)
    return damaged(
        fmt::format("record {} holds another digest of the state", *done_.digest_record));
  return {};
}

Status Verification::check_log() {
  std::uint64_t next = backup_.state().entry_index + 1, records = covered();
  const Status read =
      read_backup_log(context_, backup_.info, [&](const storage::WalEntry& entry) -> Status {
        if (entry.index != next)
          return fail(Code::data_loss,
                      fmt::format("entry {} of the log is missing: {} follows", next, entry.index));
        ++next;
        if (entry.bytes.empty()) return {};  // consensus's own: makes no record
        records += TRY(ledger::EntryView::decode(entry.bytes)).command_count();
        return {};
      });
  if (!read) return damaged(read.error().message);
  if (records != backup_.info.log_end)
    return damaged(
        fmt::format("state and log give {} records, not {}", records, backup_.info.log_end));
  done_.log_entries = backup_.info.log_entries;
  return {};
}

}  // namespace

Result<CheckedBackup> verify_backup(const BackupOptions& options, const BackupProgress& progress) {
  const auto clock = io::os_clock();
  const auto entropy = io::os_entropy();
  const BundleDirectory bundle = TRY(open_bundle_directory(options.keys, *clock, *entropy));
  const auto directory = TRY(open_existing_directory(options.backup));
  audit::ReadOnlyDisk disk(*directory);
  const u128 cell = TRY(read_cell(disk));
  CheckedBackup checked = TRY(Verification({disk, *entropy, *bundle.keys, cell}, progress).run());
  const KeyBundle keys = TRY(read_bundle(bundle.context(*entropy, cell)));
  checked.keys_expire_ns = keys.expires_ns;
  checked.keys_expired = !keys.check_valid(clock->now().time);
  return checked;
}

}  // namespace meridian::app
