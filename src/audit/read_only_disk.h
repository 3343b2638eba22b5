// A disk that nothing is written to, whatever runs on it: for verifying evidence.
//
// Reads pass through. Writing, creating, growing and renaming fail with permission_denied.
// Removing, syncing and making directories is taken as done without doing it, since stores tidy up
// as they open. Thread-safe as the disk beneath, which outlives it.
#pragma once

#include "io/disk.h"

namespace meridian::audit {

class ReadOnlyDisk final : public io::Disk {
 public:
  explicit ReadOnlyDisk(io::Disk& disk) : disk_(disk) {}

  Result<std::unique_ptr<io::File>> open(std::string_view path, io::OpenMode mode) override;
  Result<bool> exists(std::string_view path) override { return disk_.exists(path); }
  Result<std::vector<std::string>> list(std::string_view directory) override {
    return disk_.list(directory);
  }
  Status make_directory(std::string_view) override { return {}; }
  Status rename(std::string_view from, std::string_view to) override;
  Status remove(std::string_view) override { return {}; }
  Status sync_directory(std::string_view) override { return {}; }
  Result<std::uint64_t> free_bytes() override { return disk_.free_bytes(); }
  Result<std::unique_ptr<io::DiskLock>> lock(std::string_view path) override {
    return disk_.lock(path);
  }
  std::string display(std::string_view path) override { return disk_.display(path); }

 private:
  io::Disk& disk_;
};

}  // namespace meridian::audit
