#include "storage/guarded_disk.h"

#include "storage/sealed_file.h"

namespace meridian::storage {
namespace {

class GuardedFile final : public io::File {
 public:
  GuardedFile(std::unique_ptr<io::File> file, std::shared_ptr<std::shared_mutex> beginnings)
      : file_(std::move(file)), beginnings_(std::move(beginnings)) {}

  Status write_at(std::uint64_t offset, Bytes bytes) override {
    if (offset >= sealed_file_header_size) return file_->write_at(offset, bytes);
    const std::shared_lock lock(*beginnings_);
    return file_->write_at(offset, bytes);
  }
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override {
    if (offset >= sealed_file_header_size) return file_->read_at(offset, out);
    const std::shared_lock lock(*beginnings_);
    return file_->read_at(offset, out);
  }
  void begin_writeback(std::uint64_t offset, std::uint64_t size) override {
    file_->begin_writeback(offset, size);
  }
  Status sync() override { return file_->sync(); }
  Result<std::uint64_t> size() override { return file_->size(); }
  Status preallocate(std::uint64_t size) override { return file_->preallocate(size); }
  Status truncate(std::uint64_t size) override { return file_->truncate(size); }

 private:
  std::unique_ptr<io::File> file_;
  std::shared_ptr<std::shared_mutex> beginnings_;
};

}  // namespace

Result<std::unique_ptr<io::File>> GuardedDisk::open(std::string_view path, io::OpenMode mode) {
  return std::make_unique<GuardedFile>(TRY(disk_->open(path, mode)), beginnings_);
}

Status GuardedDisk::rename(std::string_view from, std::string_view to) {
  const std::shared_lock lock(*beginnings_);
  TRY(disk_->rename(from, to));
  const std::lock_guard guard(renamed_mutex_);
  if (is_noting_) renamed_.emplace_back(to);
  return {};
}

Status GuardedDisk::remove(std::string_view path) {
  const std::shared_lock lock(*beginnings_);
  return disk_->remove(path);
}

void GuardedDisk::note_renames() {
  const std::lock_guard guard(renamed_mutex_);
  is_noting_ = true;
}

void GuardedDisk::stop_noting() {
  const std::lock_guard guard(renamed_mutex_);
  is_noting_ = false;
  renamed_.clear();
}

std::vector<std::string> GuardedDisk::take_renamed() {
  const std::lock_guard guard(renamed_mutex_);
  return std::exchange(renamed_, {});
}

}  // namespace meridian::storage
