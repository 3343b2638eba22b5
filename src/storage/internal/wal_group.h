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
static_assert(wal_group_header_size + wal_entry_header_size + wal_entry_head_size_max +
                  wal_entry_size_max <=
              wal_group_plain_max);
static_assert(wal_group_plain_max <= frame_plain_max);

constexpr std::uint64_t round_up_to_block(std::uint64_t size) {
  return (size + wal_block_size - 1) / wal_block_size * wal_block_size;
}

/// What a group does to the log: its end is put before `first_index`, then come the entries. None
/// are there if it only truncates.
struct WalGroup {
  std::uint64_t first_index;
  std::uint32_t sequence;  ///< One higher with each group; 0 in logs of before there was one.
  std::vector<WalEntry> entries;  ///< Views into what was decoded.
};

constexpr std::uint32_t wal_sequence_after(std::uint32_t sequence) {
  return sequence == UINT32_MAX ? 1 : sequence + 1;
}

/// Replaces `out` with the plaintext of a group of `entries` (at least one).
void encode_wal_group(std::uint32_t sequence, std::span<const WalEntry> entries, Buffer& out);
/// The same of a group that drops the entries from `index` on.
void encode_wal_truncation(std::uint32_t sequence, std::uint64_t index, Buffer& out);
/// How many of `entries`, from the first on, go into one group.
std::size_t wal_group_extent(std::span<const WalEntry> entries);
/// Errors: data_loss naming the field.
Result<WalGroup> decode_wal_group(Bytes plain);

}  // namespace meridian::storage
