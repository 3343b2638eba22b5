#include "sim/disk.h"

#include <fmt/format.h>

#include <utility>

#include "base/assert.h"
#include "io/path.h"
#include "sim/internal/disk_state.h"

namespace meridian::sim {
namespace {

using internal::disk_error;
using internal::DiskState;
using internal::NodeId;
using internal::Place;
using internal::StoredFile;

constexpr std::uint64_t file_size_max = std::numeric_limits<std::int64_t>::max();

class SimFile final : public io::File {
 public:
  SimFile(std::shared_ptr<DiskState> state, std::shared_ptr<StoredFile> file, std::string path,
          bool writable)
      : state_(std::move(state)),
        file_(std::move(file)),
        path_(std::move(path)),
        writable_(writable) {}

  Status write_at(std::uint64_t offset, Bytes bytes) override {
    std::lock_guard lock(state_->mutex);
    TRY(check(offset, bytes.size(), true));
    DiskState::Verdict verdict = state_->begin(DiskOperation::write, path_);
    if (verdict.error && !verdict.takes_effect) {
      if (!state_->dead) write_prefix(offset, bytes);
      return *verdict.error;
    }
    std::uint64_t fitting = state_->fitting(*file_, offset, bytes.size());
    file_->write(offset, bytes.first(fitting));
    if (verdict.error) return *verdict.error;
    if (fitting < bytes.size()) return full("write");
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override {
    std::lock_guard lock(state_->mutex);
    TRY(check(offset, out.size(), false));
    DiskState::Verdict verdict = state_->begin(DiskOperation::read, path_);
    if (verdict.error) return *verdict.error;
    std::size_t got = file_->read(offset, out);
    double flip = state_->faults.read_bit_flip;
    if (got > 0 && flip > 0 && state_->random.chance(flip)) {
      Byte& byte = out[state_->random.below(got)];
      byte = static_cast<Byte>(byte ^ (1U << state_->random.below(8)));
    }
    return got;
  }

  /// What is not synced may be lost or kept whichever way: nothing changes.
  void begin_writeback(std::uint64_t, std::uint64_t) override {}

  Status sync() override {
    std::lock_guard lock(state_->mutex);
    DiskState::Verdict verdict = state_->begin(DiskOperation::sync, path_);
    if (verdict.error && !verdict.takes_effect) {
      if (!state_->dead) file_->fail_sync(state_->random);
      return *verdict.error;
    }
    file_->sync();
    if (verdict.error) return *verdict.error;
    return {};
  }

  Result<std::uint64_t> size() override {
    std::lock_guard lock(state_->mutex);
    DiskState::Verdict verdict = state_->begin(DiskOperation::size, path_);
    if (verdict.error) return *verdict.error;
    return file_->size();
  }

  Status preallocate(std::uint64_t size) override {
    std::lock_guard lock(state_->mutex);
    TRY(check(0, size, size > file_->size()));
    DiskState::Verdict verdict = state_->begin(DiskOperation::preallocate, path_);
    if (verdict.error && !verdict.takes_effect) return *verdict.error;
    std::uint64_t at = file_->size();
    if (size > at) {
      std::uint64_t fitting = state_->fitting(*file_, at, size - at);
      file_->write_zeros(at, fitting);
      if (fitting < size - at) return verdict.error ? *verdict.error : full("preallocate");
    }
    if (verdict.error) return *verdict.error;
    return {};
  }

  Status truncate(std::uint64_t size) override {
    std::lock_guard lock(state_->mutex);
    TRY(check(0, size, true));
    DiskState::Verdict verdict = state_->begin(DiskOperation::truncate, path_);
    if (!verdict.error && size > file_->size() &&
        state_->fitting(*file_, file_->size(), size - file_->size()) < size - file_->size()) {
      return full("truncate");
    }
    if (verdict.takes_effect) file_->resize(size);
    if (verdict.error) return *verdict.error;
    return {};
  }

 private:
  Status check(std::uint64_t offset, std::uint64_t size, bool writes) const {
    if (offset > file_size_max || size > file_size_max - offset) {
      return disk_error(Code::invalid_argument, "use", path_,
                        fmt::format("{} bytes at offset {} pass the largest file size, {}", size,
                                    offset, file_size_max));
    }
    if (writes && !writable_) {
      return disk_error(Code::internal, "write", path_, "opened for reading only");
    }
    return {};
  }

  /// A write that fails may have got some way.
  void write_prefix(std::uint64_t offset, Bytes bytes) {
    std::uint64_t sectors = bytes.size() / StoredFile::sector_size;
    std::uint64_t written = state_->random.below(sectors + 1) * StoredFile::sector_size;
    file_->write(offset, bytes.first(state_->fitting(*file_, offset, written)));
  }

  Error full(std::string_view action) const {
    return disk_error(Code::resource_exhausted, action, path_, "the simulated disk is full");
  }

  std::shared_ptr<DiskState> state_;
  std::shared_ptr<StoredFile> file_;
  std::string path_;  // for messages
  bool writable_;
};

class SimDiskLock final : public io::DiskLock {
 public:
  SimDiskLock(std::shared_ptr<DiskState> state, NodeId node)
      : state_(std::move(state)), node_(node) {}
  ~SimDiskLock() override {
    std::lock_guard lock(state_->mutex);
    state_->locked.erase(node_);
  }

 private:
  std::shared_ptr<DiskState> state_;
  NodeId node_;
};

/// Whether `from` may take the place of what `to` names now, as rename(2) says.
Status check_replacement(const DiskState& state, const Place& from, const Place& to,
                         std::string_view path) {
  if (!to.node) return {};
  bool from_directory = state.tree.is_directory(*from.node);
  bool to_directory = state.tree.is_directory(*to.node);
  if (from_directory != to_directory) {
    return disk_error(Code::internal, "rename to", path,
                      to_directory ? "is a directory" : "not a directory");
  }
  if (to_directory && !state.tree.entries(*to.node).empty()) {
    return disk_error(Code::internal, "rename to", path, "directory not empty");
  }
  return {};
}

}  // namespace

Disk::Disk(const DiskOptions& options) : state_(std::make_shared<DiskState>(options)) {}
Disk::Disk(std::shared_ptr<DiskState> state) : state_(std::move(state)) {}
Disk::~Disk() = default;

Result<std::unique_ptr<io::File>> Disk::open(std::string_view path, io::OpenMode mode) {
  std::lock_guard lock(state_->mutex);
  bool create = mode == io::OpenMode::create;
  DiskState::Verdict verdict =
      state_->begin(create ? DiskOperation::create : DiskOperation::open, path);
  if (verdict.error && !verdict.takes_effect) return *verdict.error;
  Place place = TRY(state_->resolve("open", path));
  if (create) {
    if (place.node) return disk_error(Code::already_exists, "create", path, "file exists");
    place.node = state_->create_file(place);
  }
  if (verdict.error) return *verdict.error;
  if (!place.node) return disk_error(Code::not_found, "open", path, "no such file or directory");
  auto file = state_->files.find(*place.node);
  if (file == state_->files.end()) {
    return disk_error(Code::internal, "open", path, "not a regular file");
  }
  return std::make_unique<SimFile>(state_, file->second, std::string(path),
                                   mode != io::OpenMode::read);
}

Result<bool> Disk::exists(std::string_view path) {
  std::lock_guard lock(state_->mutex);
  DiskState::Verdict verdict = state_->begin(DiskOperation::exists, path);
  if (verdict.error) return *verdict.error;
  if (path.empty()) return true;
  Result<Place> place = state_->resolve("stat", path);
  if (place) return place->node.has_value();
  if (place.error().code == Code::not_found) return false;
  return place.error();
}

Result<std::vector<std::string>> Disk::list(std::string_view directory) {
  std::lock_guard lock(state_->mutex);
  DiskState::Verdict verdict = state_->begin(DiskOperation::list, directory);
  if (verdict.error) return *verdict.error;
  NodeId node = TRY(state_->resolve_directory("list", directory));
  std::vector<std::string> names;
  for (const auto& [name, child] : state_->tree.entries(node)) names.push_back(name);
  return names;
}

Status Disk::make_directory(std::string_view path) {
  std::lock_guard lock(state_->mutex);
  DiskState::Verdict verdict = state_->begin(DiskOperation::make_directory, path);
  if (verdict.error && !verdict.takes_effect) return *verdict.error;
  NodeId at = internal::root_node;
  for (std::string_view name : TRY(io::split_path(path))) {
    const internal::DirectoryTree::Entries& entries = state_->tree.entries(at);
    auto found = entries.find(name);
    if (found == entries.end()) {
      at = state_->create_directory(at, name);
    } else if (state_->tree.is_directory(found->second)) {
      at = found->second;
    } else {
      return disk_error(Code::internal, "make directory", path, "not a directory");
    }
  }
  if (verdict.error) return *verdict.error;
  return {};
}

Status Disk::rename(std::string_view from, std::string_view to) {
  std::lock_guard lock(state_->mutex);
  DiskState::Verdict verdict = state_->begin(DiskOperation::rename, from);
  if (verdict.error && !verdict.takes_effect) return *verdict.error;
  Place source = TRY(state_->resolve("rename", from));
  Place target = TRY(state_->resolve("rename to", to));
  if (!source.node) {
    return disk_error(Code::not_found, "rename", from, "no such file or directory");
  }
  if (to.size() > from.size() && to.starts_with(from) && to[from.size()] == '/') {
    return disk_error(Code::internal, "rename", from, "a directory cannot move into itself");
  }
  if (source.node != target.node) {
    TRY(check_replacement(*state_, source, target, to));
    state_->tree.apply({.sets = {{source.directory, source.name, std::nullopt},
                                 {target.directory, target.name, source.node}}});
  }
  if (verdict.error) return *verdict.error;
  return {};
}

Status Disk::remove(std::string_view path) {
  std::lock_guard lock(state_->mutex);
  DiskState::Verdict verdict = state_->begin(DiskOperation::remove, path);
  if (verdict.error && !verdict.takes_effect) return *verdict.error;
  Place place = TRY(state_->resolve("remove", path));
  if (!place.node) {
    return disk_error(Code::not_found, "remove", path, "no such file or directory");
  }
  if (state_->tree.is_directory(*place.node) && !state_->tree.entries(*place.node).empty()) {
    return disk_error(Code::internal, "remove", path, "directory not empty");
  }
  state_->tree.apply({.sets = {{place.directory, place.name, std::nullopt}}});
  if (verdict.error) return *verdict.error;
  return {};
}

Status Disk::sync_directory(std::string_view directory) {
  std::lock_guard lock(state_->mutex);
  DiskState::Verdict verdict = state_->begin(DiskOperation::sync_directory, directory);
  if (verdict.error && !verdict.takes_effect) return *verdict.error;
  state_->tree.sync(TRY(state_->resolve_directory("sync", directory)));
  if (verdict.error) return *verdict.error;
  return {};
}

Result<std::uint64_t> Disk::free_bytes() {
  std::lock_guard lock(state_->mutex);
  if (state_->dead) return fail(Code::internal, "free bytes of sim:/: simulated power loss");
  std::uint64_t used = state_->used_bytes();
  return used < state_->capacity ? state_->capacity - used : 0;
}

Result<std::unique_ptr<io::DiskLock>> Disk::lock(std::string_view path) {
  std::lock_guard lock(state_->mutex);
  DiskState::Verdict verdict = state_->begin(DiskOperation::lock, path);
  if (verdict.error && !verdict.takes_effect) return *verdict.error;
  Place place = TRY(state_->resolve("lock", path));
  if (!place.node) place.node = state_->create_file(place);
  if (verdict.error) return *verdict.error;
  if (state_->tree.is_directory(*place.node)) {
    return disk_error(Code::internal, "lock", path, "is a directory");
  }
  if (!state_->locked.insert(*place.node).second) {
    return disk_error(Code::failed_precondition, "lock", path, "held by another object");
  }
  return std::make_unique<SimDiskLock>(state_, *place.node);
}

std::string Disk::display(std::string_view path) { return fmt::format("sim:/{}", path); }

std::unique_ptr<Disk> Disk::crash(std::uint64_t seed) {
  std::unique_ptr<Disk> next = kill_process();
  Random power(seed);
  next->state_->random = power.fork();
  next->state_->lose_power(power);
  return next;
}

std::unique_ptr<Disk> Disk::kill_process() {
  std::lock_guard lock(state_->mutex);
  return std::unique_ptr<Disk>(new Disk(state_->successor(state_->random.next())));
}

void Disk::crash_at_mutation(std::uint64_t n) {
  std::lock_guard lock(state_->mutex);
  ASSERT(n > state_->mutations);
  state_->crash_at = n;
}

std::uint64_t Disk::mutation_count() const {
  std::lock_guard lock(state_->mutex);
  return state_->mutations;
}

std::uint64_t Disk::count(DiskOperation operation) const {
  std::lock_guard lock(state_->mutex);
  return state_->counts[static_cast<std::size_t>(operation)];
}

bool Disk::has_crashed() const {
  std::lock_guard lock(state_->mutex);
  return state_->dead;
}

void Disk::set_faults(const DiskFaults& faults) {
  std::lock_guard lock(state_->mutex);
  state_->faults = faults;
}

void Disk::set_capacity(std::uint64_t bytes) {
  std::lock_guard lock(state_->mutex);
  state_->capacity = bytes;
}

void Disk::fail_next(DiskOperation operation, Code code) {
  std::lock_guard lock(state_->mutex);
  state_->failing_next[operation] = code;
}

Status Disk::flip_bit(std::string_view path, std::uint64_t offset, unsigned bit) {
  std::lock_guard lock(state_->mutex);
  Place place = TRY(state_->resolve("flip a bit of", path));
  auto file = place.node ? state_->files.find(*place.node) : state_->files.end();
  if (file == state_->files.end()) {
    return disk_error(Code::not_found, "flip a bit of", path, "no such file");
  }
  if (!file->second->flip_bit(offset, bit)) {
    return disk_error(Code::out_of_range, "flip a bit of", path,
                      fmt::format("offset {} is past the end", offset));
  }
  return {};
}

}  // namespace meridian::sim
