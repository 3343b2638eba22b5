// A file's way: next.tmp (growing, prepare_fresh) -> N.wal (publish) -> M.spare (retire)
//               -> K.wal (prepare_recycled, publish), or removed.
#include "storage/internal/wal_file.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "storage/internal/file_names.h"

namespace meridian::storage {
namespace {

constexpr std::string_view growing_path = "wal/next.tmp";
constexpr std::string_view spare_suffix = ".spare";

std::string spare_path(std::uint64_t number) {
  return fmt::format("{}/{}", wal_directory, numbered_name(number, spare_suffix));
}

}  // namespace

std::string wal_path(std::uint64_t number) {
  return fmt::format("{}/{}", wal_directory, numbered_name(number, ".wal"));
}

Status WalSupply::adopt(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    std::string path = fmt::format("{}/{}", wal_directory, name);
    if (path == growing_path) TRY(context_.disk.remove(path));
    if (number_of(name, spare_suffix)) {
      if (spares_.size() < spares_max) {
        spares_.push_back(path);
      } else {
        TRY(context_.disk.remove(path));
      }
    }
  }
  return {};
}

Status WalSupply::prepare_some(std::uint64_t number, std::uint64_t bytes) {
  if (ready_) return {};
  Status done = spares_.empty() ? prepare_fresh(number, bytes) : prepare_recycled(number);
  if (!done && done.error().code == Code::resource_exhausted) return abandon();
  return done;
}

Result<WalFile> WalSupply::take(std::uint64_t number) {
  if (!ready_) {
    Status done = spares_.empty() ? prepare_fresh(number, file_size_) : prepare_recycled(number);
    if (!done) {
      if (done.error().code == Code::resource_exhausted) TRY(abandon());
      return done.error();
    }
  }
  ASSERT(ready_.has_value());
  ASSERT(ready_->number == number);
  WalFile file = std::move(*ready_);
  ready_.reset();
  return file;
}

// Gives the space back: whoever frees the disk (a checkpoint that lets files go) needs some itself.
Status WalSupply::abandon() {
  if (growing_ == nullptr) return {};
  growing_.reset();
  return context_.disk.remove(growing_path);
}

// Zeros are made durable step by step: one sync of a whole file would hold up an append for long.
Status WalSupply::prepare_fresh(std::uint64_t number, std::uint64_t bytes) {
  if (growing_ == nullptr) growing_ = TRY(context_.disk.open(growing_path, io::OpenMode::create));
  std::uint64_t at = TRY(growing_->size());
  at = bytes < file_size_ - at ? at + bytes : file_size_;
  TRY(growing_->preallocate(at));
  TRY(growing_->sync());
  if (at < file_size_) return {};
  return publish(number, growing_path, std::move(growing_), false);
}

Status WalSupply::prepare_recycled(std::uint64_t number) {
  std::string path = spares_.back();
  auto file = TRY(context_.disk.open(path, io::OpenMode::read_write));
  if (TRY(file->size()) < file_size_) TRY(file->preallocate(file_size_));
  spares_.pop_back();
  return publish(number, path, std::move(file), true);
}

// The fresh key in the new header is what makes groups of the file's earlier life unreadable; the
// zero block after it says that there is no group yet.
Status WalSupply::publish(std::uint64_t number, std::string_view from,
                          std::unique_ptr<io::File> file, bool recycled) {
  FreshHeader fresh;
  FrameSealer sealer = TRY(FrameSealer::create(context_, Purpose::write_ahead_log, number, fresh));
  fresh.bytes.resize(2 * wal_block_size);
  TRY(file->write_at(0, fresh.bytes));
  TRY(file->sync());
  TRY(context_.disk.rename(from, wal_path(number)));
  TRY(context_.disk.sync_directory(wal_directory));
  std::uint64_t size = TRY(file->size());
  ready_ = WalFile{number, std::move(file), std::move(sealer), size};
  if (recycled) ready_->dirty_end = size;
  return {};
}

Status WalSupply::retire(std::uint64_t number) {
  if (spares_.size() < spares_max) {
    TRY(context_.disk.rename(wal_path(number), spare_path(number)));
    spares_.push_back(spare_path(number));
  } else {
    TRY(context_.disk.remove(wal_path(number)));
  }
  return context_.disk.sync_directory(wal_directory);
}

}  // namespace meridian::storage
