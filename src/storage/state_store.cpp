// A checkpoint in the making: begin -> add/keep ... -> commit. Its chunks go to one new file; the
// manifest makes them the newest checkpoint; only then are files it does not name removed, but for
// those that a pin still needs. So at any moment the files of the newest checkpoint are whole.
#include "storage/state_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "base/assert.h"
#include "proof/merkle.h"
#include "storage/internal/chunk_reader.h"
#include "storage/internal/file_names.h"
#include "storage/internal/state_manifest.h"

namespace meridian::storage {
namespace {

constexpr std::string_view directory = "state";
constexpr std::string_view manifest_path = "state/MANIFEST";
constexpr std::string_view given_up_path = "state/MANIFEST.damaged";
constexpr std::string_view suffix = ".chunks";
constexpr std::uint64_t manifest_file_number = 0;
constexpr std::uint64_t manifest_size_max = std::uint64_t{1} << 30;
constexpr std::size_t manifest_frame_size = 4 << 20;
constexpr std::size_t files_max = 64;  // more named files than this are merged

std::uint64_t frame_size(const ChunkPlace& chunk) {
  return frame_overhead + state_chunk_prefix_size + chunk.size;
}

const ChunkPlace* find_chunk(const ManifestBody& body, ChunkId id) {
  auto found = std::ranges::lower_bound(body.chunks, id, {}, &ChunkPlace::id);
  return found != body.chunks.end() && found->id == id ? &*found : nullptr;
}

class FilePin final : public PinnedState {
 public:
  FilePin(const SealedContext& context, std::shared_ptr<const ManifestBody> body)
      : body_(std::move(body)), reader_(context) {
    chunks_.reserve(body_->chunks.size());
    for (const ChunkPlace& place : body_->chunks)
      chunks_.push_back({place.id, place.size, place.digest});
  }
  const StateManifest& manifest() const override { return body_->manifest; }
  const std::vector<StateChunkInfo>& chunks() const override { return chunks_; }
  Result<Buffer> read(ChunkId id) override {
    const ChunkPlace* place = find_chunk(*body_, id);
    if (place == nullptr) {
      return fail(Code::not_found,
                  fmt::format("there is no state chunk {}/{} in the checkpoint of {} records",
                              id.kind, id.number, body_->manifest.record_index));
    }
    std::lock_guard lock(mutex_);
    Buffer plain = TRY(reader_.read(*place));
    plain.erase(plain.begin(), plain.begin() + state_chunk_prefix_size);
    return plain;
  }
  const ManifestBody& body() const { return *body_; }

 private:
  const std::shared_ptr<const ManifestBody> body_;
  std::vector<StateChunkInfo> chunks_;
  std::mutex mutex_;  // guards the reader
  ChunkReader reader_;
};

class FileStateStore final : public StateStore {
 public:
  explicit FileStateStore(const SealedContext& context) : context_(context) {}

  Status start() {
    TRY(context_.disk.make_directory(directory));
    TRY(context_.disk.sync_directory(""));
    if (TRY(context_.disk.exists(manifest_path))) publish(TRY(read_manifest()));
    return remove_unnamed();
  }

  const StateManifest* newest() const override { return newest_ ? &newest_->manifest : nullptr; }

  std::shared_ptr<PinnedState> pin() override {
    std::lock_guard lock(mutex_);
    if (!newest_) return nullptr;
    auto pin = std::make_shared<FilePin>(context_, newest_);
    pins_.push_back(pin);
    return pin;
  }

  Status load(const Visit& visit) override {
    if (!newest_) return fail(Code::not_found, "there is no state checkpoint yet");
    ChunkReader reader(context_);
    for (const ChunkPlace& place : newest_->chunks) {
      Buffer plain = TRY(reader.read(place));
      TRY(visit(place.id, Bytes(plain).subspan(state_chunk_prefix_size)));
    }
    return {};
  }

  Status begin(std::uint64_t record_index) override {
    TRY(forget_pending());
    pending_ = Pending{};
    pending_->body.manifest.record_index = record_index;
    return {};
  }

  Status add(ChunkId id, const crypto::Digest& digest, Bytes bytes) override {
    check_order(id);
    ASSERT(bytes.size() <= state_chunk_size_max);
    if (state_chunk_digest(id, bytes) != digest) {
      return fail(Code::data_loss,
                  fmt::format("state chunk {}/{}: its digest is not that of its bytes: the state "
                              "in memory is damaged",
                              id.kind, id.number));
    }
    ChunkPlace place{id, static_cast<std::uint32_t>(bytes.size()), 0, 0, digest};
    encode_chunk(id, bytes, plain_);
    TRY(write(place, plain_));
    note(place);
    return {};
  }

  Status keep(ChunkId id) override {
    check_order(id);
    const ChunkPlace* place = newest_ ? find_chunk(*newest_, id) : nullptr;
    if (place == nullptr) {
      return fail(Code::not_found, fmt::format("state chunk {}/{} is not in the newest checkpoint",
                                               id.kind, id.number));
    }
    note(*place);
    return {};
  }

  crypto::Digest digest() const override {
    ASSERT(pending_.has_value());
    return pending_->frontier.root();
  }

  Status commit(std::uint64_t entry_index, std::uint64_t term, std::vector<Buffer> parts) override {
    ASSERT(pending_.has_value());
    ASSERT(parts.size() <= state_parts_max);
    TRY(rewrite_sparse_files());
    if (pending_->writer) {
      TRY(pending_->writer->sync());
      TRY(context_.disk.sync_directory(directory));
    }
    StateManifest& manifest = pending_->body.manifest;
    manifest.entry_index = entry_index;
    manifest.term = term;
    manifest.parts = std::move(parts);
    manifest.digest = pending_->frontier.root();
    TRY(write_manifest(pending_->body));
    publish(std::move(pending_->body));
    pending_.reset();
    return remove_unnamed();
  }

 private:
  struct Pending {
    ManifestBody body;
    proof::Frontier frontier;
    std::optional<SealedWriter> writer;
    std::uint64_t file = 0;
  };

  void check_order(ChunkId id) const {
    ASSERT(pending_.has_value());
    const auto& chunks = pending_->body.chunks;
    ASSERT(chunks.empty() || chunks.back().id < id);
  }

  void note(const ChunkPlace& place) {
    pending_->frontier.append(proof::leaf_hash(place.digest));
    pending_->body.chunks.push_back(place);
  }

  /// Writes a chunk's frame to the new file, and where to into `place`.
  Status write(ChunkPlace& place, Bytes plain) {
    if (!pending_->writer) {
      pending_->file = ++file_number_;
      pending_->writer = TRY(SealedWriter::create(context_, chunks_path(pending_->file),
                                                  Purpose::state, pending_->file));
    }
    place.position = TRY(pending_->writer->append(tag_chunk, plain));
    place.file = pending_->file;
    return {};
  }

  Status forget_pending() {
    if (!pending_) return {};
    bool has_file = pending_->file != 0;
    std::string path = chunks_path(pending_->file);
    pending_.reset();
    if (!has_file || !TRY(context_.disk.exists(path))) return {};
    return context_.disk.remove(path);
  }

  void publish(ManifestBody body) {
    auto shared = std::make_shared<const ManifestBody>(std::move(body));
    std::lock_guard lock(mutex_);
    newest_ = std::move(shared);
  }

  /// Files of checkpoints that somebody still reads.
  std::set<std::uint64_t> pinned_files() {
    std::set<std::uint64_t> files;
    std::lock_guard lock(mutex_);
    std::erase_if(pins_, [](const std::weak_ptr<FilePin>& pin) { return pin.expired(); });
    for (const std::weak_ptr<FilePin>& weak : pins_) {
      std::shared_ptr<FilePin> pin = weak.lock();
      if (!pin) continue;
      for (const ChunkPlace& place : pin->body().chunks) files.insert(place.file);
    }
    return files;
  }

  /// Moves what is left of mostly dead files (and of the smallest, if there are too many) along.
  Status rewrite_sparse_files() {
    std::map<std::uint64_t, std::uint64_t> live;  // bytes kept of each older file
    for (const ChunkPlace& place : pending_->body.chunks) {
      if (place.file != pending_->file) live[place.file] += frame_size(place);
    }
    std::vector<std::pair<std::uint64_t, std::uint64_t>> by_size;  // live bytes, file
    std::map<std::uint64_t, bool> rewritten;
    for (auto [file, bytes] : live) {
      auto handle = TRY(context_.disk.open(chunks_path(file), io::OpenMode::read));
      if (TRY(handle->size()) / 2 > bytes) {
        rewritten[file] = true;
      } else {
        by_size.emplace_back(bytes, file);
      }
    }
    std::ranges::sort(by_size);
    for (std::size_t i = 0; i + files_max <= by_size.size(); ++i)
      rewritten[by_size[i].second] = true;
    if (rewritten.empty()) return {};
    ChunkReader reader(context_);
    for (ChunkPlace& place : pending_->body.chunks) {
      if (!rewritten.contains(place.file)) continue;
      Buffer plain = TRY(reader.read(place));
      TRY(write(place, plain));
    }
    return {};
  }

  Result<ManifestBody> read_manifest() {
    auto body = parse_manifest();
    if (body) return body;
    return with_context(body.error(),
                        fmt::format("{}: the state checkpoint cannot be used; restore "
                                    "it from a peer or a backup",
                                    context_.disk.display(manifest_path)));
  }

  Result<ManifestBody> parse_manifest() {
    Buffer file = TRY(io::read_file(context_.disk, manifest_path, manifest_size_max));
    auto sealer = TRY(FrameSealer::open(context_, Purpose::state, manifest_file_number, file));
    Buffer bytes;
    std::size_t position = sealed_file_header_size;
    while (position < file.size()) {
      auto frame = sealer.open_frame(position, Bytes(file).subspan(position));
      if (!frame || frame->tag_word != tag_manifest) {
        return fail(Code::data_loss,
                    fmt::format("damaged at byte {}: {}", position,
                                frame ? "another kind of frame" : frame.error().message));
      }
      bytes.insert(bytes.end(), frame->plain.begin(), frame->plain.end());
      position += frame->size;
    }
    return decode_manifest(bytes);
  }

  Status write_manifest(const ManifestBody& body) {
    Buffer bytes;
    encode_manifest(body, bytes);
    FreshHeader fresh;
    auto sealer = TRY(FrameSealer::create(context_, Purpose::state, manifest_file_number, fresh));
    Buffer& file = fresh.bytes;
    for (std::size_t at = 0; at < bytes.size(); at += manifest_frame_size) {
      Bytes rest = Bytes(bytes).subspan(at);
      sealer.seal(file.size(), tag_manifest, rest.first(std::min(rest.size(), manifest_frame_size)),
                  file);
    }
    if (file.size() > manifest_size_max) {
      return fail(Code::resource_exhausted, "the state manifest passes 1 GiB");
    }
    return io::replace_file(context_.disk, manifest_path, file);
  }

  /// Removes chunk files that neither the newest checkpoint nor a pin names; notes the highest
  /// number.
  Status remove_unnamed() {
    std::set<std::uint64_t> pinned = pinned_files();
    std::map<std::uint64_t, const ChunkPlace*> named;
    if (newest_) {
      for (const ChunkPlace& place : newest_->chunks) named.emplace(place.file, &place);
    }
    for (const std::string& name : TRY(context_.disk.list(directory))) {
      auto number = number_of(name, suffix);
      if (!number) continue;
      file_number_ = std::max(file_number_, *number);
      if (named.erase(*number) != 0 || pinned.contains(*number)) continue;
      TRY(context_.disk.remove(chunks_path(*number)));
    }
    if (newest_ && TRY(context_.disk.exists(given_up_path)))
      TRY(context_.disk.remove(given_up_path));
    if (named.empty()) return {};
    return ChunkReader(context_).lost(*named.begin()->second,
                                      fail(Code::data_loss, "the file is missing"));
  }

  SealedContext context_;
  std::mutex mutex_;  // guards pins_, and newest_ against pin()
  std::shared_ptr<const ManifestBody> newest_;
  std::vector<std::weak_ptr<FilePin>> pins_;
  std::optional<Pending> pending_;
  std::uint64_t file_number_ = 0;  // highest so far
  Buffer plain_;
};

}  // namespace

Status give_up_state(io::Disk& disk) {
  if (TRY(disk.exists(manifest_path))) {
    TRY(disk.rename(manifest_path, given_up_path));
  } else if (!TRY(disk.exists(given_up_path))) {
    TRY(disk.make_directory(directory));
    TRY(disk.sync_directory(""));
    auto file = TRY(disk.open(given_up_path, io::OpenMode::create));
    TRY(file->sync());
  }
  return disk.sync_directory(directory);
}

Result<bool> is_state_given_up(io::Disk& disk) {
  const bool has_manifest = TRY(disk.exists(manifest_path));
  return !has_manifest && TRY(disk.exists(given_up_path));
}

Result<std::unique_ptr<StateStore>> StateStore::open(const SealedContext& context) {
  auto store = std::make_unique<FileStateStore>(context);
  TRY(store->start());
  return store;
}

}  // namespace meridian::storage
