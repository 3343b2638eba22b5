#include "audit/read_only_disk.h"

namespace meridian::audit {

namespace {

Error refused(const std::string& path) {
  return fail(Code::permission_denied,
              path + " would have to be changed, and verifying changes nothing");
}

class ReadOnlyFile final : public io::File {
 public:
  ReadOnlyFile(std::unique_ptr<io::File> file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}

  Status write_at(std::uint64_t, Bytes) override { return refused(path_); }
  Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) override {
    return file_->read_at(offset, out);
  }
  void begin_writeback(std::uint64_t, std::uint64_t) override {}
  Status sync() override { return {}; }
  Result<std::uint64_t> size() override { return file_->size(); }
  Status preallocate(std::uint64_t) override { return refused(path_); }
  Status truncate(std::uint64_t) override { return refused(path_); }

 private:
  std::unique_ptr<io::File> file_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<io::File>> ReadOnlyDisk::open(std::string_view path, io::OpenMode mode) {
  if (mode == io::OpenMode::create) return refused(disk_.display(path));
  return std::make_unique<ReadOnlyFile>(TRY(disk_.open(path, io::OpenMode::read)),
                                        disk_.display(path));
}

Status ReadOnlyDisk::rename(std::string_view, std::string_view to) {
  return refused(disk_.display(to));
}

}  // namespace meridian::audit
