#include "sim/sparse_bytes.h"

#include <algorithm>
#include <cstring>

namespace meridian::sim {

void SparseBytes::resize(std::uint64_t size) {
  if (size < size_) {
    chunks_.erase(chunks_.lower_bound((size + chunk_size - 1) / chunk_size), chunks_.end());
    std::uint64_t tail = size % chunk_size;
    if (tail != 0 && chunks_.contains(size / chunk_size)) {
      Chunk& chunk = own_chunk(size / chunk_size);
      std::fill(chunk.begin() + static_cast<std::ptrdiff_t>(tail), chunk.end(), Byte{0});
    }
  }
  size_ = size;
}

void SparseBytes::write(std::uint64_t offset, Bytes bytes) {
  if (bytes.empty()) return;
  size_ = std::max(size_, offset + bytes.size());
  while (!bytes.empty()) {
    std::uint64_t at = offset % chunk_size;
    auto count = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), chunk_size - at));
    std::memcpy(own_chunk(offset / chunk_size).data() + at, bytes.data(), count);
    offset += count;
    bytes = bytes.subspan(count);
  }
}

void SparseBytes::write_zeros(std::uint64_t offset, std::uint64_t count) {
  if (count == 0) return;
  size_ = std::max(size_, offset + count);
  std::uint64_t end = offset + count;
  auto found = chunks_.lower_bound(offset / chunk_size);
  while (found != chunks_.end() && found->first * chunk_size < end) {
    std::uint64_t begin_of_chunk = found->first * chunk_size;
    if (offset <= begin_of_chunk && begin_of_chunk + chunk_size <= end) {
      found = chunks_.erase(found);
      continue;
    }
    std::uint64_t from = std::max(offset, begin_of_chunk) - begin_of_chunk;
    std::uint64_t to = std::min(end, begin_of_chunk + chunk_size) - begin_of_chunk;
    Chunk& chunk = own_chunk(found->first);
    std::memset(chunk.data() + from, 0, to - from);
    ++found;
  }
}

std::size_t SparseBytes::read(std::uint64_t offset, MutableBytes out) const {
  if (offset >= size_) return 0;
  auto total = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset));
  for (std::size_t done = 0; done < total;) {
    std::uint64_t position = offset + done;
    std::uint64_t at = position % chunk_size;
    std::size_t count =
        static_cast<std::size_t>(std::min<std::uint64_t>(total - done, chunk_size - at));
    auto found = chunks_.find(position / chunk_size);
    if (found == chunks_.end()) {
      std::memset(out.data() + done, 0, count);
    } else {
      std::memcpy(out.data() + done, found->second->data() + at, count);
    }
    done += count;
  }
  return total;
}

SparseBytes::Chunk& SparseBytes::own_chunk(std::uint64_t index) {
  std::shared_ptr<Chunk>& chunk = chunks_[index];
  if (chunk == nullptr) {
    chunk = std::make_shared<Chunk>();
    chunk->fill(0);
  } else if (chunk.use_count() > 1) {
    chunk = std::make_shared<Chunk>(*chunk);
  }
  return *chunk;
}

}  // namespace meridian::sim
