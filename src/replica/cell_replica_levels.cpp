// Feature levels: what the replicas say they run, and activating one (level_news.h).
#include <fmt/format.h>

#include <algorithm>

#include "replica/internal/cell_replica.h"

namespace meridian::replica {

void CellReplica::make_level_news() {
  Peers& peers = group_->peers();
  level_news_.emplace(io_.clock, own_levels(), [&peers](std::uint64_t to, io::Parts message) {
    peers.send(to, io::Channel::control, std::move(message));
  });
  peers.on(PeerTag::levels, [this](std::uint64_t from, const io::Parts& message) {
    level_news_->receive(from, message);
  });
  group_->on_link_down([this](std::uint64_t peer) { level_news_->forget(peer); });
}

/// On the raft executor of a group, anywhere else.
LevelReport CellReplica::level_report() const {
  LevelReport report;
  report.active = proposer_->feature_level();
  report.own = own_levels();
  report.id = group_ != nullptr ? config_.group->id : 1;
  const Leadership now = leadership();
  report.leads = now.is_ours;
  report.leader = now.leader;
  report.members.push_back(
      {report.id, group_ != nullptr ? config_.group->region : std::string(), report.own});
  if (group_ == nullptr) return report;
  const GroupReport group = group_report();
  report.leader_address = group.leader_address;
  for (const GroupReport::Peer& peer : group.peers)
    report.members.push_back({peer.member.id, peer.member.region, level_news_->of(peer.member.id)});
  std::sort(report.members.begin(), report.members.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return report;
}

void CellReplica::levels(std::function<void(const LevelReport&)> ready) {
  if (group_ == nullptr) return ready(level_report());
  executors_.raft->post([this, ready = std::move(ready)] { ready(level_report()); });
}

void CellReplica::activate_level(std::uint32_t level, std::function<void(meridian::Status)> done) {
  levels([this, level, done = std::move(done)](const LevelReport& report) {
    if (!report.leads)
      return done(fail(Code::unavailable, not_leading(leadership()) + ": nothing was done"));
    if (Status may = check_activation(report, level); !may) return done(may);
    auto request = std::make_unique<ledger::Request>();
    request->attester = ledger::Attester::replica;
    ledger::SetFeatureLevel command{};
    command.feature_level = level;
    request->add(ledger::CommandKind::set_feature_level, command);
    proposer_->submit(std::move(request), [done, level](const Result<Answer>& answer) {
      if (!answer) return done(answer.error());
      if (answer->results.front().outcome != ledger::Outcome::created)
        return done(fail(Code::failed_precondition,
                         fmt::format("feature level {} was activated meanwhile", level)));
      done({});
    });
  });
}

}  // namespace meridian::replica
