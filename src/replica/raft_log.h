// The ordered log of a replica in a group: a Raft member over this disk and these peers.
//
//   open: identity, hard state, write-ahead log -> start: member runs, committed entries come out
//
// Handlers are called on the raft executor. What a restart replays comes the same way as everything
// else: consensus hands it out again once it is known to be committed.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "consensus/raft_node.h"
#include "io/entropy.h"
#include "replica/canary.h"
#include "replica/group_config.h"
#include "replica/group_state.h"
#include "replica/member_news.h"
#include "replica/ordered_log.h"
#include "replica/peers.h"
#include "replica/raft_store.h"
#include "storage/in_doubt_mark.h"

namespace meridian::replica {

/// Marks the replica as in doubt and drops what ends its log ambiguously, if anything does.
Status drop_doubtful_tail(storage::Wal& log, storage::InDoubtMark& mark,
                          const std::function<void(const std::string&)>& notice);

class RaftLog final : public OrderedLog {
 public:
  struct Parts {
    io::Executor& raft;
    io::Executor& log;
    io::Clock& clock;
    io::Entropy& entropy;
    StageMetrics& metrics;
    std::function<void(const std::string&)> notice;
    Canary canary{};
    std::uint64_t bytes_reserve = 0;  ///< Free disk that the log leaves.
  };
  /// What a founder's log begins after: an entry that nobody has, so that who joins later, with an
  /// empty configuration, is always given a state first.
  static constexpr LogPosition founding{1, 1};

  /// What is in a replica's directory beside the log; made if the directory is new.
  struct Directory {
    storage::ReplicaIdentity identity;
    storage::HardStateFile hard_state;
    storage::InDoubtMark in_doubt;
  };
  static Result<Directory> open_directory(io::Disk& disk, io::Entropy& entropy,
                                          const storage::ReplicaName& name);

  struct Start {
    LogPosition applied;  ///< Of the newest state checkpoint; {0, 0}: there is none.
    Buffer group;         ///< GroupState as of it; empty without one.
  };
  /// Where a log begins, and with whom.
  struct Begin {
    LogPosition applied;  ///< The log's entries follow it.
    GroupState group;     ///< As of it; of one that joins and holds no state yet: nobody.
  };
  /// Errors: data_loss; invalid_argument or failed_precondition of a founders' list.
  static Result<Begin> begin_at(const GroupConfig& config, const Start& start);
  /// `wal_file_size` as ReplicaConfig. Errors: data_loss; failed_precondition (another replica's
  /// directory); invalid_argument (a founder that is not in its own list, a region with a
  /// majority).
  static Result<std::unique_ptr<RaftLog>> open(
      const Parts& parts, const storage::SealedContext& context, const storage::WalOptions& wal,
      const storage::ReplicaName& name, const GroupConfig& config,
      std::unique_ptr<io::Network> network, const Start& start);
  ~RaftLog() override;

  /// Where the first entry handed out follows.
  LogPosition applied() const { return applied_; }
  Peers& peers() { return *peers_; }
  consensus::RaftNode& node() { return *node_; }
  /// On the raft executor.
  const GroupState& group() const { return group_; }

  /// Of this disk.
  u128 storage() const { return storage_; }

  /// A leader's log does not reach this replica any more: its state must be copied from `from`.
  using Behind = std::function<void(const MemberInfo& from)>;
  using MakeOffer = std::function<std::optional<consensus::SnapshotOffer>(std::uint64_t to)>;
  /// Before start(): the state that this replica has to offer, and what to do without one.
  void on_snapshots(MakeOffer make_offer, Behind behind);
  /// Before start(): what to do as this replica's standing changes; first told when it starts.
  void on_standing(std::function<void(Standing)> told) { standing_ = std::move(told); }

  /// Before start(): the link to a peer broke.
  void on_link_down(std::function<void(std::uint64_t peer)> call) { link_down_ = std::move(call); }

  void start(Handler handler) override;
  void stop() override;
  void propose(std::uint64_t term, std::vector<EntryBytes> entries) override;
  void propose_change(std::uint64_t term, consensus::CheckedChange change,
                      EntryBytes entry) override;
  void applied(std::uint64_t index) override { node_->applied(index); }
  void release_before(std::uint64_t index) override { node_->release_before(index); }
  std::uint64_t file_count() const override { return store_->file_count(); }

 private:
  RaftLog(const Parts& parts, const GroupConfig& config) : parts_(parts), config_(config) {}
  consensus::RaftNode::Handler node_handler();
  void hand_out(std::vector<consensus::CommittedEntry> entries);
  void take_members(const consensus::CommittedEntry& entry);
  void set_peers();
  void answer_log_requests();
  void make_news();
  void wait_for_founders();
  void ask_founders(bool is_told);

  Parts parts_;
  const GroupConfig config_;
  LogPosition applied_;
  u128 storage_ = 0;
  std::unique_ptr<Peers> peers_;
  std::unique_ptr<RaftStore> store_;
  consensus::RaftNode::Start node_start_;
  std::unique_ptr<consensus::RaftNode> node_;
  Handler handler_;
  std::unique_ptr<MemberNews> news_;
  MakeOffer make_offer_;
  Behind behind_;
  std::function<void(Standing)> standing_;
  std::function<void(std::uint64_t peer)> link_down_;
  Lifetime lifetime_;

  // raft executor: the group as of the entry handed out last
  GroupState group_;
  EntryBytes encoded_;
};

}  // namespace meridian::replica
