// A state given to others: who copies it, and the log that is kept for them.
#include <algorithm>

#include "replica/internal/cell_replica.h"

namespace meridian::replica {

void CellReplica::give_states() {
  giver_ = std::make_unique<StateGiver>(
      group_->peers(), executors_.give != nullptr ? *executors_.give : executors_.checkpoint,
      *copies_,
      StateGiver::Next{[this](std::uint64_t peer) { group_->node().snapshot_active(peer); },
                       [this](std::uint64_t peer) { group_->node().snapshot_sent(peer, true); }});
  group_->on_snapshots([this](std::uint64_t) { return make_offer(); },
                       [this](const MemberInfo& peer) {
                         if (!std::exchange(behind_told_, true) && io_.behind) io_.behind(peer);
                       });
}

/// What the newest checkpoint covers; the state itself goes by way of the giver.
std::optional<consensus::SnapshotOffer> CellReplica::make_offer() {
  const Result<StateOffer> offer = copies_->describe();
  if (!offer) {
    // A new cell, and one who joins: it needs a first checkpoint, however small.
    if (offer.error().code == Code::not_found)
      executors_.apply.post([this] { applier_->cut_first_checkpoint(); });
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
}

}  // namespace meridian::replica
