#include "ledger/internal/pending_table.h"

#include "base/assert.h"

namespace meridian::ledger::internal {

void PendingTable::add(const PendingSlot& slot) {
  Position position = base_ + slots_.size();
  bool added = by_id_.emplace(slot.transfer.id, position).second;
  ASSERT(added);
  slots_.push_back(slot);
  if (slot.transfer.timeout != 0) timeouts_.emplace(expires_at(slot.transfer), position);
}

void PendingTable::remove_newest() {
  ASSERT(!slots_.empty());
  Position position = base_ + slots_.size() - 1;
  const Transfer& transfer = slots_.back().transfer;
  if (transfer.timeout != 0) timeouts_.erase({expires_at(transfer), position});
  by_id_.erase(transfer.id);
  slots_.pop_back();
}

void PendingTable::end(Position position) {
  PendingSlot& slot = at(position);
  ASSERT(slot.alive);
  slot.alive = false;
  bool still_to_give = frozen_ && position >= frozen_next_ && position < frozen_end_;
  slot.died_in_freeze = still_to_give ? freezes_ : 0;
  if (slot.transfer.timeout != 0) timeouts_.erase({expires_at(slot.transfer), position});
  by_id_.erase(slot.transfer.id);
}

void PendingTable::revive(Position position) {
  PendingSlot& slot = at(position);
  ASSERT(!slot.alive);
  slot.alive = true;
  slot.died_in_freeze = 0;
  if (slot.transfer.timeout != 0) timeouts_.emplace(expires_at(slot.transfer), position);
  by_id_.emplace(slot.transfer.id, position);
}

void PendingTable::compact() {
  constexpr std::size_t dead_min = 4096;
  if (frozen_) return;
  while (!slots_.empty() && !slots_.front().alive) {
    slots_.pop_front();
    ++base_;
  }
  if (slots_.size() < 2 * by_id_.size() + dead_min) return;
  std::deque<PendingSlot> living;
  timeouts_.clear();
  for (const PendingSlot& slot : slots_) {
    if (!slot.alive) continue;
    Position position = base_ + living.size();
    by_id_[slot.transfer.id] = position;
    if (slot.transfer.timeout != 0) timeouts_.emplace(expires_at(slot.transfer), position);
    living.push_back(slot);
  }
  slots_ = std::move(living);
}

std::vector<u128> PendingTable::due(std::uint64_t time, std::size_t count_max) const {
  std::vector<u128> ids;
  for (const auto& [expiry, position] : timeouts_) {
    if (expiry > time || ids.size() == count_max) break;
    ids.push_back((*this)[position].transfer.id);
  }
  return ids;
}

void PendingTable::freeze() {
  ASSERT(!frozen_);
  frozen_ = true;
  ++freezes_;
  frozen_next_ = base_;
  frozen_end_ = base_ + slots_.size();
  frozen_count_ = by_id_.size();
}

bool PendingTable::take_frozen(std::size_t count_max, std::vector<PendingSlot>& out) {
  std::size_t taken = 0;
  for (; taken < count_max && frozen_next_ < frozen_end_; ++frozen_next_) {
    const PendingSlot& slot = at(frozen_next_);
    if (!slot.alive && slot.died_in_freeze != freezes_) continue;
    out.push_back(slot);
    ++taken;
  }
  if (taken > 0) return true;
  frozen_ = false;
  return false;
}

}  // namespace meridian::ledger::internal
