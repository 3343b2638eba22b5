// What a sim::Disk, its open files and its locks share: names, contents, faults and counters.
// The mutex guards everything; callers hold it during each call.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "sim/disk.h"
#include "sim/internal/directory_tree.h"
#include "sim/internal/stored_file.h"
#include "sim/random.h"

namespace meridian::sim::internal {

/// Where a path ends. `node` is empty if the last name is free.
struct Place {
  NodeId directory;
  std::string name;
  std::optional<NodeId> node;
};

class DiskState {
 public:
  explicit DiskState(const DiskOptions& options);

  /// The state that is left when this one stops: files and names, no locks, faults or counters.
  std::shared_ptr<DiskState> successor(std::uint64_t seed);
  void lose_power(Random& power);

  /// Opens the call `operation`: counts it and decides whether it fails. On failure
  /// `takes_effect` says whether the operation happens nevertheless.
  struct Verdict {
    std::optional<Error> error;
    bool takes_effect = true;
  };
  Verdict begin(DiskOperation operation, std::string_view path);

  /// Errors: invalid_argument for a bad path, not_found for a missing directory on the way,
  /// internal if a file stands in its place.
  Result<Place> resolve(std::string_view action, std::string_view path) const;
  Result<NodeId> resolve_directory(std::string_view action, std::string_view path) const;
  NodeId create_file(const Place& place);
  NodeId create_directory(NodeId parent, std::string_view name);

  /// How many of `size` bytes at `offset` fit; the rest would pass the capacity.
  std::uint64_t fitting(const StoredFile& file, std::uint64_t offset, std::uint64_t size) const;
  std::uint64_t used_bytes() const;

  mutable std::mutex mutex;
  Random random;
  DirectoryTree tree;
  std::map<NodeId, std::shared_ptr<StoredFile>> files;
  std::set<NodeId> locked;
  std::uint64_t capacity;
  DiskFaults faults;
  std::map<DiskOperation, Code> failing_next;
  std::array<std::uint64_t, disk_operation_count> counts{};
  std::uint64_t mutations = 0;
  std::uint64_t crash_at = 0;  // 0: never
  bool dead = false;

 private:
  std::uint64_t node_ids_ = 0;  // root_node is 0
};

/// Mutations are the operations that crash points are counted by.
bool is_mutation(DiskOperation operation);
Error disk_error(Code code, std::string_view action, std::string_view path, std::string_view why);

}  // namespace meridian::sim::internal
