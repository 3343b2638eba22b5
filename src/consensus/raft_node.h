// One member of a Raft group: the core's host (docs/design/raft_contract.md).
//
//   propose, receive, tick -> core -> Ready -> visible log -> messages of a leader leave at once
//                                          \-> persister: one sync -> messages of others leave
//                                          \-> committed entries, in order, to the handler
//
// Owned by the raft executor; public calls are thread-safe unless they say otherwise. Payloads are
// shared buffers from proposal or socket to sync, send and apply. Memory is bounded by Limits: a
// member that is down or slow is served from the log on disk, or by a snapshot of the state.
// Time comes from `clock` through ticks, randomness from Config::seed: a seed replays.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "consensus/log_entry.h"
#include "consensus/log_store.h"
#include "consensus/membership.h"
#include "consensus/raft_core.h"
#include "io/clock.h"
#include "io/executor.h"
#include "io/network.h"

namespace meridian::consensus {

struct Timing {
  io::Duration tick = io::milliseconds(10);
  io::Duration heartbeat = io::milliseconds(50);
  /// A follower campaigns after one to two of these without a leader.
  io::Duration election = io::milliseconds(150);

  /// For members with these round trips and syncs (worst of both): DESIGN section 6.
  static Timing measured(io::Duration round_trip, io::Duration sync);
  /// From the death of a leader to the first commit of the next, if a quorum is healthy: its last
  /// heartbeat, detection, one split vote, votes and the new leader's first entry, each within a
  /// round trip, a sync, and the delay with which a thread that has something to do gets to it.
  io::Duration failover_bound(io::Duration round_trip, io::Duration sync, io::Duration delay) const;
  /// With another election timeout, not shorter than this one: ticks are longer in proportion.
  Timing stretched(io::Duration election_wanted) const;
};

struct RaftLimits {
  std::uint64_t message_bytes_max = 1 << 20;
  std::uint64_t cached_bytes_max = 256 << 20;
  std::uint64_t inflight_messages_max = 64;      ///< Per follower.
  std::uint64_t unapplied_bytes_max = 64 << 20;  ///< Handed out and not reported applied.
  std::uint64_t read_attempts_max = 10;
};

/// Faults of the host, for the tests that show each is caught: never set in production.
struct BrokenHost {
  bool send_before_sync = false;         ///< M1
  bool forget_commit = false;            ///< S9
  bool reuse_contexts = false;           ///< A3
  bool serve_before_applied = false;     ///< A4
  bool step_snapshot_first = false;      ///< M6
  bool forget_snapshot_outcome = false;  ///< M4
  bool never_hand_over = false;          ///< L3
  bool apply_unpersisted = false;        ///< A1
};

struct CommittedEntry {
  LogEntry entry;
  /// The configuration after this entry: what a checkpoint cut here must remember (S7).
  std::shared_ptr<const Membership> membership;
};

struct Leadership {
  Role role = Role::follower;
  std::uint64_t term = 0;
  std::uint64_t leader = 0;  ///< 0: not known.
  /// The leader of `term`, and everything of earlier terms is applied: proposals are welcome.
  bool may_propose = false;
  bool operator==(const Leadership&) const = default;
};

class RaftNode {
 public:
  struct Config {
    std::uint64_t id = 0;
    std::uint64_t seed = 0;  ///< New at each start: from io::Entropy.
    Timing timing;
    RaftLimits limits;
    RaftCore::Options core{};  ///< id, applied and ticks are filled in.
    BrokenHost broken;
  };
  /// What the disk holds at a start.
  struct Start {
    HardState hard_state;
    LogPosition applied;    ///< Of the newest durable state checkpoint: the log begins after it.
    Membership membership;  ///< As of `applied`.
    std::vector<LogEntry> log;  ///< After `applied`, in order; bytes may be missing (size is not).
  };
  struct Parts {
    io::Executor& raft;
    io::Executor& log;
    io::Clock& clock;
    LogStore& store;
  };
  /// Called on the raft executor, short.
  struct Handler {
    std::function<bool(std::uint64_t to, io::Channel, io::Parts)> send;
    /// In order, each once. Report with applied() what became part of the state.
    std::function<void(std::vector<CommittedEntry>)> committed;
    std::function<void(const Leadership&)> leadership;
    /// What was proposed was not taken and never will be: nothing was done.
    std::function<void(std::vector<EntryBytes>)> dropped;
    /// A state to offer to a member that the log no longer reaches; none: not now.
    std::function<std::optional<SnapshotOffer>(std::uint64_t to)> make_offer;
    /// A leader offers its state. The host copies and installs it and then opens a new node on what
    /// it has; `message` is then given to receive() of that one, which acknowledges it (M6).
    std::function<void(SnapshotOffer, std::uint64_t from, io::Parts message)> offered;
    std::function<void(Error)> fatal;
    std::function<void(int level, std::string_view)> log;
  };

  RaftNode(const Config& config, const Parts& parts, const Start& start, Handler handler);
  /// Stops. The executors must have let go of it: stop(), then drain both, then destroy.
  ~RaftNode();

  void start();  ///< Begins to tick.
  void stop();   ///< No handler is called and nothing is written from now on.

  void receive(io::PeerId from, io::Parts parts);
  /// Appends if this node leads `term` (of the Leadership that welcomed it); else dropped.
  void propose(std::uint64_t term, std::vector<EntryBytes> entries);
  /// What came of it shows in the log and in status(). Errors through `done`, nothing was done
  /// then: unavailable (this member does not lead `term`, or hands over); failed_precondition
  /// (another change is under way, or the members are not those that this one was checked against).
  void propose_change(std::uint64_t term, CheckedChange change, EntryBytes record,
                      std::function<void(Status)> done);
  /// Entries up to `index` are part of the state.
  void applied(std::uint64_t index);
  /// `done` with an index: a state that has applied it is linearizable as of this call. Errors:
  /// unavailable after a few tries without a leader.
  void read_index(std::function<void(Result<std::uint64_t>)> done);
  void transfer_leadership(std::uint64_t to);
  /// From now on; at least that of Config::timing. All that raft counts in ticks goes with it, but
  /// heartbeats stay as they are: other members may have a shorter timeout.
  void set_election_timeout(io::Duration election);
  void link_down(std::uint64_t peer);
  /// A member is copying our state; without a sign for twenty election timeouts, or with an
  /// outcome, the core goes on.
  void snapshot_active(std::uint64_t to);
  void snapshot_sent(std::uint64_t to, bool succeeded);
  /// Entries below `index` are covered by a checkpoint here.
  void release_before(std::uint64_t index);
  /// From now on: bytes of such entries that a leader keeps at most, for members that were offered
  /// its state and do not have its log yet. They are kept until that member has all, is silent for
  /// a minute, or they take more than this. At first none are.
  void keep_for_copies(std::uint64_t bytes_max);

  /// A part of this member's log as it stands, durable or not: for a member whose own end is in
  /// doubt (DESIGN section 5).
  struct LogPiece {
    std::uint64_t term = 0;
    bool leads = false;
    std::uint64_t first_index = 0;  ///< Of the log; entries below are covered by a checkpoint.
    LogPosition last;
    std::uint64_t prev_term = 0;  ///< Of the entry before the first one here; 0: not known.
    std::vector<LogEntry> entries;
  };
  /// Entries from `first` on, up to `bytes_max`, at least one if there is one; 0: none, just the
  /// rest.
  void read_log(std::uint64_t first, std::uint64_t bytes_max,
                std::function<void(Result<LogPiece>)> done);

  struct Report {
    CoreStatus core;
    Membership membership;
    std::vector<PeerProgress> peers;
    std::uint64_t first_index = 0;
    /// Members that were offered this leader's state and do not have its log yet.
    std::vector<std::uint64_t> kept_for;
    std::uint64_t handed_out = 0;
    std::uint64_t cached_bytes = 0;
    std::uint64_t elections = 0;
    Timing timing;                 ///< As of now.
    io::Duration longest_write{};  ///< To this member's log, of late.
    io::Duration usual_write{};    ///< io::RecentUsual
    io::Duration longest_delay{};  ///< Of a tick, behind its time.
    io::Duration usual_delay{};
    bool lacks_room = false;  ///< Its disk is full: it acknowledges nothing new meanwhile.
  };
  /// On the raft executor.
  Report report() const;

 private:
  friend class RaftHost;
  std::unique_ptr<class RaftHost> host_;
};

}  // namespace meridian::consensus
