// What a replica of a group does while it is closed: takes the state of a peer when its own log
// cannot catch up, or when it is new and empty (M6); has its log supplied again when the end of it
// is in doubt (resupply.h). The caller opens it afterwards. Also then it hears who takes part, and
// ends at once if it does not any more (Replica::Io::standing).
//
// Asynchronous: everything happens on the log executor, which blocks on the disk; `done` comes
// there, once.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "replica/lifetime.h"
#include "replica/replica.h"
#include "replica/resupply.h"
#include "replica/state_exchange.h"

namespace meridian::replica {

class CatchUp {
 public:
  using Progress = std::function<void(const StateInstaller::Progress&)>;
  /// Whether this replica may not open before its log has been supplied again.
  static Result<bool> is_needed(io::Disk& disk);
  /// Listens as this replica. Copies the state of `peer`, if it is set. Errors: as RaftLog::open.
  static Result<std::unique_ptr<CatchUp>> start(const Replica::Io& io, const ReplicaConfig& config,
                                                ReplicaExecutors executors,
                                                std::optional<MemberInfo> peer, Progress progress,
                                                std::function<void(Status)> done);
  ~CatchUp();

 private:
  CatchUp(const Replica::Io& io, const ReplicaConfig& config, ReplicaExecutors executors,
          Progress progress, std::function<void(Status)> done);
  Status listen();
  void take_news(const MembersAnswer& answer);
  void copy(std::uint64_t peer);
  Status cut_log(LogPosition before, const StateOffer& offer);
  void resupply();
  Status begin_resupply();
  void end(const Status& status);

  Replica::Io io_;
  ReplicaConfig config_;
  ReplicaExecutors executors_;
  Progress progress_;
  std::function<void(Status)> done_;
  storage::SealedContext context_;
  StageMetrics metrics_;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<StateTaker> taker_;
  std::unique_ptr<Resupply> resupply_;
  Lifetime lifetime_;
};

}  // namespace meridian::replica
