#include "log_export.h"

#include <fmt/format.h>

#include "files.h"
#include "proof/checkpoint.h"
#include "proof/merkle.h"
#include "proof/note.h"
#include "proof/tile.h"

namespace meridian::app {

namespace {

constexpr std::string_view checkpoint_path = "checkpoint";

class Exporter {
 public:
  Exporter(Client& client, std::unique_ptr<io::Disk> disk,
           const std::function<void(std::uint64_t, std::uint64_t)>& progress)
      : client_(client), disk_(std::move(disk)), progress_(progress) {}

  Result<LogExport> run();

 private:
  Status read_old_checkpoint();
  Status resume();
  Status fetch();
  Status take(const v1::FeedRecord& record);
  Status append(const proof::Hash& leaf, bool write);
  Status write(const proof::TileId& tile, Bytes bytes);
  Status write_partial_tiles();
  Status check_old(std::uint64_t size);
  Status remove_old_partial_tiles();
  Status write_keys();

  Client& client_;
  std::unique_ptr<io::Disk> disk_;
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;

  std::string note_;
  proof::Checkpoint checkpoint_;
  std::optional<proof::Checkpoint> old_;
  proof::Frontier frontier_;
  proof::TileHashes completed_;
  std::array<proof::Hashes, proof::tile_level_count> open_;  ///< Hashes of the last tile per level.
  std::array<std::uint64_t, proof::tile_level_count> full_{};
  Buffer bundle_;
  std::uint64_t fetched_ = 0;
};

Status Exporter::write(const proof::TileId& tile, Bytes bytes) {
  const std::string path = proof::tile_path(tile);
  TRY(disk_->make_directory(path.substr(0, path.rfind('/'))));
  if (TRY(disk_->exists(path))) TRY(disk_->remove(path));
  const std::unique_ptr<io::File> file = TRY(disk_->open(path, io::OpenMode::create));
  return file->write_at(0, bytes);
}

Status Exporter::read_old_checkpoint() {
  if (!TRY(disk_->exists(checkpoint_path))) return {};
  const Buffer bytes = TRY(io::read_file(*disk_, checkpoint_path, proof::note_size_max));
  const proof::Note note = TRY(proof::parse_note(as_text(bytes)));
  old_ = TRY(proof::parse_checkpoint(note.text));
  if (old_->origin != checkpoint_.origin)
    return fail(
        Code::failed_precondition,
        fmt::format("the directory holds the log {}, the server has {}. export into another "
                    "directory",
                    old_->origin, checkpoint_.origin));
  if (old_->head.size > checkpoint_.head.size)
    return fail(Code::data_loss,
                fmt::format("an earlier export holds a signed tree of {} records, the server signs "
                            "only {}: the log was cut. keep both checkpoints as evidence",
                            raw(old_->head.size), raw(checkpoint_.head.size)));
  return {};
}

Status Exporter::check_old(std::uint64_t size) {
  if (!old_ || raw(old_->head.size) != size || frontier_.root() == old_->head.root) return {};
  return fail(
      Code::data_loss,
      fmt::format("the first {} records have another root than an earlier checkpoint in this "
                  "directory: the log was rewritten, or the directory changed. keep both",
                  size));
}

Status Exporter::append(const proof::Hash& leaf, bool write_tiles) {
  completed_.clear();
  frontier_.append(std::span(&leaf, 1), completed_);
  for (std::size_t level = 0; level < proof::tile_level_count; ++level) {
    for (const proof::Hash& hash : completed_.levels[level]) {
      open_[level].push_back(hash);
      if (open_[level].size() < proof::tile_width) continue;
      if (write_tiles)
        TRY(write({proof::TileKind::hashes, static_cast<std::uint8_t>(level), full_[level],
                   proof::tile_width},
                  proof::encode_hash_tile(open_[level])));
      ++full_[level];
      open_[level].clear();
    }
  }
  return check_old(raw(frontier_.size()));
}

/// Folds the full bundles that are there already; the first one that is missing ends it.
Status Exporter::resume() {
  const std::uint64_t bundles = raw(checkpoint_.head.size) / proof::tile_width;
  for (std::uint64_t index = 0; index < bundles; ++index) {
    const std::string path =
        proof::tile_path({proof::TileKind::entries, 0, index, proof::tile_width});
    if (!TRY(disk_->exists(path))) return {};
    const Buffer bytes =
        TRY(io::read_file(*disk_, path, proof::tile_width * (proof::entry_size_max + 2)));
    const auto entries = proof::decode_entry_bundle(bytes, proof::tile_width);
    if (!entries) return {};  // cut short by a stop: fetched again
    for (const Bytes entry : *entries) TRY(append(proof::leaf_hash(entry), true));
  }
  return {};
}

Status Exporter::take(const v1::FeedRecord& record) {
  const std::uint64_t at = raw(frontier_.size());
  if (record.record_index() != at || record.header().empty() ||
      record.header().size() > proof::entry_size_max)
    return fail(Code::data_loss, fmt::format("the server sent record {} where {} was due",
                                             record.record_index(), at));
  proof::append_entry(bundle_, as_bytes(record.header()));
  TRY(append(proof::leaf_hash(as_bytes(record.header())), true));
  ++fetched_;
  if ((at + 1) % proof::tile_width != 0) return {};
  TRY(write({proof::TileKind::entries, 0, at / proof::tile_width, proof::tile_width}, bundle_));
  bundle_.clear();
  return {};
}

Status Exporter::fetch() {
  const std::uint64_t size = raw(checkpoint_.head.size);
  while (raw(frontier_.size()) < size) {
    const std::uint64_t left = size - raw(frontier_.size());
    v1::FeedRequest request;
    request.set_position(raw(frontier_.size()));
    request.set_limit(static_cast<std::uint32_t>(std::min<std::uint64_t>(left, 1 << 20)));
    grpc::ClientContext context;
    const auto reader = client_.feed->Follow(&context, request);
    v1::FeedBatch batch;
    const std::uint64_t before = raw(frontier_.size());
    while (reader->Read(&batch)) {
      for (const v1::FeedRecord& record : batch.records()) {
        if (raw(frontier_.size()) >= size) break;
        Status taken = take(record);
        if (!taken) {
          context.TryCancel();
          return taken;
        }
      }
      progress_(raw(frontier_.size()), size);
    }
    const grpc::Status status = reader->Finish();
    if (!status.ok()) return to_error(status);
    if (raw(frontier_.size()) == before)
      return fail(Code::data_loss, "the server's feed ended before its signed size");
  }
  return {};
}

Status Exporter::write_partial_tiles() {
  for (std::size_t level = 0; level < proof::tile_level_count; ++level) {
    if (open_[level].empty()) continue;
    TRY(write({proof::TileKind::hashes, static_cast<std::uint8_t>(level), full_[level],
               static_cast<std::uint16_t>(open_[level].size())},
              proof::encode_hash_tile(open_[level])));
  }
  const std::uint64_t size = raw(checkpoint_.head.size);
  if (bundle_.empty()) return {};
  return write({proof::TileKind::entries, 0, size / proof::tile_width,
                static_cast<std::uint16_t>(size % proof::tile_width)},
               bundle_);
}

/// Partial tiles of the export before, now part of wider ones.
Status Exporter::remove_old_partial_tiles() {
  if (!old_) return {};
  for (const proof::TileId& tile : proof::tiles_of(old_->head.size)) {
    if (tile.width == proof::tile_width) continue;
    if (proof::tile_width_at(tile.level, tile.index, checkpoint_.head.size) == tile.width) continue;
    const std::string path = proof::tile_path(tile);
    if (TRY(disk_->exists(path))) TRY(disk_->remove(path));
  }
  return {};
}

Status Exporter::write_keys() {
  const v1::KeysReply keys =
      TRY(client_.call(*client_.proofs, &v1::Proofs::Stub::Keys, v1::KeysRequest()));
  TRY(io::replace_file(*disk_, "log.vkey", as_bytes(keys.log_vkey() + "\n")));
  return io::replace_file(*disk_, "policy", as_bytes(keys.policy()));
}

Result<LogExport> Exporter::run() {
  note_ = TRY(client_.call(*client_.proofs, &v1::Proofs::Stub::Checkpoint, v1::CheckpointRequest()))
              .note();
  const proof::Note note = TRY(proof::parse_note(note_));
  checkpoint_ = TRY(proof::parse_checkpoint(note.text));
  TRY(read_old_checkpoint());
  TRY(check_old(0));
  TRY(resume());
  TRY(fetch());
  if (frontier_.root() != checkpoint_.head.root)
    return fail(
        Code::data_loss,
        fmt::format("the records give the root {}, signed is {}. if an earlier export was "
                    "changed, export into a fresh directory; otherwise run `meridian verify`",
                    to_hex(frontier_.root()), to_hex(checkpoint_.head.root)));
  TRY(write_partial_tiles());
  TRY(remove_old_partial_tiles());
  TRY(write_keys());
  TRY(io::replace_file(*disk_, checkpoint_path, as_bytes(note_)));
  return LogExport{checkpoint_.origin, to_hex(checkpoint_.head.root), raw(checkpoint_.head.size),
                   fetched_};
}

}  // namespace

Result<LogExport> export_log(Client& client, const std::string& directory,
                             const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  return Exporter(client, TRY(open_directory(directory)), progress).run();
}

}  // namespace meridian::app
