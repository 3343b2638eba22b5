// What a RaftNode is made of. Everything here runs on the raft executor but stop() and post().
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "consensus/internal/kept_log.h"
#include "consensus/internal/outbox.h"
#include "consensus/internal/persister.h"
#include "consensus/internal/visible_log.h"
#include "consensus/raft_node.h"
#include "io/recent_max.h"
#include "io/recent_usual.h"

namespace meridian::consensus {

/// SplitMix64: small, and the same everywhere.
inline std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15U);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

class RaftHost {
 public:
  /// Without a sign for so many election timeouts, whoever copies our state has given up.
  static constexpr std::uint64_t snapshot_elections = 20;
  // L3, in election timeouts: how long nothing may become durable, or be applied (a checkpoint may
  // hold that up); how often these double; how long it must go well to forget that.
  static constexpr std::int64_t hang_disk = 4;
  static constexpr std::int64_t hang_apply = 16;
  static constexpr std::int64_t hang_factor_max = 16;
  static constexpr std::int64_t hang_calm = 64;
  static constexpr io::Duration keep_look_period = io::seconds(1);
  /// Of a cell that writes more than this a second, a member that catches up is given twice of what
  /// is written: at full speed it would take the time that the others need to go on.
  static constexpr std::uint64_t busy_bytes_per_second = 16 << 20;
  /// Ticks that are late are made up for, but not more at once: after a pause, what came meanwhile
  /// is looked at before anybody is taken for dead.
  static constexpr std::int64_t late_ticks_max = 3;

  RaftHost(const RaftNode::Config& config, const RaftNode::Parts& parts,
           const RaftNode::Start& start, RaftNode::Handler handler);

  template <typename Function>
  void post(Function function) {
    parts_.raft.post([this, function = std::move(function)]() mutable {
      if (!stopped_) function();
    });
  }
  void start();
  void stop();

  void receive(std::uint64_t from, io::Parts parts);
  void propose(std::uint64_t term, std::vector<EntryBytes> entries);
  Status propose_change(std::uint64_t term, const CheckedChange& change, EntryBytes record);
  void applied(std::uint64_t index);
  void read_index(std::function<void(Result<std::uint64_t>)> done);
  void transfer_leadership(std::uint64_t to);
  void set_election_timeout(io::Duration election) { timing_ = config_.timing.stretched(election); }
  void link_down(std::uint64_t peer);
  void snapshot_sent(std::uint64_t to, bool succeeded);
  void snapshot_active(std::uint64_t to);
  void release_before(std::uint64_t index);
  void keep_for_copies(std::uint64_t bytes_max);
  RaftNode::Report report() const;
  void read_log(std::uint64_t first, std::uint64_t bytes_max,
                std::function<void(Result<RaftNode::LogPiece>)> done);

 private:
  struct Staged {
    EntryBytes change;
    EntryBytes bytes;
  };
  struct Read {
    std::function<void(Result<std::uint64_t>)> done;
    std::uint64_t attempts = 0;
    std::uint64_t asked_at_tick = 0;
  };

  void tick();
  void schedule_tick();
  void schedule_beat();
  Handle stage(EntryBytes bytes);

  // raft_host_ready.cpp: what the core wants done
  void pump();
  void take_ready();
  bool must_save(const CoreReady& ready, const std::vector<LogEntry>& entries);
  void save(Persister::Job& job);
  std::vector<LogEntry> take_entries(const std::vector<CoreEntry>& entries);
  void send(std::vector<OutgoingMessage> messages);
  void durable(std::uint64_t ready);
  void hand_out();
  void load_unapplied(std::uint64_t first);
  void notice_leadership();
  std::uint64_t first_index_of(std::uint64_t term);
  void draw_election_timeout(const CoreStatus& status);

  void take_reads(const std::vector<ReadState>& reads);
  void serve_reads();
  void ask_again();
  void give_up_snapshots();
  // raft_host_kept.cpp
  std::optional<SnapshotOffer> make_offer(std::uint64_t to);
  void look_after_kept(const CoreStatus& status);
  void cut_log();
  void keep_read_back_pace();
  void leave_joint(const CoreStatus& status);
  void hand_over_if_stuck(const CoreStatus& status);
  void hand_over(std::string_view why);
  bool is_frozen() const;
  void tell_room(const Status& room);
  void fatal(const Error& error);

  const RaftNode::Config config_;
  RaftNode::Parts parts_;
  RaftNode::Handler handler_;
  std::atomic<bool> stopped_{false};
  bool fatal_told_ = false;

  VisibleLog visible_;
  std::shared_ptr<const Membership> membership_;
  RaftCore core_;
  Persister persister_;
  Outbox outbox_;
  std::uint64_t random_;

  Timing timing_;                 ///< As of now.
  io::MonotonicTime tick_due_{};  ///< The next one.
  io::RecentMax longest_delay_{io::seconds(30)};
  io::RecentUsual usual_delay_;
  std::uint64_t ticks_ = 0;
  bool pumping_ = false;
  std::uint64_t next_handle_ = 1;
  std::unordered_map<std::uint64_t, Staged> staged_;  // until the Ready that has them

  // Readies that are not durable yet.
  struct Pending {
    std::uint64_t ready;
    LogPosition last;      // {0, 0}: no entries
    std::uint64_t commit;  // 0: not saved with it
    std::vector<OutgoingMessage> messages;
  };
  std::deque<Pending> pending_;

  HardState hard_state_;                   // as the core last gave it
  std::uint64_t saved_commit_;             // durable
  std::set<std::uint64_t> known_changes_;  // membership entries after the commit index saved last
  std::uint64_t committed_;
  std::uint64_t handed_out_;
  std::uint64_t applied_;
  bool loading_ = false;
  std::map<std::uint64_t, EntryBytes> loaded_;
  struct Unapplied {
    std::uint64_t index;
    std::uint64_t bytes;
    io::MonotonicTime since;
  };
  std::deque<Unapplied> unapplied_;
  std::uint64_t unapplied_bytes_ = 0;
  io::MonotonicTime applied_at_{};  ///< When something was reported applied last.
  io::MonotonicTime hung_at_{};     ///< When this host handed over because it hung.
  std::int64_t hang_factor_ = 1;

  Leadership leadership_;
  std::pair<std::uint64_t, Role> timeout_for_{~std::uint64_t{0}, Role::follower};
  const std::uint64_t election_ticks_min_;
  std::uint64_t election_ticks_ = 0;
  std::uint64_t elections_ = 0;
  LogPosition first_of_term_{};

  /// When a message of each member last came, in ticks.
  std::map<std::uint64_t, std::uint64_t> heard_;

  /// Of each member that was offered a state: when it last asked for some of it, in ticks.
  struct Copying {
    std::uint64_t sign_at;
    bool has_asked;  ///< Else: when it was offered.
  };
  std::map<std::uint64_t, Copying> snapshots_;

  KeptLog kept_;
  std::uint64_t kept_bytes_max_ = 0;
  io::MonotonicTime kept_looked_at_{};
  std::uint64_t proposed_bytes_ = 0;  ///< Since the last look at what is read back.
  io::MonotonicTime paced_at_{};
  std::uint64_t releasable_ = 0;  ///< Entries below are covered by a checkpoint.
  std::uint64_t released_ = 0;    ///< Entries below are gone.

  /// Contexts begin at random: an answer to another life of this member, or to another member, must
  /// not pass for one to us (A3).
  std::uint64_t next_read_;
  std::map<std::uint64_t, Read> asked_;                                                // by context
  std::multimap<std::uint64_t, std::function<void(Result<std::uint64_t>)>> readable_;  // by index
};

}  // namespace meridian::consensus
