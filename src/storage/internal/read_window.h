// Sequential reading with read-ahead: a sliding window over a file, filled in large reads.
//
// One thread each; the file outlives the window. Memory: `ahead` or the largest range asked for.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "io/disk.h"

namespace meridian::storage {

class ReadWindow {
 public:
  static constexpr std::size_t ahead_default = 1 << 20;

  /// Sees the file's first `size` bytes.
  ReadWindow(io::File& file, std::uint64_t size, std::size_t ahead = ahead_default)
      : file_(&file), size_(size), ahead_(ahead) {}

  /// The bytes [position, position + size), fewer at the end. Valid until the next call.
  Result<Bytes> at(std::uint64_t position, std::size_t size);
  std::uint64_t size() const { return size_; }

 private:
  io::File* file_;
  std::uint64_t size_;
  std::size_t ahead_;
  Buffer buffer_;
  std::uint64_t start_ = 0;  // where in the file buffer_ begins
  std::size_t filled_ = 0;   // bytes of buffer_ that hold the file's
};

}  // namespace meridian::storage
