// What a replica of a group does while it is closed: takes the state of a peer when its own log
// cannot catch up, when it is new and empty (M6), or when what it keeps is damaged; has its log
// supplied again when the end of it is in doubt (resupply.h). If one peer cannot give its state,
// because it is silent or damaged itself, the next is asked. The caller opens it afterwards. Also
// then it hears who takes part, and ends at once if it does not any more (Replica::Io::standing).
//
// Asynchronous: everything happens on the log executor, which blocks on the disk; `done` comes
// there, once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>

#include "replica/lifetime.h"
#include "replica/replica.h"
#include "replica/resupply.h"
#include "replica/state_exchange.h"

namespace meridian::replica {

class CatchUp {
 public:
  using Progress = std::function<void(const StateInstaller::Progress&)>;
  /// Whether this replica may not open before its log has been supplied again, or before it has
  /// copied a state as its own was given up.
  static Result<bool> is_needed(io::Disk& disk);
  /// Of a closed replica that said that `what` it keeps is damaged (Replica::Io::damaged): gives up
  /// its state checkpoint (storage::give_up_state). Of its records those are kept that are right.
  static Status give_up(const Replica::Io& io, const Error& what);
  /// Of a closed replica that does not open, or stopped, because of `why`: if its newest state
  /// checkpoint, or what that needs, is damaged, gives it up and returns true. Reads all but the
  /// records. Errors: of the disk.
  static Result<bool> give_up_if_damaged(const Replica::Io& io, const ReplicaConfig& config,
                                         const Error& why);
  /// Listens as this replica. Copies the state of `peer` first, if it is set. Errors: as
  /// RaftLog::open.
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
  void copy(std::optional<std::uint64_t> first);
  void copy_from_next(const Error& last_error);
  std::optional<std::uint64_t> next_giver();
  Result<LogPosition> open_before_copy();
  Status cut_log(std::uint64_t from, const StateOffer& offer);
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
  std::optional<std::uint64_t> first_giver_;
  std::set<std::uint64_t> asked_;  ///< For their state, during this copy.
  std::unique_ptr<StateTaker> taker_;
  std::unique_ptr<Resupply> resupply_;
  Lifetime lifetime_;
};

}  // namespace meridian::replica
