#include "replica/leader_home.h"

namespace meridian::replica {

std::optional<std::uint64_t> LeaderHome::next(const GroupReport& report, io::MonotonicTime now) {
  if (region_.empty() || report.region == region_ || !report.may_propose) {
    healthy_since_.clear();
    return std::nullopt;
  }
  std::optional<std::uint64_t> chosen;
  std::uint64_t matched = 0;
  for (const GroupReport::Peer& peer : report.peers) {
    const bool is_healthy =
        peer.member.region == region_ && peer.votes && peer.is_active && peer.lag <= lag_max;
    if (!is_healthy) {
      healthy_since_.erase(peer.member.id);
      continue;
    }
    const auto since = healthy_since_.emplace(peer.member.id, now).first->second;
    if (now - since < healthy_for || (chosen && peer.matched <= matched)) continue;
    chosen = peer.member.id;
    matched = peer.matched;
  }
  if (chosen) healthy_since_.clear();
  return chosen;
}

}  // namespace meridian::replica
