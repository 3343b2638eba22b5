// What a replica of a group does before it opens: takes the state of a peer when its own log cannot
// catch up, or when it is new and empty (docs/design/raft_contract.md, M6).
//
// Asynchronous: everything happens on the executors given, `done` comes on the apply executor. The
// replica of the directory must not be open, and is opened by the caller afterwards.
#pragma once

#include <functional>
#include <memory>

#include "replica/replica.h"
#include "replica/state_exchange.h"

namespace meridian::replica {

class CatchUp {
 public:
  using Progress = std::function<void(const StateInstaller::Progress&)>;
  /// Listens as this replica and copies from `peer`. Errors: as RaftLog::open and StateTaker.
  static Result<std::unique_ptr<CatchUp>> start(const Replica::Io& io, const ReplicaConfig& config,
                                                ReplicaExecutors executors, std::uint64_t peer,
                                                Progress progress,
                                                std::function<void(Status)> done);
  ~CatchUp();

 private:
  CatchUp(const Replica::Io& io, const ReplicaConfig& config);
  Status cut_log(const StateOffer& offer);

  Replica::Io io_;
  ReplicaConfig config_;
  storage::SealedContext context_;
  LogPosition applied_;  ///< Of the newest checkpoint before the copy.
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<StateTaker> taker_;
};

}  // namespace meridian::replica
