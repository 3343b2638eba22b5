#include "consensus/internal/visible_log.h"

#include <algorithm>

#include "base/assert.h"

namespace meridian::consensus {

VisibleLog::VisibleLog(LogPosition before, const Limits& limits, MakeOffer make_offer)
    : before_(before),
      limits_(limits),
      make_offer_(std::move(make_offer)),
      durable_index_(before.index),
      evicted_until_(before.index + 1) {}

const VisibleLog::Slot& VisibleLog::slot(std::uint64_t index) const {
  ASSERT(has(index));
  return slots_[index - before_.index - 1];
}

std::optional<std::uint64_t> VisibleLog::term(std::uint64_t index) const {
  if (index == before_.index) return before_.term;
  if (!has(index)) return std::nullopt;
  return slot(index).term;
}

bool VisibleLog::entries(std::uint64_t low, std::uint64_t high, std::uint64_t size_max,
                         const std::function<void(const CoreEntry&)>& visit) const {
  if (low <= before_.index) return false;
  ASSERT(high <= last_index() + 1);
  // Who names no bound wants all: the core, looking for membership changes.
  const bool is_bounded = size_max != UINT64_MAX;
  std::uint64_t bytes = 0;
  constexpr std::uint64_t header_size = 32;  // of an entry in the core's encoding, about
  for (std::uint64_t index = low; index < high; ++index) {
    const Slot& one = slot(index);
    bytes += one.size;
    if (is_bounded && index > low &&
        (bytes > limits_.message_bytes_max || (index - low + 1) * header_size > size_max))
      return true;
    const Handle handle =
        one.size == 0 && one.kind != EntryKind::commands ? Handle{} : Handle{index, one.size};
    visit({index, one.term, one.kind, handle, one.change ? Bytes(*one.change) : Bytes{}});
  }
  return true;
}

void VisibleLog::append(LogEntry entry) {
  ASSERT(entry.index > before_.index);
  ASSERT(entry.index <= last_index() + 1);
  while (last_index() >= entry.index) {
    if (slots_.back().bytes) cached_bytes_ -= slots_.back().size;
    slots_.pop_back();
  }
  durable_index_ = std::min(durable_index_, entry.index - 1);
  evicted_until_ = std::min(evicted_until_, entry.index);
  const std::uint64_t size = entry.bytes ? entry.bytes->size() : entry.size;
  if (entry.bytes) cached_bytes_ += size;
  slots_.push_back({entry.term, entry.kind, std::move(entry.change), std::move(entry.bytes), size});
}

void VisibleLog::release_before(std::uint64_t index) {
  while (!slots_.empty() && before_.index + 1 < index) {
    if (slots_.front().bytes) cached_bytes_ -= slots_.front().size;
    before_ = {before_.index + 1, slots_.front().term};
    slots_.pop_front();
  }
  evicted_until_ = std::max(evicted_until_, before_.index + 1);
}

LogEntry VisibleLog::at(std::uint64_t index) const {
  const Slot& one = slot(index);
  return {index, one.term, one.kind, one.change, one.bytes, one.size};
}

bool VisibleLog::is_cached(std::uint64_t index) const {
  const Slot& one = slot(index);
  return one.bytes != nullptr || one.size == 0;
}

std::uint64_t VisibleLog::disk_bytes(std::uint64_t first, std::uint64_t last) const {
  constexpr std::uint64_t block = 4096;
  std::uint64_t bytes = 0;
  for (std::uint64_t index = std::max(first, first_index());
       index < std::min(last, last_index() + 1); ++index) {
    const Slot& one = slot(index);
    const std::uint64_t size = one.size + (one.change ? one.change->size() : 0);
    bytes += (size / block + 2) * block;  // heads and the seal are less than a block
  }
  return bytes;
}

void VisibleLog::evict(std::uint64_t keep_from) {
  while (cached_bytes_ > limits_.cached_bytes_max && evicted_until_ < keep_from &&
         evicted_until_ <= durable_index_ && has(evicted_until_)) {
    Slot& one = slots_[evicted_until_ - before_.index - 1];
    if (one.bytes) cached_bytes_ -= one.size;
    one.bytes = nullptr;
    ++evicted_until_;
  }
  // A member that lags receives faster than it hands out. What it wants last goes first.
  for (std::uint64_t index = durable_index_; cached_bytes_ > limits_.cached_bytes_max &&
                                             index >= keep_from && has(index) && is_cached(index);
       --index) {
    Slot& one = slots_[index - before_.index - 1];
    if (one.bytes) cached_bytes_ -= one.size;
    one.bytes = nullptr;
  }
}

}  // namespace meridian::consensus
