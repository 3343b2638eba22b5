#include "replica/catch_up.h"

#include "replica/raft_log.h"
#include "replica/recovery.h"
#include "storage/wal.h"

namespace meridian::replica {

CatchUp::CatchUp(const Replica::Io& io, const ReplicaConfig& config)
    : io_(io), config_(config), context_{io.disk, io.entropy, io.keys, config.cell} {}

CatchUp::~CatchUp() {
  if (peers_) peers_->stop();
}

Result<std::unique_ptr<CatchUp>> CatchUp::start(const Replica::Io& io, const ReplicaConfig& config,
                                                ReplicaExecutors executors, std::uint64_t peer,
                                                Progress progress,
                                                std::function<void(Status)> done) {
  std::unique_ptr<CatchUp> self(new CatchUp(io, config));
  const RaftLog::Directory directory = TRY(RaftLog::open_directory(
      io.disk, io.entropy,
      {config.deployment, config.cell, config.generation, config.group->id, config.group->region}));
  // Now: opening the stores clears away what is not committed, such as a copy under way.
  self->applied_ = TRY(open_stores(self->context_)).applied;
  self->peers_ = TRY(Peers::open(io.disk, io.make_network(), directory.identity, io.notice));
  for (const MemberInfo& founder : config.group->founders) self->peers_->set(founder);
  const StateTaker::Parts parts{
      executors.apply,
      io.clock,
      *self->peers_,
      self->context_,
      config.group->copy_bytes_per_second,
      [raw = self.get()](const StateOffer& offer) { return raw->cut_log(offer); },
      std::move(progress)};
  self->taker_ = std::make_unique<StateTaker>(
      parts, peer, [done = std::move(done)](const Result<StateOffer>& result) {
        if (!result) return done(result.error());
        done({});
      });
  TRY(self->peers_->start(config.group->listen, executors.apply));
  self->taker_->start();
  return self;
}

/// An entry of ours at the offered index and of another term is not the committed one, so nothing
/// from there on can ever be committed: it must be gone before the state is installed, or this
/// member would vote from it. What lies below stays until then, as it may have been acknowledged.
Status CatchUp::cut_log(const StateOffer& offer) {
  std::uint64_t term_there = 0;
  const auto visit = [&](const storage::WalEntry& entry) -> Status {
    if (entry.index == offer.entry_index) term_there = entry.term;
    return {};
  };
  const auto truncated = [&](std::uint64_t index) -> Status {
    if (index <= offer.entry_index) term_there = 0;
    return {};
  };
  const std::uint64_t from = std::max(applied_.index, RaftLog::founding.index) + 1;
  std::unique_ptr<storage::Wal> wal =
      TRY(storage::Wal::open(context_, {config_.wal_file_size}, from, visit, {}, truncated));
  if (term_there == offer.term || wal->last_index() < offer.entry_index) return {};
  return wal->truncate_from(offer.entry_index);
}

}  // namespace meridian::replica
