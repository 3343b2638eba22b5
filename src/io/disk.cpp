#include "io/disk.h"

#include <fmt/format.h>

#include "io/path.h"

namespace meridian::io {

Result<Buffer> read_file(Disk& disk, std::string_view path, std::uint64_t size_max) {
  std::unique_ptr<File> file = TRY(disk.open(path, OpenMode::read));
  std::uint64_t size = TRY(file->size());
  if (size > size_max) {
    return fail(Code::resource_exhausted, fmt::format("{}: {} bytes where at most {} are expected",
                                                      disk.display(path), size, size_max));
  }
  Buffer content(size);
  std::size_t got = TRY(file->read_at(0, content));
  content.resize(got);  // shorter only if somebody truncated it meanwhile
  return content;
}

Status replace_file(Disk& disk, std::string_view path, Bytes content) {
  std::string temporary = std::string(path) + ".new";
  Result<std::unique_ptr<File>> file = disk.open(temporary, OpenMode::create);
  if (!file && file.error().code == Code::already_exists) {  // left over by a crash in here
    TRY(disk.remove(temporary));
    file = disk.open(temporary, OpenMode::create);
  }
  if (!file) return file.error();

  Status written = (*file)->write_at(0, content);
  if (written) written = (*file)->sync();
  if (written) written = disk.rename(temporary, path);
  if (!written) {
    // Best effort: the first error is the one that counts, and the next call removes leftovers.
    static_cast<void>(disk.remove(temporary));
    return written;
  }
  return disk.sync_directory(parent_path(path));
}

}  // namespace meridian::io
