// Files: the only door to the disk. os_disk() is the kernel's; sim::Disk loses, tears and flips.
//
// Calls block. Paths are relative to the disk's root and use '/'; ".." is refused
// (invalid_argument). Errors carry path and errno text: not_found (no such file), already_exists,
// resource_exhausted (disk full, quota: nothing or a prefix may have been written), internal
// (anything else: EIO …; all that fails a sync, also for want of space). After a failed write or
// sync the caller must stop using the file: the kernel may have dropped dirty pages, so a sync is
// never tried again. Thread-safe across files; one File may be read by several threads while one
// writes elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace meridian::io {

class File {
 public:
  virtual ~File() = default;  ///< Closes without syncing.
  /// Writes all of `bytes` at `offset`, growing the file if needed. Not durable until sync().
  virtual Status write_at(std::uint64_t offset, Bytes bytes) = 0;
  /// Reads up to out.size() bytes; fewer only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) = 0;
  /// Asks for `size` bytes at `offset`, written before, to go to the disk soon, so that a later
  /// sync() finds little left to do. No promise, and no waiting for it.
  virtual void begin_writeback(std::uint64_t offset, std::uint64_t size) = 0;
  /// Makes all completed writes of this file durable (fdatasync).
  virtual Status sync() = 0;
  virtual Result<std::uint64_t> size() = 0;
  /// Grows the file to `size` with real zeros, so that later writes change no metadata.
  virtual Status preallocate(std::uint64_t size) = 0;
  virtual Status truncate(std::uint64_t size) = 0;
};

enum class OpenMode : std::uint8_t {
  read,        ///< Must exist.
  read_write,  ///< Must exist.
  create,      ///< Must not exist.
};

/// Held while the object lives; released by the kernel if the process dies.
class DiskLock {
 public:
  virtual ~DiskLock() = default;
};

class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) = 0;
  virtual Result<bool> exists(std::string_view path) = 0;
  /// Names (not paths) in a directory, sorted; files and directories alike.
  virtual Result<std::vector<std::string>> list(std::string_view directory) = 0;
  /// Also makes missing parents. Not an error if it is there.
  virtual Status make_directory(std::string_view path) = 0;
  /// Atomically replaces `to`. Durable after sync_directory of the parent.
  virtual Status rename(std::string_view from, std::string_view to) = 0;
  virtual Status remove(std::string_view path) = 0;
  /// Makes creations, renames and removals in `directory` durable ("" is the root).
  virtual Status sync_directory(std::string_view directory) = 0;
  virtual Result<std::uint64_t> free_bytes() = 0;
  /// Errors: failed_precondition if another process (or object) holds it.
  virtual Result<std::unique_ptr<DiskLock>> lock(std::string_view path) = 0;
  /// For messages to people: where `path` really is.
  virtual std::string display(std::string_view path) = 0;
};

/// The directory `root` of this machine's file system, created (mode 0700) if missing.
Result<std::unique_ptr<Disk>> os_disk(const std::string& root);

/// Reads a whole file. Errors: resource_exhausted if it is larger than `size_max`.
Result<Buffer> read_file(Disk& disk, std::string_view path, std::uint64_t size_max);
/// Replaces `path` with `content` so that a crash leaves the old or the new file: temporary file,
/// sync, rename, sync of the directory.
Status replace_file(Disk& disk, std::string_view path, Bytes content);

}  // namespace meridian::io
