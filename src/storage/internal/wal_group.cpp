#include "storage/internal/wal_group.h"

#include <fmt/format.h>

#include "base/assert.h"

namespace meridian::storage {

namespace {

void encode_header(std::uint64_t first_index, std::size_t count, std::uint32_t sequence,
                   ByteWriter& writer) {
  writer.u64(first_index);
  writer.u32(static_cast<std::uint32_t>(count));
  writer.u32(sequence);
}

Result<WalEntry> decode_entry(ByteReader& reader) {
  WalEntry entry{reader.u64(), reader.u64(), {}};
  const std::uint32_t size = reader.u32();
  entry.kind = reader.u8();
  const std::uint8_t zero = reader.u8();
  const std::uint16_t head_size = reader.u16();
  if (!reader.ok() || zero != 0 || size > wal_entry_size_max ||
      head_size > wal_entry_head_size_max || std::size_t{head_size} + size > reader.remaining()) {
    return fail(Code::data_loss, fmt::format("log entry {} is malformed", entry.index));
  }
  entry.head = reader.take(head_size);
  entry.bytes = reader.take(size);
  return entry;
}

}  // namespace

void encode_wal_group(std::uint32_t sequence, std::span<const WalEntry> entries, Buffer& out) {
  ASSERT(!entries.empty());
  out.clear();
  ByteWriter writer(out);
  encode_header(entries.front().index, entries.size(), sequence, writer);
  for (const WalEntry& entry : entries) {
    writer.u64(entry.index);
    writer.u64(entry.term);
    writer.u32(static_cast<std::uint32_t>(entry.bytes.size()));
    writer.u8(entry.kind);
    writer.u8(0);
    writer.u16(static_cast<std::uint16_t>(entry.head.size()));
    writer.bytes(entry.head);
    writer.bytes(entry.bytes);
  }
}

void encode_wal_truncation(std::uint32_t sequence, std::uint64_t index, Buffer& out) {
  ASSERT(index >= 1);
  out.clear();
  ByteWriter writer(out);
  encode_header(index, 0, sequence, writer);
}

std::size_t wal_group_extent(std::span<const WalEntry> entries) {
  std::size_t size = wal_group_header_size;
  std::size_t count = 0;
  for (const WalEntry& entry : entries) {
    size += wal_entry_header_size + entry.head.size() + entry.bytes.size();
    if (count > 0 && size > wal_group_plain_max) break;
    ++count;
  }
  return count;
}

Result<WalGroup> decode_wal_group(Bytes plain) {
  ByteReader reader(plain);
  WalGroup group{reader.u64(), 0, {}};
  const std::uint32_t count = reader.u32();
  group.sequence = reader.u32();
  if (!reader.ok()) return fail(Code::data_loss, "log group is shorter than its header");
  if (group.first_index == 0) {
    return fail(Code::data_loss, "log group begins at index 0; indexes start at 1");
  }
  if (count > reader.remaining() / wal_entry_header_size) {
    return fail(Code::data_loss, fmt::format("log group names {} entries and has room for {}",
                                             count, reader.remaining() / wal_entry_header_size));
  }
  group.entries.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const WalEntry entry = TRY(decode_entry(reader));
    if (entry.index != group.first_index + i) {
      return fail(Code::data_loss, fmt::format("log group has entry {} where {} belongs",
                                               entry.index, group.first_index + i));
    }
    group.entries.push_back(entry);
  }
  if (!reader.done()) return fail(Code::data_loss, "log group has bytes after its last entry");
  return group;
}

}  // namespace meridian::storage
