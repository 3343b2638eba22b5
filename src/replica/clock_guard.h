// Whether this replica's wall clock may stamp records: compared with those of the other voters all
// the time, and stopped at once when it jumps.
//
//   clock request = 15(1), time(8)            twice a second, to all (docs/formats/membership.md)
//   clock answer  = 16(1), time(8), wall(8)   the time as it came; ns since 1970
//
// A leader whose clock is more than 500 ms from the median of those of a quorum proposes nothing
// and hands over; of two clocks in the middle the one nearer to its own counts, as one that
// disagrees with one other proves nothing. Between two looks a jump shows against the monotonic
// clock. So no record is stamped by a wrong clock, and nothing is erased because one is years
// ahead. A node alone has nobody to compare with: its clock is believed.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/result.h"
#include "io/clock.h"
#include "io/network.h"

namespace meridian::replica {

/// Thread-safe; the cost of two looks at the clock.
class ClockGuard {
 public:
  static constexpr io::Duration off_max = io::milliseconds(500);
  /// For how long a comparison confirms; one is made twice a second.
  static constexpr io::Duration fresh = io::seconds(5);

  explicit ClockGuard(io::Clock& clock) : clock_(clock) {}

  /// Compared just now. `why` it must not stamp, empty if it may; `is_confirmed`: by a quorum.
  void judge(std::string why, bool is_confirmed);
  /// Whether a record may be stamped now. Errors: unavailable, with why not.
  Status check() const;
  /// Whether a quorum agrees with this clock: what time alone may do is done only then.
  bool is_confirmed() const;

 private:
  bool has_jumped() const;  // mutex_ held

  io::Clock& clock_;
  mutable std::mutex mutex_;
  std::string why_;
  bool is_confirmed_ = false;
  std::optional<io::WallTime> wall_at_;  ///< None: never compared, so nothing is known of jumps.
  io::MonotonicTime mono_at_{};
};

/// What the voters' clocks say of our own. On the raft executor.
class ClockWatch {
 public:
  static constexpr io::Duration fresh = io::seconds(3);

  using Send = std::function<void(std::uint64_t to, io::Parts)>;
  ClockWatch(io::Clock& clock, Send send) : clock_(clock), send_(std::move(send)) {}

  void ask(std::uint64_t peer) const;
  /// A message of `from` with either tag.
  void receive(std::uint64_t from, const io::Parts& message);

  struct Verdict {
    bool is_known = false;  ///< A quorum's clocks are known.
    /// How far ours is ahead of their median.
    io::Duration ahead{};
    bool is_wrong = false;  ///< By more than may be, whatever the messages took.
  };
  /// `self` counts as right by definition: what is measured is against it.
  Verdict judge(const std::set<std::uint64_t>& voters, std::uint64_t self) const;
  /// Whether `peer` is as near to the median as a leader must be, as far as is known.
  bool may_lead(std::uint64_t peer, const Verdict& verdict) const;

 private:
  struct Heard {
    std::int64_t ahead_ns;  ///< Of ours.
    std::int64_t error_ns;  ///< Half of the time there and back: when it was said is not known.
    io::MonotonicTime at;
  };
  bool is_fresh(const Heard& heard) const { return clock_.monotonic() - heard.at <= fresh; }

  io::Clock& clock_;
  Send send_;
  std::map<std::uint64_t, Heard> heard_;
};

}  // namespace meridian::replica
