// When leadership should move to its home region (DESIGN section 6): a leader elsewhere hands over
// once a voter at home has been up and level with it for a while without a break. By transfer, not
// by priority: an election takes whoever is fit.
//
// Pure: time and reports come in. On the raft executor.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "io/clock.h"
#include "replica/group_report.h"

namespace meridian::replica {

class LeaderHome {
 public:
  static constexpr io::Duration healthy_for = io::seconds(10);
  /// How far behind the leader a voter may be to take over at once.
  static constexpr std::uint64_t lag_max = 64;

  /// `region`: empty if the cell has no home.
  explicit LeaderHome(std::string region) : region_(std::move(region)) {}

  /// Whom to hand over to now; to be asked again and again. After an answer the time begins anew: a
  /// hand-over that came to nothing is not repeated at once.
  std::optional<std::uint64_t> next(const GroupReport& report, io::MonotonicTime now);

 private:
  std::string region_;
  std::map<std::uint64_t, io::MonotonicTime> healthy_since_;
};

}  // namespace meridian::replica
