// For whom a leader keeps entries that its checkpoints cover: members that were offered its state
// and are not level yet. Without them they would have to copy again and again.
//
//   offered -> (copies, opens, gets the log) -> level, silent for long, or the room ran out
//
// Says only from where on entries are kept; the host bounds their bytes. One thread: the core's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "consensus/raft_core.h"
#include "io/clock.h"

namespace meridian::consensus {

class KeptLog {
 public:
  /// Opening a large state takes long, and nothing is heard of a member meanwhile.
  static constexpr io::Duration silence_max = io::seconds(60);

  /// `to` was offered the state before the entry `first`. It may still be copying the one that it
  /// was offered before.
  void offered(std::uint64_t to, std::uint64_t first, io::MonotonicTime now);
  void heard(std::uint64_t from, io::MonotonicTime now);
  /// Forgets who is silent, is no member any more, or is level: has all entries below `releasable`
  /// and those that were there at the look before. True if it forgot one.
  bool look(std::span<const PeerProgress> members, std::uint64_t last_index,
            std::uint64_t releasable, io::MonotonicTime now);
  /// Forgets the oldest entries: those that a member needs to whom a newer state was offered since,
  /// or the member. Who it was.
  std::optional<std::uint64_t> give_up();
  void clear() { members_.clear(); }

  bool is_empty() const { return members_.empty(); }
  /// Entries from here on are kept; none below `releasable`: that.
  std::uint64_t first(std::uint64_t releasable) const;
  std::vector<std::uint64_t> members() const;

 private:
  struct Member {
    std::uint64_t first;
    std::uint64_t newest;  ///< By the last offer.
    io::MonotonicTime heard_at;
  };
  std::map<std::uint64_t, Member> members_;
  std::uint64_t last_index_before_ = ~std::uint64_t{0};  ///< At the last look.
};

}  // namespace meridian::consensus
