// Every path is walked name by name from the root's descriptor with O_NOFOLLOW, so neither ".." nor
// a symbolic link planted inside the data directory leads out of it (what openat2's
// RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS does, without needing that system call in a sandbox).
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "io/disk.h"
#include "io/path.h"

namespace meridian::io {
namespace {

constexpr std::uint64_t file_size_max = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t zero_step_size = 1 << 20;  // of preallocate()
constexpr mode_t directory_mode = 0700;          // nobody but our user reads a data directory
constexpr mode_t file_mode = 0600;

Error os_error(std::string_view action, std::string_view path, int error_number) {
  Code code = Code::internal;
  if (error_number == ENOENT) code = Code::not_found;
  if (error_number == EEXIST) code = Code::already_exists;
  if (error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG) {
    code = Code::resource_exhausted;
  }
  return fail(code, fmt::format("{} {}: {}", action, path,
                                std::error_code(error_number, std::generic_category()).message()));
}

/// Also a sync that fails for want of space has lost what was written: it is no full disk, after
/// which one may go on once there is room.
Error sync_error(std::string_view path, int error_number) {
  Error error = os_error("sync", path, error_number);
  if (error.code == Code::resource_exhausted) error.code = Code::internal;
  return error;
}

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }
  bool valid() const { return value_ >= 0; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

/// open(2) as we always want it, tried again when a signal interrupts it.
Descriptor open_retrying(int directory, const char* name, int flags, mode_t mode = 0) {
  int fd = -1;
  do {
    fd = ::openat(directory, name, flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  return Descriptor(fd);
}

class OsFile final : public File {
 public:
  OsFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Status write_at(std::uint64_t offset, Bytes bytes) override {
    TRY(check_range(offset, bytes.size()));
    while (!bytes.empty()) {
      ssize_t count =
          ::pwrite(descriptor_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return os_error("write", path_, errno);
      if (count == 0) return os_error("write", path_, EIO);  // never for a regular file
      bytes = bytes.subspan(static_cast<std::size_t>(count));
      offset += static_cast<std::uint64_t>(count);
    }
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override {
    TRY(check_range(offset, out.size()));
    std::size_t done = 0;
    while (done < out.size()) {
      ssize_t count = ::pread(descriptor_.get(), out.data() + done, out.size() - done,
                              static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return os_error("read", path_, errno);
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  void begin_writeback(std::uint64_t offset, std::uint64_t size) override {
    // A hint: what goes wrong is told by the sync() that needs it.
    (void)::sync_file_range(descriptor_.get(), static_cast<off_t>(offset), static_cast<off_t>(size),
                            SYNC_FILE_RANGE_WRITE);
  }

  Status sync() override {
    // Not repeated on any error, EINTR included: pages may have been dropped and marked clean.
    if (::fdatasync(descriptor_.get()) != 0) return sync_error(path_, errno);
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat status {};
    if (::fstat(descriptor_.get(), &status) != 0) return os_error("stat", path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

  Status preallocate(std::uint64_t size_wanted) override {
    TRY(check_range(0, size_wanted));
    std::uint64_t at = TRY(size());
    if (at >= size_wanted) return {};
    // Real zeros, not fallocate(2): unwritten extents would be converted, a metadata change, by the
    // first sync after each write.
    const Buffer zeros(
        static_cast<std::size_t>(std::min<std::uint64_t>(zero_step_size, size_wanted - at)));
    while (at < size_wanted) {
      auto step = static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), size_wanted - at));
      TRY(write_at(at, Bytes(zeros).first(step)));
      at += step;
    }
    return {};
  }

  Status truncate(std::uint64_t size_wanted) override {
    TRY(check_range(0, size_wanted));
    int result = 0;
    do {
      result = ::ftruncate(descriptor_.get(), static_cast<off_t>(size_wanted));
    } while (result != 0 && errno == EINTR);
    if (result != 0) return os_error("truncate", path_, errno);
    return {};
  }

 private:
  Status check_range(std::uint64_t offset, std::uint64_t size) const {
    if (offset > file_size_max || size > file_size_max - offset) {
      return fail(Code::invalid_argument,
                  fmt::format("{}: {} bytes at offset {} pass the largest file size, {}", path_,
                              size, offset, file_size_max));
    }
    return {};
  }

  Descriptor descriptor_;
  std::string path_;  // for messages
};

class OsDiskLock final : public DiskLock {
 public:
  explicit OsDiskLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;  // closing it releases the flock
};

/// Where a path ends: an open directory and the last name in it (null-terminated for the kernel).
struct Place {
  Descriptor directory;
  std::string name;
};

class OsDisk final : public Disk {
 public:
  OsDisk(Descriptor root, std::string root_path)
      : root_(std::move(root)), root_path_(std::move(root_path)) {}

  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override {
    Place place = TRY(resolve("open", path));
    int flags = O_NOFOLLOW | O_NONBLOCK;  // O_NONBLOCK: a planted FIFO must not hang us
    if (mode == OpenMode::read) flags |= O_RDONLY;
    if (mode == OpenMode::read_write) flags |= O_RDWR;
    if (mode == OpenMode::create) flags |= O_RDWR | O_CREAT | O_EXCL;
    Descriptor file = open_retrying(place.directory.get(), place.name.c_str(), flags, file_mode);
    if (!file.valid()) {
      return os_error(mode == OpenMode::create ? "create" : "open", display(path), errno);
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return os_error("stat", display(path), errno);
    if (!S_ISREG(status.st_mode)) {
      return fail(Code::internal, fmt::format("open {}: not a regular file", display(path)));
    }
    return std::make_unique<OsFile>(std::move(file), display(path));
  }

  Result<bool> exists(std::string_view path) override {
    if (path.empty()) return true;
    Result<Place> place = resolve("stat", path);
    if (!place) {
      if (place.error().code == Code::not_found) return false;
      return place.error();
    }
    struct stat status {};
    if (::fstatat(place->directory.get(), place->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return false;
      return os_error("stat", display(path), errno);
    }
    return true;
  }

  Result<std::vector<std::string>> list(std::string_view directory) override {
    Descriptor descriptor = TRY(open_directory("list", directory));
    DIR* stream = ::fdopendir(descriptor.get());
    if (stream == nullptr) return os_error("list", display(directory), errno);
    descriptor.release();  // the stream owns it now
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
      std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(std::move(name));
      errno = 0;
    }
    int error_number = errno;
    ::closedir(stream);
    if (error_number != 0) return os_error("list", display(directory), error_number);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status make_directory(std::string_view path) override {
    std::vector<std::string_view> names = TRY(split_path(path));
    Descriptor at = TRY(open_root());
    for (std::string_view name : names) {
      std::string terminated(name);
      if (::mkdirat(at.get(), terminated.c_str(), directory_mode) != 0 && errno != EEXIST) {
        return os_error("make directory", display(path), errno);
      }
      Descriptor next = open_retrying(at.get(), terminated.c_str(), directory_flags);
      if (!next.valid()) return os_error("make directory", display(path), errno);
      at = std::move(next);
    }
    return {};
  }

  Status rename(std::string_view from, std::string_view to) override {
    Place source = TRY(resolve("rename", from));
    Place target = TRY(resolve("rename to", to));
    if (::renameat(source.directory.get(), source.name.c_str(), target.directory.get(),
                   target.name.c_str()) != 0) {
      return os_error("rename", fmt::format("{} to {}", display(from), display(to)), errno);
    }
    return {};
  }

  Status remove(std::string_view path) override {
    Place place = TRY(resolve("remove", path));
    int result = ::unlinkat(place.directory.get(), place.name.c_str(), 0);
    if (result != 0 && errno == EISDIR) {
      result = ::unlinkat(place.directory.get(), place.name.c_str(), AT_REMOVEDIR);
    }
    if (result != 0) return os_error("remove", display(path), errno);
    return {};
  }

  Status sync_directory(std::string_view directory) override {
    Descriptor descriptor = TRY(open_directory("sync", directory));
    if (::fsync(descriptor.get()) != 0) return sync_error(display(directory), errno);
    return {};
  }

  Result<std::uint64_t> free_bytes() override {
    struct statvfs status {};
    if (::fstatvfs(root_.get(), &status) != 0) return os_error("statvfs", root_path_, errno);
    return std::uint64_t{status.f_bavail} * std::uint64_t{status.f_frsize};
  }

  Result<std::unique_ptr<DiskLock>> lock(std::string_view path) override {
    Place place = TRY(resolve("lock", path));
    Descriptor file = open_retrying(place.directory.get(), place.name.c_str(),
                                    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, file_mode);
    if (!file.valid()) return os_error("lock", display(path), errno);
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        return fail(Code::failed_precondition,
                    fmt::format("lock {}: held by another process; stop it, or use another "
                                "directory",
                                display(path)));
      }
      return os_error("lock", display(path), errno);
    }
    return std::make_unique<OsDiskLock>(std::move(file));
  }

  std::string display(std::string_view path) override {
    if (path.empty()) return root_path_;
    return fmt::format("{}{}{}", root_path_, root_path_.ends_with('/') ? "" : "/", path);
  }

 private:
  static constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

  Result<Descriptor> open_root() {
    Descriptor root = open_retrying(root_.get(), ".", directory_flags);
    if (!root.valid()) return os_error("open", root_path_, errno);
    return root;
  }

  Result<Descriptor> walk(std::string_view action, const std::vector<std::string_view>& names) {
    Descriptor at = TRY(open_root());
    std::string walked;
    for (std::string_view name : names) {
      if (!walked.empty()) walked += '/';
      walked += name;
      Descriptor next = open_retrying(at.get(), std::string(name).c_str(), directory_flags);
      if (!next.valid()) return os_error(action, display(walked), errno);
      at = std::move(next);
    }
    return at;
  }

  Result<Descriptor> open_directory(std::string_view action, std::string_view path) {
    return walk(action, TRY(split_path(path)));
  }

  Result<Place> resolve(std::string_view action, std::string_view path) {
    std::vector<std::string_view> names = TRY(split_path(path));
    if (names.empty()) {
      return fail(Code::invalid_argument,
                  fmt::format("{} '': the root itself cannot be meant here", action));
    }
    std::string name(names.back());
    names.pop_back();
    Descriptor directory = TRY(walk(action, names));
    return Place{std::move(directory), std::move(name)};
  }

  Descriptor root_;
  std::string root_path_;
};

/// mkdir -p with mode 0700; each new directory is synced into its parent.
Status make_root(const std::string& root) {
  if (::mkdir(root.c_str(), directory_mode) != 0) {
    if (errno == EEXIST) return {};
    if (errno != ENOENT) return os_error("make directory", root, errno);
    std::string_view parent = parent_path(root);
    if (parent.empty()) return os_error("make directory", root, ENOENT);
    TRY(make_root(std::string(parent)));
    if (::mkdir(root.c_str(), directory_mode) != 0 && errno != EEXIST) {
      return os_error("make directory", root, errno);
    }
  }
  std::string parent(parent_path(root));
  if (parent.empty()) parent = root.front() == '/' ? "/" : ".";
  Descriptor directory = open_retrying(AT_FDCWD, parent.c_str(), O_RDONLY | O_DIRECTORY);
  if (!directory.valid()) return os_error("open", parent, errno);
  if (::fsync(directory.get()) != 0) return sync_error(parent, errno);
  return {};
}

}  // namespace

Result<std::unique_ptr<Disk>> os_disk(const std::string& root) {
  std::string path = root;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path.empty() || path.find('\0') != std::string::npos) {
    return fail(Code::invalid_argument, "the data directory has no name; give one");
  }
  TRY(make_root(path));
  Descriptor descriptor = open_retrying(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY);
  if (!descriptor.valid()) return os_error("open directory", path, errno);
  return std::make_unique<OsDisk>(std::move(descriptor), path);
}

}  // namespace meridian::io
