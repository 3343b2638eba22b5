#include "sim/internal/disk_state.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "io/path.h"

namespace meridian::sim::internal {
namespace {

std::string_view verb(DiskOperation operation) {
  switch (operation) {
    case DiskOperation::open: return "open";
    case DiskOperation::create: return "create";
    case DiskOperation::read: return "read";
    case DiskOperation::write: return "write";
    case DiskOperation::preallocate: return "preallocate";
    case DiskOperation::truncate: return "truncate";
    case DiskOperation::sync: return "sync";
    case DiskOperation::size: return "size of";
    case DiskOperation::exists: return "stat";
    case DiskOperation::list: return "list";
    case DiskOperation::make_directory: return "make directory";
    case DiskOperation::rename: return "rename";
    case DiskOperation::remove: return "remove";
    case DiskOperation::sync_directory: return "sync directory";
    case DiskOperation::lock: return "lock";
  }
  return "use";
}

double fault_probability(const DiskFaults& faults, DiskOperation operation) {
  if (operation == DiskOperation::read) return faults.read_error;
  if (operation == DiskOperation::write) return faults.write_error;
  if (operation == DiskOperation::preallocate) return faults.write_error;
  if (operation == DiskOperation::sync) return faults.sync_error;
  return 0;
}

}  // namespace

bool is_mutation(DiskOperation operation) {
  switch (operation) {
    case DiskOperation::create:
    case DiskOperation::write:
    case DiskOperation::preallocate:
    case DiskOperation::truncate:
    case DiskOperation::sync:
    case DiskOperation::make_directory:
    case DiskOperation::rename:
    case DiskOperation::remove:
    case DiskOperation::sync_directory:
    case DiskOperation::lock: return true;
    case DiskOperation::open:
    case DiskOperation::read:
    case DiskOperation::size:
    case DiskOperation::exists:
    case DiskOperation::list: return false;
  }
  return false;
}

Error disk_error(Code code, std::string_view action, std::string_view path, std::string_view why) {
  return fail(code, fmt::format("{} sim:/{}: {}", action, path, why));
}

DiskState::DiskState(const DiskOptions& options)
    : random(options.seed), capacity(options.capacity), faults(options.faults) {}

std::shared_ptr<DiskState> DiskState::successor(std::uint64_t seed) {
  dead = true;
  auto next = std::make_shared<DiskState>(DiskOptions{.seed = seed, .capacity = capacity});
  next->tree = tree;
  for (const auto& [node, file] : files) {
    next->files.emplace(node, std::make_shared<StoredFile>(*file));
  }
  next->node_ids_ = node_ids_;
  return next;
}

void DiskState::lose_power(Random& power) {
  tree.lose_power(power);
  for (auto& [node, file] : files) file->lose_power(power);
  std::set<NodeId> alive = tree.reachable();
  std::erase_if(files, [&](const auto& entry) { return !alive.contains(entry.first); });
}

DiskState::Verdict DiskState::begin(DiskOperation operation, std::string_view path) {
  auto power_loss = [&] {
    return disk_error(Code::internal, verb(operation), path, "simulated power loss");
  };
  if (dead) return {power_loss(), false};
  ++counts[static_cast<std::size_t>(operation)];
  if (is_mutation(operation) && ++mutations == crash_at) {
    dead = true;
    return {power_loss(), random.chance(0.5)};
  }
  if (auto next = failing_next.find(operation); next != failing_next.end()) {
    Code code = next->second;
    failing_next.erase(next);
    return {disk_error(code, verb(operation), path, "simulated failure, asked for"), false};
  }
  double probability = fault_probability(faults, operation);
  if (probability > 0 && random.chance(probability)) {
    return {disk_error(Code::internal, verb(operation), path, "simulated input/output error"),
            false};
  }
  return {};
}

Result<NodeId> DiskState::resolve_directory(std::string_view action, std::string_view path) const {
  NodeId at = root_node;
  for (std::string_view name : TRY(io::split_path(path))) {
    const DirectoryTree::Entries& entries = tree.entries(at);
    auto found = entries.find(name);
    if (found == entries.end()) {
      return disk_error(Code::not_found, action, path, "no such file or directory");
    }
    if (!tree.is_directory(found->second)) {
      return disk_error(Code::internal, action, path, "not a directory");
    }
    at = found->second;
  }
  return at;
}

Result<Place> DiskState::resolve(std::string_view action, std::string_view path) const {
  std::vector<std::string_view> names = TRY(io::split_path(path));
  if (names.empty()) {
    return disk_error(Code::invalid_argument, action, path, "the root itself cannot be meant here");
  }
  NodeId directory = TRY(resolve_directory(action, io::parent_path(path)));
  const DirectoryTree::Entries& entries = tree.entries(directory);
  auto found = entries.find(names.back());
  Place place{directory, std::string(names.back()), std::nullopt};
  if (found != entries.end()) place.node = found->second;
  return place;
}

NodeId DiskState::create_file(const Place& place) {
  ASSERT(!place.node);
  NodeId node{++node_ids_};
  files.emplace(node, std::make_shared<StoredFile>());
  tree.apply({.sets = {{place.directory, place.name, node}}});
  return node;
}

NodeId DiskState::create_directory(NodeId parent, std::string_view name) {
  NodeId node{++node_ids_};
  tree.add_directory(node);
  tree.apply({.sets = {{parent, std::string(name), node}}});
  return node;
}

std::uint64_t DiskState::fitting(const StoredFile& file, std::uint64_t offset,
                                 std::uint64_t size) const {
  std::uint64_t end = offset + size;
  if (end <= file.size()) return size;
  std::uint64_t used = used_bytes();
  std::uint64_t free = used < capacity ? capacity - used : 0;
  std::uint64_t growth = end - file.size();
  if (growth <= free) return size;
  std::uint64_t end_fitting = file.size() + free;
  return end_fitting > offset ? end_fitting - offset : 0;
}

std::uint64_t DiskState::used_bytes() const {
  std::uint64_t used = 0;
  for (NodeId node : tree.reachable()) {  // a removed file may still be kept: it can come back
    if (auto file = files.find(node); file != files.end()) used += file->second->size();
  }
  return used;
}

}  // namespace meridian::sim::internal
