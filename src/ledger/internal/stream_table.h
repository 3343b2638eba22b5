// Event streams in order of their first record, found by id.
#pragma once

#include <cstdint>

#include "ledger/internal/account_table.h"
#include "ledger/internal/id_map.h"
#include "ledger/internal/slot_table.h"
#include "ledger/ledger.h"

namespace meridian::ledger::internal {

struct StreamSlot {
  u128 stream;
  std::uint64_t last_revision;
  RecordIndex last_record;
  std::uint64_t first_revision;  // what came before was hidden by a deletion
  std::uint32_t saved_epoch;

  bool deleted() const { return first_revision > last_revision; }
};
static_assert(sizeof(StreamSlot) == 48);

class StreamTable {
 public:
  std::uint32_t size() const { return slots_.size(); }
  const StreamSlot& operator[](std::uint32_t slot) const { return slots_[slot]; }
  StreamSlot& write(std::uint32_t slot) { return slots_.write(slot); }
  std::uint32_t find(u128 stream) const {
    auto found = by_id_.find(stream);
    return found == by_id_.end() ? no_slot : found->second;
  }
  void add(const StreamSlot& slot) {
    by_id_.emplace(slot.stream, slots_.size());
    slots_.push(slot);
  }
  void remove_newest() {
    by_id_.erase(slots_[slots_.size() - 1].stream);
    slots_.pop();
  }
  SlotTable<StreamSlot>& table() { return slots_; }

 private:
  SlotTable<StreamSlot> slots_;
  IdMap<std::uint32_t> by_id_;
};

}  // namespace meridian::ledger::internal
