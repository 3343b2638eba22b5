// Accounts in order of creation: two cache lines each, found by id.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "ledger/effect.h"
#include "ledger/internal/id_map.h"
#include "ledger/internal/slot_table.h"
#include "ledger/ledger.h"

namespace meridian::ledger::internal {

inline constexpr std::uint32_t no_slot = ~std::uint32_t{0};

/// What posting needs of an account, in 128 bytes: balances on the first line.
struct alignas(64) AccountSlot {
  Balances balances;
  u128 id;
  std::uint64_t timestamp;
  RecordIndex created_at;
  RecordIndex last_record;
  std::uint64_t user_data_64;
  std::uint32_t ledger;
  std::uint32_t user_data_32;
  std::uint16_t code;
  std::uint16_t flags;
  std::uint32_t saved_epoch;
};
static_assert(sizeof(AccountSlot) == 128);

AccountState account_state(const AccountSlot& from, u128 user_data_128);

class AccountTable {
 public:
  std::uint32_t size() const { return slots_.size(); }
  const AccountSlot& operator[](std::uint32_t slot) const { return slots_[slot]; }
  AccountSlot& write(std::uint32_t slot) { return slots_.write(slot); }

  std::uint32_t find(u128 id) const {
    auto found = by_id_.find(id);
    return found == by_id_.end() ? no_slot : found->second;
  }
  /// As find, given what find said earlier in this entry.
  std::uint32_t find(u128 id, std::uint32_t earlier) const {
    return earlier < slots_.size() && slots_[earlier].id == id ? earlier : find(id);
  }
  void prefetch_id(u128 id) const { by_id_.prefetch(id); }
  void prefetch_slot(std::uint32_t slot) const {
    if (slot >= slots_.size()) return;
    const auto* line = reinterpret_cast<const char*>(slots_.address(slot));
    __builtin_prefetch(line, 1);
    __builtin_prefetch(line + 64, 1);
  }

  void add(const AccountSlot& slot, u128 user_data_128) {
    by_id_.emplace(slot.id, slots_.size());
    slots_.push(slot);
    user_data_128_.push_back(user_data_128);
  }
  void remove_newest() {
    by_id_.erase(slots_[slots_.size() - 1].id);
    slots_.pop();
    user_data_128_.pop_back();
  }

  u128 user_data_128(std::uint32_t slot) const { return user_data_128_[slot]; }
  /// Timestamp of the newest account, 0 if none: they grow in slot order.
  std::uint64_t timestamp_max() const { return size() == 0 ? 0 : slots_[size() - 1].timestamp; }
  bool has_timestamp(std::uint64_t timestamp) const;
  AccountState state(std::uint32_t slot) const;

  SlotTable<AccountSlot>& table() { return slots_; }
  /// Upper bound of what the tables take, in bytes.
  std::size_t memory_bytes() const;

 private:
  SlotTable<AccountSlot> slots_;
  std::deque<u128> user_data_128_;  ///< Never changes: kept out of the hot slot.
  IdMap<std::uint32_t> by_id_;
};

}  // namespace meridian::ledger::internal
