// How fast a leader lets its clients write while members copy its state and come level.
//
// A cell at its limit leaves a copy little: the threads of both share the processors. So once
// entries are applied nearly without a pause while a state is given, clients are held to a share of
// their pace before; should the cell have time to spare by that, because something else holds the
// copy up, they get more again, a step each time. And whoever gets the log of a cell under
// full load may never catch up: all apply at the same pace. So while one that copied is behind and
// gains too little, clients are held to a share of their pace before, a step less each time; while
// it gains more than it needs, to a step more; once it is level, to none. The share has a floor: a
// member that does not gain at that copies again once the log kept for it has reached its bound. A
// pure value: no clock, no threads.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "io/clock.h"

namespace meridian::replica {

class ClientPace {
 public:
  static constexpr std::uint64_t percent_min = 70;
  static constexpr std::uint64_t percent_step = 10;
  static constexpr io::Duration step_period = io::seconds(2);
  /// What counts as the pace before, and as the pace now: that of so long.
  static constexpr io::Duration memory = io::seconds(60), recent = io::seconds(2);
  /// While a state is given; between the percents of the time that applying takes.
  static constexpr std::uint64_t percent_copying = 75;
  static constexpr std::uint64_t busy_enough = 80, idle_enough = 40;
  /// Entries that a member must get while the leader writes a hundred.
  static constexpr std::uint64_t gain_enough = 130;
  static constexpr std::uint64_t gain_ample = 200;

  struct Now {
    io::MonotonicTime at;
    std::uint64_t proposed_bytes;  ///< By this leader, since some moment.
    std::uint64_t last_index;      ///< Of its log.
    std::uint64_t apply_us;        ///< That applying entries took, since some moment.
    std::uint64_t given_bytes;     ///< Of states, by this replica, since some moment.
    bool is_copied;                ///< A member copies the state, or has not come level since.
    /// Entries that the log of each such member holds, which answers and has copied.
    std::map<std::uint64_t, std::uint64_t> matched;
  };
  /// Asked now and then while this replica leads: the bytes of a second that clients may write;
  /// none: no limit.
  std::optional<std::uint64_t> next(const Now& now);
  /// It does not lead.
  void reset() { *this = ClientPace(); }
  /// Of their pace before; 100: no limit.
  std::uint64_t percent() const { return percent_; }

 private:
  struct Sample {
    io::MonotonicTime at;
    std::uint64_t proposed_bytes;
  };
  void remember(const Now& now);
  std::uint64_t pace_since(const Sample& sample, const Now& now) const;
  void give_way(const Now& now);
  void step(const Now& now);
  std::optional<std::uint64_t> least_gain(const Now& now) const;

  std::uint64_t percent_ = 100;
  std::uint64_t before_ = 0;     ///< Bytes a second, when nobody copied.
  std::uint64_t unlimited_ = 0;  ///< Bytes a second, when there was no limit last.
  std::deque<Sample> samples_;
  std::optional<Now> stepped_;
};

}  // namespace meridian::replica
