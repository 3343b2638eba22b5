// The replica of a cell on one node: builds the stages, recovers, hands calls to the right one.
//
// Alone it replays its write-ahead log before it opens; as one of a group, consensus hands the log
// out again (cell_replica_group.cpp).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "replica/applier.h"
#include "replica/cell_keys.h"
#include "replica/checkpointer.h"
#include "replica/client_pace.h"
#include "replica/clock_guard.h"
#include "replica/cosigned_head.h"
#include "replica/election_timing.h"
#include "replica/group_metrics.h"
#include "replica/leader_home.h"
#include "replica/local_log.h"
#include "replica/origin.h"
#include "replica/raft_log.h"
#include "replica/recovery.h"
#include "replica/replica.h"
#include "replica/round_trips.h"
#include "replica/scrub.h"
#include "replica/state_exchange.h"
#include "replica/stored_records.h"

namespace meridian::replica {

/// How often a task may post one to another stage before it ends: checkpoint -> apply -> prove ->
/// log, with room.
inline constexpr int hops_max = 6;

class CellReplica final : public Replica {
 public:
  CellReplica(const Io& io, const ReplicaConfig& config, ReplicaExecutors executors,
              std::function<void(Error)> on_fatal)
      : io_(io),
        config_(config),
        executors_(executors),
        on_fatal_(std::move(on_fatal)),
        origin_(origin_of(config)),
        context_{io.disk, io.entropy, io.keys, config.cell},
        metrics_(io.metrics),
        scrub_metrics_(io.metrics) {}

  /// Stages run until their executors have let go of them.
  ~CellReplica() override {
    lifetime_.end();
    if (checkpointer_ == nullptr) return;  // never got to run
    scrub_->stop();
    log_->stop();
    // What a group has not committed may never be: nobody waits for it here any more.
    if (group_ != nullptr)
      proposer_->fail({Code::unavailable, "this replica stopped while it was under way"});
    if (cell_keys_ != nullptr) cell_keys_->stop();
    applier_->stop();
    prover_->stop();
    drain_all();
    checkpointer_->stop();  // a merge under way would go on posting itself
    for (int hop = 0; hop < hops_max; ++hop) drain_each();  // what the last tasks posted
  }

  Status recover(const Progress& progress);

  void submit(std::unique_ptr<ledger::Request> request, Answered answered) override {
    proposer_->submit(std::move(request), std::move(answered));
  }
  void read_state(Reader reader) override {
    executors_.apply.post([this, reader = std::move(reader)] { reader(*ledger_); });
  }
  void find_record(ledger::IdSpace space, u128 id, Found found) override {
    executors_.apply.post([this, space, id, found = std::move(found)] {
      Result<std::optional<ledger::RecordIndex>> record = history_->find(space, id);
      if (!record) return found(record.error());
      found(record->value_or(ledger::no_record));
    });
  }

  std::uint64_t visible_records() const override { return prover_->visible(); }
  std::uint64_t when_visible(std::uint64_t count,
                             std::function<void(std::uint64_t)> visible) override {
    return prover_->when_visible(count, std::move(visible));
  }
  void cancel_wait(std::uint64_t token) override { prover_->cancel_wait(token); }
  Result<Buffer> header(ledger::RecordIndex index) override {
    return stores_.records->header(raw(index));
  }
  Result<Buffer> payload(ledger::RecordIndex index) override {
    return stores_.records->payload(raw(index));
  }
  meridian::Status scan(ledger::RecordIndex first, std::uint64_t count,
                        const Visit& visit) override {
    return stores_.records->scan(raw(first), raw(first) + count,
                                 [&](std::uint64_t record, Bytes header) {
                                   return visit(ledger::RecordIndex{record}, header);
                                 });
  }
  ledger::RecordSource& records() override { return *source_; }
  Result<std::vector<ledger::RecordIndex>> stream_records(u128 stream, std::uint64_t first,
                                                          std::uint64_t last, std::size_t count,
                                                          bool reversed) override {
    return find_events(*stores_.index.streams, stream, first, last, count, reversed);
  }
  Result<std::vector<ledger::RecordIndex>> category_records(u128 category, std::uint64_t first,
                                                            std::uint64_t last, std::size_t count,
                                                            bool reversed) override {
    return find_events(*stores_.index.categories, category, first, last, count, reversed);
  }

  /// By way of the apply stage: what was answered before this call is under the checkpoint.
  void checkpoint(CheckpointReady ready) override {
    executors_.apply.post(
        [this, ready = std::move(ready)]() mutable { prover_->checkpoint(std::move(ready)); });
  }
  void receipt(ledger::RecordIndex index, ReceiptReady ready) override;
  std::string origin() const override { return origin_; }
  std::string log_vkey() const override { return proof::format_vkey(log_key_->verifier()); }
  std::string cosigner_vkey() const override { return proof::format_vkey(cosigner_->verifier()); }
  Result<std::vector<VoterKeys>> voter_keys() const override;
  proof::TileReader& tiles() override { return prover_->stored_tiles(); }

  Leadership leadership() const override {
    const std::lock_guard lock(leadership_mutex_);
    return leadership_;
  }
  bool is_alone() const override { return !config_.group; }
  bool is_clock_confirmed() const override {
    return is_alone() || proposer_->clock_guard().is_confirmed();
  }
  std::string leader_address() const override;
  Position position() const override { return {prover_->visible(), applied_index_}; }
  std::optional<io::MonotonicTime> current_as_of() const override;
  void catch_up(std::function<void(meridian::Status)> ready) override;
  void group(std::function<void(const GroupState&)> ready) override;
  void change_members(std::vector<MemberStep> steps,
                      std::function<void(meridian::Status)> done) override;
  void levels(std::function<void(const LevelReport&)> ready) override;
  void activate_level(std::uint32_t level, std::function<void(meridian::Status)> done) override;
  void transfer_leadership(std::uint64_t to) override {
    if (group_ != nullptr) group_->node().transfer_leadership(to);
  }

  void send_to_keeper(std::uint64_t to, Buffer message) override;
  std::map<std::uint64_t, crypto::ExchangePublicKey> exchange_keys() const override;

  StateSource& state_source() override { return *copies_; }
  void report(std::function<void(Report)> ready) override;
  void settle(std::function<void()> done) override;

 private:
  Status build();
  Status open_log();
  Status start_alone(const Progress& progress);
  Status join_group();
  meridian::Status make_exchange();
  void make_scrub();
  void make_cell_keys();
  void make_level_news();
  LevelReport level_report() const;
  ledger::FeatureLevels own_levels() const {
    return ledger::feature_levels_up_to(config_.feature_level);
  }
  OrderedLog::Handler log_handler();
  void follow(const Leadership& now);
  void give_states();
  std::optional<consensus::SnapshotOffer> make_offer();
  void cut_first_checkpoint();
  void keep_for_copies();
  void keep_pace(const consensus::RaftNode::Report& raft);
  meridian::Status check_change(const std::vector<MemberStep>& steps) const;
  void propose_change(const std::vector<MemberStep>& steps,
                      std::function<void(meridian::Status)> done);
  std::string not_leading(const Leadership& now) const;
  GroupReport group_report() const;
  void keep_metrics();
  void keep_current();
  ClockWatch::Verdict keep_clock(const GroupReport& report);
  void keep_timing(const GroupReport& report);
  std::uint64_t failover_bound_ms(const consensus::RaftNode::Report& raft) const;
  void report_heads(Report report, std::function<void(Report)> ready);
  Proposer::Requests first_requests();
  Status replay(const Progress& progress);
  void keep_up();
  Status check_signed_head();
  void drain_each();
  void drain_all();
  bool pipeline_idle();
  void fatal(const Error& error);  // any thread
  void state_differs(const CutDigest& own, const crypto::Digest& recorded);
  static Result<std::vector<ledger::RecordIndex>> find_events(storage::SortedRuns& runs, u128 id,
                                                              std::uint64_t first,
                                                              std::uint64_t last, std::size_t count,
                                                              bool reversed);

  Io io_;
  ReplicaConfig config_;
  ReplicaExecutors executors_;
  std::function<void(Error)> on_fatal_;
  std::string origin_;
  storage::SealedContext context_;
  Lifetime lifetime_;
  std::atomic<bool> fatal_told_{false};
  std::optional<ledger::DroppedTail> dropped_;  ///< To be recorded once the log runs.

  Recovered stores_;
  std::unique_ptr<proof::Signer> log_key_;
  std::unique_ptr<proof::Signer> cosigner_;
  std::optional<CosignedHead> cosigned_;
  std::unique_ptr<ledger::RecordSource> source_;
  std::unique_ptr<StateSource> copies_;

  StageMetrics metrics_;
  ScrubMetrics scrub_metrics_;
  std::unique_ptr<OrderedLog> log_;
  LocalLog* alone_ = nullptr;  ///< log_, if this replica has no peers.
  RaftLog* group_ = nullptr;   ///< log_, if it has.
  std::unique_ptr<StateGiver> giver_;
  std::optional<GroupMetrics> group_metrics_;  // raft executor
  std::optional<LeaderHome> home_;             // raft executor
  std::optional<RoundTrips> round_trips_;      // raft executor
  std::optional<ClockWatch> clock_watch_;      // raft executor
  bool clock_told_wrong_ = false;              // raft executor
  std::optional<LevelNews> level_news_;        // raft executor
  std::optional<ElectionTiming> timing_;       // raft executor
  io::Duration too_slow_told_{};               // raft executor
  ClientPace client_pace_;                     // raft executor
  std::optional<StoredTiles> compared_tiles_;
  std::optional<Cosigner> tree_signer_;
  std::unique_ptr<CosignerExchange> exchange_;
  std::optional<crypto::ExchangeKey> exchange_key_;
  std::unique_ptr<CellKeys> cell_keys_;
  bool behind_told_ = false;  // raft executor
  std::atomic<std::uint64_t> applied_index_{0};
  std::atomic<io::MonotonicTime> current_as_of_{};  ///< Of a group; 0: not known yet.
  mutable std::mutex leadership_mutex_;
  Leadership leadership_;
  std::unique_ptr<IdHistory> history_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<Proposer> proposer_;
  std::unique_ptr<Prover> prover_;
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<Scrub> scrub_;
  bool has_bad_edge_ = false;  ///< What was signed cannot be found in the tiles: nothing is signed.
};

}  // namespace meridian::replica
