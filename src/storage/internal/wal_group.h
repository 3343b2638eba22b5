// The bytes of a group of log entries (docs/formats/wal.md). Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "storage/wal.h"

namespace meridian::storage {

inline constexpr std::uint64_t wal_block_size = 4096;
inline constexpr std::uint32_t wal_tag_entries = 0x4C4157;  // "WAL"
inline constexpr std::uint32_t wal_tag_vote = 0x455456;     // "VTE", reserved
inline constexpr std::size_t wal_group_header_size = 16;
inline constexpr std::size_t wal_entry_header_size = 24;
/// A group closes before its plaintext passes this; one entry always fits.
inline constexpr std::size_t wal_group_plain_max = 4 << 20;
static_assert(wal_group_header_size + wal_entry_header_size + wal_entry_size_max <=
              wal_group_plain_max);
static_assert(wal_group_plain_max <= frame_plain_max);

constexpr std::uint64_t round_up_to_block(std::uint64_t size) {
  return (size + wal_block_size - 1) / wal_block_size * wal_block_size;
}

/// Replaces `out` with the plaintext of a group.
void encode_wal_group(std::span<const WalEntry> entries, Buffer& out);
/// How many of `entries`, from the first on, go into one group.
std::size_t wal_group_extent(std::span<const WalEntry> entries);
/// The entries, as views into `plain`. Errors: data_loss naming the field.
Result<std::vector<WalEntry>> decode_wal_group(Bytes plain);

}  // namespace meridian::storage
