// The log as the core sees it: everything it was told is stored, synced or not (S1).
//
// Terms and kinds of all entries stay in memory (about 64 bytes each) until they are released; the
// bytes of the newest do, up to a bound, and older durable ones are read back by whoever needs
// them. One thread: the core's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "consensus/log_entry.h"
#include "consensus/raft_core.h"

namespace meridian::consensus {

class VisibleLog final : public RaftCore::Storage {
 public:
  struct Limits {
    std::uint64_t message_bytes_max = 1 << 20;   ///< Payload that one message asks for.
    std::uint64_t cached_bytes_max = 256 << 20;  ///< Payload kept in memory.
  };
  using MakeOffer = std::function<std::optional<SnapshotOffer>(std::uint64_t to)>;

  /// `before`: the entry before the first one, covered by a checkpoint.
  VisibleLog(LogPosition before, const Limits& limits, MakeOffer make_offer);

  // For the core.
  std::uint64_t first_index() const override { return before_.index + 1; }
  std::uint64_t last_index() const override { return before_.index + slots_.size(); }
  std::optional<std::uint64_t> term(std::uint64_t index) const override;
  bool entries(std::uint64_t low, std::uint64_t high, std::uint64_t size_max,
               const std::function<void(const CoreEntry&)>& visit) const override;
  std::optional<SnapshotOffer> snapshot(std::uint64_t to) override { return make_offer_(to); }

  /// Replaces what is there from entry.index on. Asserts that it leaves no hole.
  void append(LogEntry entry);
  /// Entries up to `index` survive a power failure.
  void durable(std::uint64_t index) { durable_index_ = std::max(durable_index_, index); }
  /// Forgets entries below `index`; the term of the one before stays known.
  void release_before(std::uint64_t index);

  bool has(std::uint64_t index) const { return index > before_.index && index <= last_index(); }
  /// The entry; `bytes` is null if they must be read back. Asserts has(index).
  LogEntry at(std::uint64_t index) const;
  /// Whether at(index) is complete.
  bool is_cached(std::uint64_t index) const;
  std::uint64_t size_of(std::uint64_t index) const { return slot(index).size; }
  /// Of the entries [first, last), as many as there are: what they take on the disk at most, each
  /// being written alone.
  std::uint64_t disk_bytes(std::uint64_t first, std::uint64_t last) const;
  /// Drops the bytes of durable entries until what is cached fits its bound: of the oldest below
  /// `keep_from`, then of the newest.
  void evict(std::uint64_t keep_from);
  std::uint64_t cached_bytes() const { return cached_bytes_; }

 private:
  struct Slot {
    std::uint64_t term;
    EntryKind kind;
    EntryBytes change;
    EntryBytes bytes;
    std::uint64_t size;
  };
  const Slot& slot(std::uint64_t index) const;

  LogPosition before_;
  const Limits limits_;
  MakeOffer make_offer_;
  std::deque<Slot> slots_;
  std::uint64_t durable_index_ = 0;
  std::uint64_t cached_bytes_ = 0;
  std::uint64_t evicted_until_ = 0;  ///< No bytes below are cached.
};

}  // namespace meridian::consensus
