//   version n+1 added ──▶ per batch of files: keys/rewrapping written ─▶ headers written, synced
//     ─▶ keys/rewrapping removed ──▶ no file is under n any more: n destroyed
//
// rewrapping = magic "MRDNREWR"(8) version(2)=1 zero(2) count(4)
//              count * { path_size(2) path header(128) } sha256(32)
#include "storage/storage_rotation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/assert.h"
#include "crypto/sha256.h"
#include "storage/sealed_file.h"

namespace meridian::storage {

namespace {

constexpr std::string_view key_name = "storage";
constexpr std::string_view intent_path = "keys/rewrapping";
constexpr std::string_view intent_folder = "keys";
constexpr std::string_view intent_magic = "MRDNREWR";
constexpr std::uint16_t intent_version = 1;
constexpr std::size_t batch_max = 1'024;
constexpr std::size_t path_size_max = 1'024;
constexpr std::size_t intent_size_max = 64 + batch_max * (2 + path_size_max + 128);
constexpr int depth_max = 8;

struct Rewritten {
  std::string path;
  Buffer header;
};

/// Files that wait to be used again: they get a header of their own then, and nothing opens this
/// one.
bool is_spare(std::string_view path) { return path.starts_with("wal/") && !path.ends_with(".wal"); }

using OnHeader = std::function<Status(const std::string& path, Bytes header)>;

/// Empty if it is a directory, or went away meanwhile.
Result<std::optional<Buffer>> read_header(io::Disk& disk, const std::string& path) {
  const Result<std::unique_ptr<io::File>> file = disk.open(path, io::OpenMode::read);
  Buffer header(sealed_file_header_size);
  Result<std::size_t> got = file ? (*file)->read_at(0, header) : Result<std::size_t>(file.error());
  if (got) {
    header.resize(*got);
    return std::optional(std::move(header));
  }
  if (got.error().code == Code::not_found || disk.list(path)) return std::optional<Buffer>();
  return got.error();
}

Status walk(io::Disk& disk, const std::string& directory, int depth, const OnHeader& on_header) {
  if (depth > depth_max) return {};
  Result<std::vector<std::string>> names = disk.list(directory);
  if (!names) return names.error().code == Code::not_found ? Status() : names.error();
  for (const std::string& name : *names) {
    const std::string path = directory.empty() ? name : directory + "/" + name;
    const std::optional<Buffer> header = TRY(read_header(disk, path));
    if (!header) {
      TRY(walk(disk, path, depth + 1, on_header));
    } else if (is_sealed_file(*header) && !is_spare(path)) {
      if (Status seen = on_header(path, *header); !seen)
        return with_context(std::move(seen).error(), disk.display(path));
    }
  }
  return {};
}

Buffer encode_intent(const std::vector<Rewritten>& batch) {
  Buffer bytes;
  bytes.reserve(intent_size_max);
  ByteWriter out(bytes);
  out.bytes(as_bytes(intent_magic));
  out.u16(intent_version);
  out.zeros(2);
  out.u32(static_cast<std::uint32_t>(batch.size()));
  for (const Rewritten& one : batch) {
    out.u16(static_cast<std::uint16_t>(one.path.size()));
    out.bytes(as_bytes(one.path));
    out.bytes(one.header);
  }
  const crypto::Digest check = crypto::sha256(bytes);
  out.bytes(check);
  return bytes;
}

Result<std::vector<Rewritten>> decode_intent(Bytes bytes) {
  const auto damaged = [] {
    return fail(Code::data_loss,
                "keys/rewrapping is damaged, and headers of files may be half written: bring the "
                "directory back from a backup, or the state from another replica");
  };
  constexpr std::size_t check_size = sizeof(crypto::Digest);
  if (bytes.size() < check_size) return damaged();
  const Bytes body = bytes.first(bytes.size() - check_size);
  if (!equal(crypto::sha256(body), bytes.last(check_size))) return damaged();
  ByteReader in(body);
  const bool is_ours = as_text(in.take(intent_magic.size())) == intent_magic &&
                       in.u16() == intent_version && in.u16() == 0;
  const std::uint32_t count = in.u32();
  if (!is_ours || count > batch_max) return damaged();
  std::vector<Rewritten> batch;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    std::string path(as_text(in.take(in.u16())));
    batch.push_back({std::move(path), to_buffer(in.take(sealed_file_header_size))});
  }
  if (!in.done()) return damaged();
  return batch;
}

Status write_header(io::Disk& disk, const Rewritten& one) {
  Result<std::unique_ptr<io::File>> file = disk.open(one.path, io::OpenMode::read_write);
  if (!file) return file.error().code == Code::not_found ? Status() : file.error();
  TRY((*file)->write_at(0, one.header));
  return (*file)->sync();
}

Status remove_intent(io::Disk& disk) {
  TRY(disk.remove(intent_path));
  return disk.sync_directory(intent_folder);
}

/// After a crash. A header that opens is the old or the new one, or of a file that came later; one
/// that does not was half written.
Status redo(io::Disk& disk, const KeyStore& keys) {
  if (!TRY(disk.exists(intent_path))) return {};
  const Buffer bytes = TRY(io::read_file(disk, intent_path, intent_size_max));
  for (const Rewritten& one : TRY(decode_intent(bytes))) {
    const std::optional<Buffer> there = TRY(read_header(disk, one.path));
    if (!there || rewrap_header(keys, *there)) continue;
    TRY(write_header(disk, one));
  }
  return remove_intent(disk);
}

class Rewrapping {
 public:
  Rewrapping(io::Disk& disk, const KeyStore& keys, KeyVersion newest)
      : disk_(disk), keys_(keys), newest_(newest) {}

  Status look_at(const std::string& path, Bytes header) {
    const Result<KeyVersion> version = storage_version_of(header);
    if (version && *version == newest_) return {};
    Result<Buffer> fresh = rewrap_header(keys_, header);
    if (!fresh) return std::move(fresh).error();
    batch_.push_back({path, *std::move(fresh)});
    return batch_.size() < batch_max ? Status() : flush();
  }
  Status flush() {
    if (batch_.empty()) return {};
    TRY(io::replace_file(disk_, intent_path, encode_intent(batch_)));
    for (const Rewritten& one : batch_) TRY(write_header(disk_, one));
    TRY(remove_intent(disk_));
    files_ += batch_.size();
    batch_.clear();
    return {};
  }
  std::uint64_t files() const { return files_; }

 private:
  io::Disk& disk_;
  const KeyStore& keys_;
  KeyVersion newest_;
  std::vector<Rewritten> batch_;
  std::uint64_t files_ = 0;
};

std::vector<KeyVersion> older_versions(const KeyStore& keys, KeyVersion newest) {
  std::vector<KeyVersion> older;
  for (const KeyStore::Listing& key : keys.list())
    if (key.name == key_name && key.version < newest) older.push_back(key.version);
  return older;
}

}  // namespace

Result<std::map<KeyVersion, std::uint64_t>> find_storage_key_use(io::Disk& disk) {
  std::map<KeyVersion, std::uint64_t> use;
  const OnHeader count = [&](const std::string&, Bytes header) -> Status {
    ++use[TRY(storage_version_of(header))];
    return {};
  };
  TRY(walk(disk, "", 0, count));
  return use;
}

Result<bool> is_storage_rotating(io::Disk& disk) { return disk.exists(intent_path); }

Result<StorageRotation> finish_storage_rotation(io::Disk& disk, KeyStore& keys) {
  TRY(redo(disk, keys));
  StorageRotation done{.newest = TRY(keys.newest_wrapper(key_name)).version};
  const std::vector<KeyVersion> older = older_versions(keys, done.newest);
  if (older.empty()) return done;
  Rewrapping rewrapping(disk, keys, done.newest);
  TRY(walk(disk, "", 0, [&](const std::string& path, Bytes header) {
    return rewrapping.look_at(path, header);
  }));
  TRY(rewrapping.flush());
  done.files = rewrapping.files();
  // Looked at once more: what is on the disk now decides what may go.
  const auto use = TRY(find_storage_key_use(disk));
  for (const KeyVersion version : older) {
    const auto used = use.find(version);
    if (used != use.end())
      return fail(Code::internal,
                  fmt::format("{} files are still under version {} of the storage key, which is "
                              "kept: start again",
                              used->second, static_cast<std::uint32_t>(version)));
  }
  for (const KeyVersion version : older) {
    TRY(keys.destroy(key_name, version));
    done.destroyed.push_back(version);
  }
  return done;
}

Result<StorageRotation> rotate_storage_key(io::Disk& disk, KeyStore& keys) {
  TRY(finish_storage_rotation(disk, keys));
  TRY(keys.add(key_name));
  return finish_storage_rotation(disk, keys);
}

}  // namespace meridian::storage
