// A disk whose sealed files may have their headers written anew while others use them
// (storage_turn.h): who reads or writes the beginning of a file, or gives it another name, waits
// for the moment in which one header changes. All else goes straight through.
//
// Thread-safe. Cost: a virtual call; for those that wait, a lock.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "io/disk.h"

namespace meridian::storage {

class GuardedDisk final : public io::Disk {
 public:
  explicit GuardedDisk(std::unique_ptr<io::Disk> disk) : disk_(std::move(disk)) {}

  Result<std::unique_ptr<io::File>> open(std::string_view path, io::OpenMode mode) override;
  Result<bool> exists(std::string_view path) override { return disk_->exists(path); }
  Result<std::vector<std::string>> list(std::string_view directory) override {
    return disk_->list(directory);
  }
  Status make_directory(std::string_view path) override { return disk_->make_directory(path); }
  Status rename(std::string_view from, std::string_view to) override;
  Status remove(std::string_view path) override;
  Status sync_directory(std::string_view directory) override {
    return disk_->sync_directory(directory);
  }
  Result<std::uint64_t> free_bytes() override { return disk_->free_bytes(); }
  Result<std::unique_ptr<io::DiskLock>> lock(std::string_view path) override {
    return disk_->lock(path);
  }
  std::string display(std::string_view path) override { return disk_->display(path); }

  /// Runs `change` while nobody reads or writes the beginning of a file, and none is renamed or
  /// removed: on the disk underneath, as this one would wait for itself.
  template <typename Change>
  auto exclusively(const Change& change) {
    const std::unique_lock lock(*beginnings_);
    return change(*disk_);
  }

  /// From here on new names are noted.
  void note_renames();
  void stop_noting();
  /// Those that files got since the last call.
  std::vector<std::string> take_renamed();

 private:
  std::unique_ptr<io::Disk> disk_;
  /// Shared by who uses the first bytes of files; open files outlive the disk.
  std::shared_ptr<std::shared_mutex> beginnings_ = std::make_shared<std::shared_mutex>();
  std::mutex renamed_mutex_;  // guards the rest
  bool is_noting_ = false;
  std::vector<std::string> renamed_;
};

}  // namespace meridian::storage
