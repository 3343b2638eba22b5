#include "storage/internal/wal_group.h"

#include <fmt/format.h>

#include "base/assert.h"

namespace meridian::storage {

void encode_wal_group(std::span<const WalEntry> entries, Buffer& out) {
  ASSERT(!entries.empty());
  out.clear();
  ByteWriter writer(out);
  writer.u64(entries.front().index);
  writer.u32(static_cast<std::uint32_t>(entries.size()));
  writer.u32(0);
  for (const WalEntry& entry : entries) {
    writer.u64(entry.index);
    writer.u64(entry.term);
    writer.u32(static_cast<std::uint32_t>(entry.bytes.size()));
    writer.u32(0);
    writer.bytes(entry.bytes);
  }
}

std::size_t wal_group_extent(std::span<const WalEntry> entries) {
  std::size_t size = wal_group_header_size;
  std::size_t count = 0;
  for (const WalEntry& entry : entries) {
    size += wal_entry_header_size + entry.bytes.size();
    if (count > 0 && size > wal_group_plain_max) break;
    ++count;
  }
  return count;
}

Result<std::vector<WalEntry>> decode_wal_group(Bytes plain) {
  ByteReader reader(plain);
  std::uint64_t first = reader.u64();
  std::uint32_t count = reader.u32();
  std::uint32_t zero = reader.u32();
  if (!reader.ok()) return fail(Code::data_loss, "log group is shorter than its header");
  if (first == 0) return fail(Code::data_loss, "log group begins at index 0; indexes start at 1");
  if (count == 0 || zero != 0) return fail(Code::data_loss, "log group header is malformed");
  if (count > reader.remaining() / wal_entry_header_size) {
    return fail(Code::data_loss, fmt::format("log group names {} entries and has room for {}",
                                             count, reader.remaining() / wal_entry_header_size));
  }
  std::vector<WalEntry> entries;
  entries.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    WalEntry entry{reader.u64(), reader.u64(), {}};
    std::uint32_t size = reader.u32();
    if (reader.u32() != 0 || size > wal_entry_size_max || size > reader.remaining()) {
      return fail(Code::data_loss, fmt::format("log entry {} is malformed", entry.index));
    }
    if (entry.index != first + i) {
      return fail(Code::data_loss,
                  fmt::format("log group has entry {} where {} belongs", entry.index, first + i));
    }
    entry.bytes = reader.take(size);
    entries.push_back(entry);
  }
  if (!reader.done()) return fail(Code::data_loss, "log group has bytes after its last entry");
  return entries;
}

}  // namespace meridian::storage
