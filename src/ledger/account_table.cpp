#include "ledger/internal/account_table.h"

namespace meridian::ledger::internal {

bool AccountTable::has_timestamp(std::uint64_t timestamp) const {
  std::uint32_t low = 0;
  std::uint32_t high = size();
  while (low < high) {
    std::uint32_t middle = low + (high - low) / 2;
    if (slots_[middle].timestamp < timestamp)
      low = middle + 1;
    else
      high = middle;
  }
  return low < size() && slots_[low].timestamp == timestamp;
}

AccountState AccountTable::state(std::uint32_t slot) const {
  return account_state(slots_[slot], user_data_128_[slot]);
}

AccountState account_state(const AccountSlot& from, u128 user_data_128) {
  return {.account = {.id = from.id,
                      .debits_pending = from.balances.debits_pending,
                      .debits_posted = from.balances.debits_posted,
                      .credits_pending = from.balances.credits_pending,
                      .credits_posted = from.balances.credits_posted,
                      .user_data_128 = user_data_128,
                      .user_data_64 = from.user_data_64,
                      .user_data_32 = from.user_data_32,
                      .reserved = 0,
                      .ledger = from.ledger,
                      .code = from.code,
                      .flags = from.flags,
                      .timestamp = from.timestamp},
          .created_at = from.created_at,
          .last_record = from.last_record};
}

std::size_t AccountTable::memory_bytes() const {
  constexpr std::size_t map_slot = sizeof(std::pair<const u128, std::uint32_t>) + 1;
  return (size() / chunk_slots + 1) * chunk_slots * sizeof(AccountSlot) +
         user_data_128_.size() * (sizeof(u128) + 1) + by_id_.capacity() * map_slot;
}

}  // namespace meridian::ledger::internal
