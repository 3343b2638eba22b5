// A disk in memory that does what real ones do when power fails, and worse.
//
// Writes stay in a volatile page cache until File::sync(), names until sync_directory(). crash()
// lets each unsynced write survive, vanish, arrive without its predecessors or torn between
// 512-byte sectors, and each create, rename and removal happen or not; whatever was synced is kept
// (a file also needs its name, and the names of the directories above it, synced). Stricter than
// most file systems on purpose: code correct here does not depend on ext4.
// After a failed sync() some writes are lost though still readable, and no later sync saves them.
//
// Enumerate crash points: run once and read mutation_count(), then for each n up to it run again
// on an equal disk with crash_at_mutation(n), take crash(seed), reopen and check. Vary both seeds:
// DiskOptions::seed decides whether the call that power failed in took effect.
// Everything follows from seeds and the order of calls. Thread-safe; then order is the threads'.
// Cost: memory of what was written; an operation is O(log n), crash() O(files + unsynced bytes).
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/disk.h"

namespace meridian::sim {

/// Probability of each fault per call, 0 to 1.
struct DiskFaults {
  double read_error = 0;
  double read_bit_flip = 0;  ///< One bit of what a read returns; the stored bytes stay right.
  double write_error = 0;    ///< write_at and preallocate; a prefix may have been written.
  double sync_error = 0;     ///< File::sync; unsynced writes may be lost for good.
};

struct DiskOptions {
  std::uint64_t seed = 1;
  std::uint64_t capacity = std::uint64_t{1} << 40;  ///< Bytes of all files together.
  DiskFaults faults{};
};

/// What a call does, as counted by count() and hit by fail_next().
enum class DiskOperation : std::uint8_t {
  open,  ///< OpenMode::read and read_write.
  create,
  read,
  write,
  preallocate,
  truncate,
  sync,
  size,
  exists,
  list,
  make_directory,
  rename,
  remove,
  sync_directory,
  lock,
};
inline constexpr std::size_t disk_operation_count = 15;

namespace internal {
class DiskState;
}

class Disk final : public io::Disk {
 public:
  explicit Disk(const DiskOptions& options = {});
  ~Disk() override;

  Result<std::unique_ptr<io::File>> open(std::string_view path, io::OpenMode mode) override;
  Result<bool> exists(std::string_view path) override;
  Result<std::vector<std::string>> list(std::string_view directory) override;
  Status make_directory(std::string_view path) override;
  Status rename(std::string_view from, std::string_view to) override;
  Status remove(std::string_view path) override;
  Status sync_directory(std::string_view directory) override;
  Result<std::uint64_t> free_bytes() override;
  Result<std::unique_ptr<io::DiskLock>> lock(std::string_view path) override;
  std::string display(std::string_view path) override;

  /// Power fails now. From here on every call on this object, its files and locks fails (internal,
  /// "simulated power loss"); the disk returned holds what survived, without locks and faults.
  std::unique_ptr<Disk> crash(std::uint64_t seed);
  /// The process dies but the machine lives (kill -9): as crash(), with the page cache intact.
  std::unique_ptr<Disk> kill_process();

  /// The nth mutation (1-based, counted over the disk's life) is the last: it takes effect in the
  /// page cache or not, and fails, as does every call after it, with "simulated power loss".
  void crash_at_mutation(std::uint64_t n);
  /// Calls that change or sync something: create, write, preallocate, truncate, sync,
  /// make_directory, rename, remove, sync_directory, lock.
  std::uint64_t mutation_count() const;
  std::uint64_t count(DiskOperation operation) const;
  bool has_crashed() const;

  void set_faults(const DiskFaults& faults);
  void set_capacity(std::uint64_t bytes);
  /// The next call of that kind fails once, with `code`.
  void fail_next(DiskOperation operation, Code code = Code::internal);
  /// Rots one stored bit: bit `bit` (0 to 7) of the byte at `offset`.
  /// Errors: not_found, out_of_range.
  Status flip_bit(std::string_view path, std::uint64_t offset, unsigned bit = 0);

 private:
  explicit Disk(std::shared_ptr<internal::DiskState> state);

  std::shared_ptr<internal::DiskState> state_;  // shared with open files and locks
};

}  // namespace meridian::sim
