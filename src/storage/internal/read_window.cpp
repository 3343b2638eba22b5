#include "storage/internal/read_window.h"

namespace meridian::storage {

Result<Bytes> ReadWindow::at(std::uint64_t position, std::size_t size) {
  if (position >= size_) return Bytes{};
  auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size, size_ - position));
  if (position < start_ || position + wanted > start_ + filled_) {
    auto to_read = static_cast<std::size_t>(
        std::min<std::uint64_t>(std::max(wanted, ahead_), size_ - position));
    if (buffer_.size() < to_read) buffer_.resize(to_read);
    std::size_t kept = 0;
    if (position > start_ && position < start_ + filled_) {
      kept = static_cast<std::size_t>(start_ + filled_ - position);
      std::memmove(buffer_.data(), buffer_.data() + (position - start_), kept);
    }
    filled_ = 0;  // stays so if the read fails
    start_ = position;
    std::size_t count =
        TRY(file_->read_at(position + kept, MutableBytes(buffer_).subspan(kept, to_read - kept)));
    filled_ = kept + count;
    wanted = std::min(wanted, filled_);  // the file may have been cut since
  }
  return Bytes(buffer_).subspan(static_cast<std::size_t>(position - start_), wanted);
}

}  // namespace meridian::storage
