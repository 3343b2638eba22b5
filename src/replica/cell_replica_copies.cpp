// A state given to others: who copies it, the log that is kept for them, and the pace of clients
// until they are level.
#include <fmt/format.h>

#include <algorithm>

#include "replica/internal/cell_replica.h"

namespace meridian::replica {

void CellReplica::give_states() {
  giver_ = std::make_unique<StateGiver>(
      group_->peers(), executors_.give != nullptr ? *executors_.give : executors_.checkpoint,
      *copies_,
      StateGiver::Next{[this](std::uint64_t peer) { group_->node().snapshot_active(peer); },
                       [this](std::uint64_t peer) { group_->node().snapshot_sent(peer, true); },
                       [this] { cut_first_checkpoint(); }});
  group_->on_snapshots([this](std::uint64_t) { return make_offer(); },
                       [this](const MemberInfo& peer) {
                         if (!std::exchange(behind_told_, true) && io_.behind) io_.behind(peer);
                       });
}

/// A new cell, and one who joins or repairs itself: it needs a first checkpoint, however small.
void CellReplica::cut_first_checkpoint() {
  executors_.apply.post([this] { applier_->cut_first_checkpoint(); });
}

/// What the newest checkpoint covers; the state itself goes by way of the giver.
std::optional<consensus::SnapshotOffer> CellReplica::make_offer() {
  const Result<StateOffer> offer = copies_->describe();
  if (!offer) {
    if (offer.error().code == Code::not_found) cut_first_checkpoint();
    return std::nullopt;
  }
  const Result<GroupState> group = decode_group_state(offer->membership);
  if (!group) return std::nullopt;
  return consensus::SnapshotOffer{offer->entry_index, offer->term, group->membership, {}};
}

/// On the raft executor, now and then. What is kept for who copies must leave room for what the
/// cell needs, however much of the disk others take.
void CellReplica::keep_for_copies() {
  const Result<std::uint64_t> free = io_.disk.free_bytes();
  group_->node().keep_for_copies(std::min(config_.group->copy_log_bytes_max, free ? *free / 2 : 0));
  keep_pace(group_->node().report());
}

void CellReplica::keep_pace(const consensus::RaftNode::Report& raft) {
  const std::uint64_t before = client_pace_.percent();
  std::optional<std::uint64_t> pace;
  if (leadership().is_ours) {
    ClientPace::Now now{io_.clock.monotonic(),
                        proposer_->proposed_bytes(),
                        raft.core.last_index,
                        metrics_.apply_us.sum(),
                        giver_ ? giver_->given_bytes() : 0,
                        !raft.kept_for.empty(),
                        {}};
    for (const consensus::PeerProgress& peer : raft.peers) {
      const bool is_copied = std::ranges::count(raft.kept_for, peer.id) != 0;
      if (is_copied && peer.recent_active && peer.state != consensus::PeerProgress::State::snapshot)
        now.matched[peer.id] = peer.matched;
    }
    pace = client_pace_.next(now);
  } else {
    client_pace_.reset();
  }
  proposer_->set_pace(pace.value_or(0));
  const std::uint64_t percent = client_pace_.percent();
  group_metrics_->show_client_pace(percent);
  if (before == 100 && percent < 100)
    io_.notice(
        fmt::format("a replica that copies the state, or copied it, gets on too slowly beside "
                    "them: clients are slowed, to no less than {} % of what they wrote before",
                    ClientPace::percent_min));
  if (before < 100 && percent == 100) io_.notice("clients are not slowed any more");
}

}  // namespace meridian::replica
