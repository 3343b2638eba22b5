// Dense state in slot order, in chunks that never move, with a freeze for checkpoints.
//
// freeze() fixes what the slots hold at that moment; while the frozen chunks are handed out one by
// one, a slot that is about to change is saved first (the slot, not its chunk of 4,096: random
// writes touch every chunk at once, and copying them all would stall the apply thread for the
// whole state). A slot has a field `saved_epoch` for that, meaningless to everything else.
// Cost: write() is one byte compare more than a plain access when no freeze is under way.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/assert.h"

namespace meridian::ledger::internal {

inline constexpr std::uint32_t chunk_slots = 4096;

template <typename Slot>
class SlotTable {
 public:
  std::uint32_t size() const { return size_; }
  const Slot& operator[](std::uint32_t slot) const { return *address(slot); }
  const Slot* address(std::uint32_t slot) const {
    return chunks_[slot / chunk_slots].get() + slot % chunk_slots;
  }

  /// For changing: saves the slot first if a freeze still needs it.
  Slot& write(std::uint32_t slot) {
    std::uint32_t chunk = slot / chunk_slots;
    Slot& place = chunks_[chunk][slot % chunk_slots];
    if (marks_[chunk] != 0) [[unlikely]]
      prepare(chunk, slot, place);
    return place;
  }

  void push(const Slot& value) {
    ASSERT(size_ < ~std::uint32_t{0});
    if (size_ % chunk_slots == 0 && size_ / chunk_slots == chunks_.size()) {
      chunks_.push_back(std::make_unique_for_overwrite<Slot[]>(chunk_slots));
      marks_.push_back(0);
      saved_.emplace_back();
    }
    std::uint32_t chunk = size_ / chunk_slots;
    chunks_[chunk][size_ % chunk_slots] = value;
    marks_[chunk] = static_cast<std::uint8_t>(marks_[chunk] & ~clean);
    ++size_;
  }
  /// Takes the newest slot back. It was pushed after the last freeze.
  void pop() {
    ASSERT(size_ > 0);
    --size_;
    ASSERT(!frozen_ || size_ >= frozen_size_);
  }

  // The checkpoint's side.

  void freeze() {
    ASSERT(!frozen_);
    frozen_ = true;
    ++epoch_;
    frozen_size_ = size_;
    changed_.assign(chunk_count(size_), 0);
    for (std::uint32_t chunk = 0; chunk < changed_.size(); ++chunk) {
      changed_[chunk] = (marks_[chunk] & clean) == 0;
      marks_[chunk] = clean | held;
    }
  }
  std::uint32_t frozen_chunks() const { return chunk_count(frozen_size_); }
  /// Whether anything in the chunk was written since the freeze before.
  bool frozen_changed(std::uint32_t chunk) const { return changed_[chunk] != 0; }
  /// The slots of `chunk` as they were when frozen.
  std::vector<Slot> frozen_slots(std::uint32_t chunk) const {
    std::uint32_t first = chunk * chunk_slots;
    std::uint32_t count = std::min(frozen_size_ - first, chunk_slots);
    std::vector<Slot> slots(chunks_[chunk].get(), chunks_[chunk].get() + count);
    for (const Saved& saved : saved_[chunk]) slots[saved.slot - first] = saved.value;
    return slots;
  }
  /// The frozen chunk was handed out: no more saving for it.
  void release(std::uint32_t chunk) {
    marks_[chunk] = static_cast<std::uint8_t>(marks_[chunk] & ~held);
    saved_[chunk] = {};
  }
  void thaw() { frozen_ = false; }
  /// After a restore: everything is as the checkpoint has it.
  void mark_all_clean() {
    for (std::uint8_t& mark : marks_) mark = clean;
  }

 private:
  static constexpr std::uint8_t clean = 1;  ///< Not written since the last freeze.
  static constexpr std::uint8_t held = 2;   ///< Frozen and not handed out yet.
  struct Saved {
    std::uint32_t slot;
    Slot value;
  };

  static std::uint32_t chunk_count(std::uint32_t slots) {
    return slots / chunk_slots + (slots % chunk_slots != 0);
  }
  [[gnu::noinline]] void prepare(std::uint32_t chunk, std::uint32_t slot, Slot& place) {
    if ((marks_[chunk] & held) != 0 && slot < frozen_size_ && place.saved_epoch != epoch_) {
      saved_[chunk].push_back({slot, place});
      place.saved_epoch = epoch_;
    }
    marks_[chunk] = static_cast<std::uint8_t>(marks_[chunk] & ~clean);
  }

  std::vector<std::unique_ptr<Slot[]>> chunks_;
  std::vector<std::uint8_t> marks_;
  std::vector<std::vector<Saved>> saved_;
  std::vector<std::uint8_t> changed_;
  std::uint32_t size_ = 0;
  std::uint32_t frozen_size_ = 0;
  std::uint32_t epoch_ = 0;
  bool frozen_ = false;
};

}  // namespace meridian::ledger::internal
