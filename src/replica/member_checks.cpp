#include "replica/member_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace meridian::replica {

namespace {

using State = consensus::PeerProgress::State;

const GroupReport::Peer* find(const GroupReport& report, std::uint64_t id) {
  const auto found = std::find_if(report.peers.begin(), report.peers.end(),
                                  [&](const auto& peer) { return peer.member.id == id; });
  return found == report.peers.end() ? nullptr : &*found;
}

/// A majority of those that would vote must answer, or nothing is decided any more.
Status check_voters(const std::vector<std::uint64_t>& voters, const GroupReport& report) {
  std::size_t active = 0;
  std::string silent;
  for (const std::uint64_t id : voters) {
    const GroupReport::Peer* peer = find(report, id);
    if (id == report.id || (peer != nullptr && peer->is_active))
      ++active;
    else
      silent += fmt::format("{}{}", silent.empty() ? "" : ", ", id);
  }
  if (active * 2 > voters.size()) return {};
  return fail(Code::failed_precondition,
              fmt::format("of the {} voters after this change only {} answer now (silent: {}): the "
                          "cell would stop. start those, or replace them with `meridian node "
                          "replace`, first",
                          voters.size(), active, silent));
}

}  // namespace

Status check_promotion(const GroupReport::Peer& learner) {
  const std::uint64_t id = learner.member.id;
  if (!learner.is_active)
    return fail(Code::failed_precondition,
                fmt::format("replica {} does not answer: is it running (`meridian serve --join`), "
                            "and reached at {}?",
                            id, learner.member.address));
  if (learner.state == State::snapshot)
    return fail(
        Code::failed_precondition,
        fmt::format("replica {} is still copying the state: it lacks {} entries of the log. "
                    "wait, or let `meridian node promote {} --wait` do so",
                    id, learner.lag, id));
  // Who has all of it is probed as long as nothing is written: nothing is sent to it that it could
  // answer.
  const bool is_followed = learner.state == State::replicate || learner.lag == 0;
  if (!is_followed || learner.lag > promotion_lag_max)
    return fail(
        Code::failed_precondition,
        fmt::format("replica {} lacks {} entries of the log, and may lack {} when it gets a "
                    "vote. wait, or let `meridian node promote {} --wait` do so",
                    id, learner.lag, promotion_lag_max, id));
  return {};
}

Status check_going_on(const consensus::Membership& next, const std::vector<MemberStep>& steps,
                      const GroupReport& report) {
  for (const MemberStep& step : steps) {
    if (step.change != consensus::MemberChange::Kind::voter) continue;
    if (const GroupReport::Peer* learner = find(report, step.member.id))
      TRY(check_promotion(*learner));
  }
  return check_voters(next.voters, report);
}

}  // namespace meridian::replica
