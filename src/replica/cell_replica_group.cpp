// A replica as one of a group: what consensus hands out, who leads, who falls behind.
#include <fmt/format.h>

#include "base/assert.h"
#include "replica/internal/cell_replica.h"

namespace meridian::replica {

Status CellReplica::open_log() {
  if (!config_.group) {
    auto alone = std::make_unique<LocalLog>(executors_.log, io_.clock, metrics_);
    alone_ = alone.get();
    log_ = std::move(alone);
    return {};
  }
  ASSERT(io_.make_network != nullptr && executors_.raft != nullptr &&
         executors_.propose != nullptr);
  const storage::ReplicaName name{config_.deployment, config_.cell, config_.generation,
                                  config_.group->id, config_.group->region};
  std::unique_ptr<RaftLog> group = TRY(RaftLog::open(
      {*executors_.raft, executors_.log, io_.clock, io_.entropy, metrics_, io_.notice}, context_,
      {config_.wal_file_size}, name, *config_.group, io_.make_network(),
      {stores_.applied, stores_.membership}));
  group_ = group.get();
  log_ = std::move(group);
  return {};
}

/// What the log holds after the checkpoint comes from consensus, once it knows it to be committed.
Status CellReplica::join_group() {
  proposer_->follow(0, "the cell has no leader yet");
  giver_ = std::make_unique<StateGiver>(
      group_->peers(), executors_.checkpoint, *copies_,
      StateGiver::Next{[this](std::uint64_t peer) { group_->node().snapshot_active(peer); },
                       [this](std::uint64_t peer) { group_->node().snapshot_sent(peer, true); }});
  group_->on_snapshots([this](std::uint64_t) { return make_offer(); },
                       [this](std::uint64_t peer) {
                         if (!std::exchange(behind_told_, true) && io_.behind) io_.behind(peer);
                       });
  const std::optional<proof::TreeHead>& last = cosigned_->last();
  const std::uint64_t signed_size = last ? raw(last->size) : 0;
  prover_->when_visible(signed_size, [this](std::uint64_t) {
    executors_.prove.post([this] {
      if (Status same = check_signed_head(); !same) return fatal(same.error());
      prover_->start_signing();
    });
  });
  log_->start(log_handler());
  applier_->start_watching();
  return {};
}

/// What the newest checkpoint covers; the state itself goes by way of the giver.
std::optional<consensus::SnapshotOffer> CellReplica::make_offer() {
  const Result<StateOffer> offer = copies_->describe();
  if (!offer) return std::nullopt;
  const Result<consensus::Membership> members = consensus::decode_membership(offer->membership);
  if (!members) return std::nullopt;
  return consensus::SnapshotOffer{offer->entry_index, offer->term, *members, {}};
}

/// On the raft executor.
void CellReplica::follow(const Leadership& now) {
  {
    const std::lock_guard lock(leadership_mutex_);
    leadership_ = now;
  }
  if (!now.is_ours) {
    proposer_->follow(now.term, now.leader == 0 || now.leader == config_.group->id
                                    ? std::string("the cell has no leader that may propose now")
                                    : fmt::format("replica {} leads the cell", now.leader));
    return;
  }
  // Where the state is: all that earlier leaders ordered has been applied there.
  executors_.apply.post([this, now] {
    if (leadership() == now) proposer_->lead(now.term, ledger_->last_time(), first_requests());
  });
}

void CellReplica::catch_up(std::function<void(meridian::Status)> ready) {
  if (group_ == nullptr) return ready({});
  group_->node().read_index([ready = std::move(ready)](Result<std::uint64_t> index) {
    if (!index) return ready(index.error());
    ready({});
  });
}

}  // namespace meridian::replica
