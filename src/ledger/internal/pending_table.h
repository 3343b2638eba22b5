// Live pending transfers in the order of their records, found by id, and when they expire.
//
// An append-only row of positions; what is posted, voided or expired leaves a dead position, and
// the row is compacted when more than half is dead. Positions are internal: checkpoints list the
// living in order of record. A freeze keeps what dies after it until it was handed out.
#pragma once

#include <absl/container/btree_set.h>

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "ledger/internal/id_map.h"
#include "ledger/ledger.h"

namespace meridian::ledger::internal {

/// Seconds of a timeout in nanoseconds.
inline constexpr std::uint64_t timeout_ns(std::uint32_t seconds) {
  return std::uint64_t{seconds} * 1'000'000'000;
}
inline constexpr std::uint64_t expires_at(const Transfer& pending) {
  return pending.timestamp + timeout_ns(pending.timeout);
}

struct PendingSlot {
  Transfer transfer;
  RecordIndex record;
  std::uint32_t debit_slot;
  std::uint32_t credit_slot;
  bool alive;
  /// The freeze that still has it although it ended since; 0 if none.
  std::uint32_t died_in_freeze;
};

class PendingTable {
 public:
  using Position = std::uint64_t;
  static constexpr Position none = ~Position{0};

  Position find(u128 id) const {
    auto found = by_id_.find(id);
    return found == by_id_.end() ? none : found->second;
  }
  void prefetch_id(u128 id) const { by_id_.prefetch(id); }
  const PendingSlot& operator[](Position position) const {
    return slots_[static_cast<std::size_t>(position - base_)];
  }
  std::uint64_t size() const { return by_id_.size(); }

  void add(const PendingSlot& slot);
  /// Takes the newest back.
  void remove_newest();
  void end(Position position);
  /// Takes end() back.
  void revive(Position position);
  /// Drops dead positions; called between entries only.
  void compact();

  std::vector<u128> due(std::uint64_t time, std::size_t count_max) const;

  void freeze();
  /// Appends the next frozen transfers, at most `count_max`; false if there are none left.
  bool take_frozen(std::size_t count_max, std::vector<PendingSlot>& out);
  std::uint64_t frozen_count() const { return frozen_count_; }

 private:
  PendingSlot& at(Position position) { return slots_[static_cast<std::size_t>(position - base_)]; }

  std::deque<PendingSlot> slots_;
  Position base_ = 0;  ///< Position of slots_.front()
  IdMap<Position> by_id_;
  absl::btree_set<std::pair<std::uint64_t, Position>> timeouts_;
  bool frozen_ = false;
  std::uint32_t freezes_ = 0;
  Position frozen_next_ = 0;
  Position frozen_end_ = 0;
  std::uint64_t frozen_count_ = 0;
};

}  // namespace meridian::ledger::internal
