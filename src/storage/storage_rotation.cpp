//   version n+1 added ──▶ per batch of files: keys/rewrapping written ─▶ headers written, synced
//     ─▶ keys/rewrapping removed ──▶ no file is under n any more: n destroyed
#include "storage/storage_rotation.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "storage/internal/header_rewrite.h"
#include "storage/sealed_file.h"

namespace meridian::storage {

namespace {

Status write_header(io::Disk& disk, const NewHeader& one) {
  Result<std::unique_ptr<io::File>> file = disk.open(one.path, io::OpenMode::read_write);
  if (!file) return file.error().code == Code::not_found ? Status() : file.error();
  TRY((*file)->write_at(0, one.after));
  return (*file)->sync();
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
    batch_.push_back({path, to_buffer(header), *std::move(fresh)});
    return batch_.size() < headers_at_once_max ? Status() : flush();
  }
  Status flush() {
    if (batch_.empty()) return {};
    TRY(save_intent(disk_, batch_));
    for (const NewHeader& one : batch_) TRY(write_header(disk_, one));
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
  std::vector<NewHeader> batch_;
  std::uint64_t files_ = 0;
};

template <typename OnHeader>
Status for_each_sealed(io::Disk& disk, SealedFiles& files, const OnHeader& on_header) {
  for (;;) {
    const SealedFiles::Seen seen = TRY(files.next());
    if (seen == SealedFiles::Seen::end) return {};
    if (seen != SealedFiles::Seen::sealed) continue;
    if (Status looked = on_header(files.path(), files.header()); !looked)
      return with_context(std::move(looked).error(), disk.display(files.path()));
  }
}

}  // namespace

Result<std::map<KeyVersion, std::uint64_t>> find_storage_key_use(io::Disk& disk) {
  std::map<KeyVersion, std::uint64_t> use;
  SealedFiles files(disk);
  const auto count = [&](const std::string&, Bytes header) -> Status {
    ++use[TRY(storage_version_of(header))];
    return {};
  };
  TRY(for_each_sealed(disk, files, count));
  return use;
}

Result<bool> is_storage_rotating(io::Disk& disk) { return has_intent(disk); }

Result<StorageRotation> finish_storage_rotation(io::Disk& disk, KeyStore& keys) {
  TRY(redo_intent(disk, keys));
  StorageRotation done{.newest = TRY(keys.newest_wrapper(storage_key_name)).version};
  const std::vector<KeyVersion> older = older_storage_keys(keys, done.newest);
  if (older.empty()) return done;
  Rewrapping rewrapping(disk, keys, done.newest);
  SealedFiles files(disk);
  TRY(for_each_sealed(disk, files, [&](const std::string& path, Bytes header) {
    return rewrapping.look_at(path, header);
  }));
  TRY(rewrapping.flush());
  done.files = rewrapping.files();
  // Names may be newer than the disk knows, after kill -9: one that came back with a power failure
  // would be of a file under the old version.
  for (const std::string& folder : files.folders()) TRY(disk.sync_directory(folder));
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
    TRY(keys.destroy(storage_key_name, version));
    done.destroyed.push_back(version);
  }
  return done;
}

Result<StorageRotation> rotate_storage_key(io::Disk& disk, KeyStore& keys) {
  TRY(finish_storage_rotation(disk, keys));
  TRY(keys.add(storage_key_name));
  return finish_storage_rotation(disk, keys);
}

}  // namespace meridian::storage
