// Offsets and section bits of a record's header, shared by its three codecs
// (docs/formats/header.md).
#pragma once

#include <cstddef>
#include <cstdint>

#include "ledger/command.h"
#include "ledger/header.h"

namespace meridian::ledger::layout {

inline constexpr std::uint8_t header_version = 1;

// Common part.
inline constexpr std::size_t version_at = 0;
inline constexpr std::size_t kind_at = 1;
inline constexpr std::size_t sections_at = 2;
inline constexpr std::size_t outcome_at = 4;
inline constexpr std::size_t classification_at = 6;
inline constexpr std::size_t retention_at = 7;
inline constexpr std::size_t cell_at = 8;
inline constexpr std::size_t record_index_at = 24;
inline constexpr std::size_t term_at = 32;
inline constexpr std::size_t entry_index_at = 40;
inline constexpr std::size_t time_at = 48;
inline constexpr std::size_t clock_uncertainty_at = 56;
inline constexpr std::size_t attester_at = 60;
inline constexpr std::size_t decision_at = 61;
inline constexpr std::size_t actor_at = 64;
inline constexpr std::size_t salt_at = 80;
inline constexpr std::size_t salt_size = 16;
static_assert(salt_at + salt_size == header_common_size);

// Sections, in their order.
inline constexpr std::uint16_t wide_balances = 1 << 0;
inline constexpr std::uint16_t requested_amount = 1 << 1;
inline constexpr std::uint16_t imported_time = 1 << 2;
inline constexpr std::uint16_t facts = 1 << 3;
inline constexpr std::uint16_t client_signature = 1 << 4;
inline constexpr std::uint16_t rules = 1 << 5;
inline constexpr std::uint16_t payload = 1 << 6;
inline constexpr std::uint16_t all_sections = (1 << 7) - 1;

// Bodies.
inline constexpr std::size_t object_body_size = 120;  // an account or transfer but its timestamp
inline constexpr std::size_t event_body_size = 96;
inline constexpr std::size_t deletion_body_size = 64;
inline constexpr std::size_t narrow_balances_size = 8 * 8;
inline constexpr std::size_t wide_balances_size = 8 * 16;
inline constexpr std::size_t links_size = 2 * 8;
static_assert(offsetof(Transfer, timestamp) == object_body_size);
static_assert(offsetof(Account, timestamp) == object_body_size);
// The bounded sections and the widest body leave this room for what rules read.
inline constexpr std::size_t aggregates_size_max =
    header_size_max - (header_common_size + object_body_size + wide_balances_size + links_size +
                       16 + 8 + 2 + facts_size_max + 32 + 32 + 2 + 32);
static_assert(aggregates_size_max >= 1'024);

constexpr bool is_transfer(CommandKind kind) {
  return kind == CommandKind::create_transfer || kind == CommandKind::expire_pending;
}

/// Section bit 0: needed by any value of 2^64 or more.
inline bool needs_wide(const Balances& debit, const Balances& credit) {
  u128 all = debit.debits_pending | debit.debits_posted | debit.credits_pending |
             debit.credits_posted | credit.debits_pending | credit.debits_posted |
             credit.credits_pending | credit.credits_posted;
  return high64(all) != 0;
}

inline Byte* put_bytes(Byte* at, Bytes bytes) {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}
template <typename Value>
Byte* put(Byte* at, const Value& value) {
  store_le(at, value);
  return at + sizeof value;
}

template <typename Integer>
Byte* put_balances_as(Byte* at, const Balances& balances) {
  at = put(at, static_cast<Integer>(balances.debits_pending));
  at = put(at, static_cast<Integer>(balances.debits_posted));
  at = put(at, static_cast<Integer>(balances.credits_pending));
  return put(at, static_cast<Integer>(balances.credits_posted));
}
inline Byte* put_balances(Byte* at, const Balances& debit, const Balances& credit, bool wide) {
  if (wide) [[unlikely]]
    return put_balances_as<u128>(put_balances_as<u128>(at, debit), credit);
  return put_balances_as<std::uint64_t>(put_balances_as<std::uint64_t>(at, debit), credit);
}

}  // namespace meridian::ledger::layout
