#include <algorithm>
#include <cstring>

#include "storage/internal/block_filter.h"

namespace meridian::storage {

BlockFilter::BlockFilter(std::uint64_t keys)
    : blocks_(static_cast<std::size_t>(std::max<std::uint64_t>(1, (keys + 15) / 16))) {}

Result<BlockFilter> BlockFilter::decode(Bytes bytes) {
  if (bytes.empty() || bytes.size() % sizeof(Block) != 0)
    return fail(Code::data_loss,
                "a filter of " + std::to_string(bytes.size()) + " bytes is not whole blocks of 32");
  BlockFilter filter;
  filter.blocks_.resize(bytes.size() / sizeof(Block));
  std::memcpy(filter.blocks_.data(), bytes.data(), bytes.size());
  return filter;
}

Buffer BlockFilter::encode() const {
  Buffer bytes(memory_bytes());
  std::memcpy(bytes.data(), blocks_.data(), bytes.size());
  return bytes;
}

}  // namespace meridian::storage
