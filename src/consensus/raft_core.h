// raft-rs as an object: the algorithm alone, without I/O, clock or randomness of its own.
//
// Holds what docs/design/raft_contract.md asks of its host only where a type can: the rest is
// raft_node.h's. One thread. Payloads never pass: an entry is a handle that the host chose.
// A panic in the core ends the process (B1). Cost: microseconds a call, nothing per payload byte.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "consensus/log_entry.h"
#include "consensus/membership.h"

namespace meridian::consensus {

enum class Role : std::uint8_t { follower, pre_candidate, candidate, leader };

/// raft's MessageType.
enum class MessageKind : std::uint8_t {
  hup,
  beat,
  propose,
  append,
  append_response,
  request_vote,
  request_vote_response,
  snapshot,
  heartbeat,
  heartbeat_response,
  unreachable,
  snap_status,
  check_quorum,
  transfer_leader,
  timeout_now,
  read_index,
  read_index_response,
  request_pre_vote,
  request_pre_vote_response,
};

/// Where the host keeps the bytes of an entry. 0: there are none.
struct Handle {
  std::uint64_t id = 0;
  std::uint64_t size = 0;
};

/// An entry as the core sees it.
struct CoreEntry {
  std::uint64_t index;
  std::uint64_t term;
  EntryKind kind;
  Handle handle;
  Bytes change;  ///< raft's encoding of a membership change; empty for other kinds.
};

/// First byte of every message between nodes, before the core's own bytes, so that others may share
/// the links.
inline constexpr Byte raft_message_tag = 1;

struct OutgoingMessage {
  std::uint64_t to;
  MessageKind kind;
  Buffer bytes;
  std::uint64_t first_index;  ///< Entries it carries: entry_count from here on.
  std::size_t entry_count;
};

struct ReadState {
  std::uint64_t index;
  std::uint64_t context;
};

/// What the core wants persisted, sent and applied. Views live until the next ready().
struct CoreReady {
  std::uint64_t number;
  std::optional<HardState> hard_state;
  bool messages_wait_for_sync;
  std::vector<CoreEntry> entries;
  std::uint64_t committed_index;  ///< 0: nothing is committed that was not handed out before.
  std::vector<OutgoingMessage> messages;
  std::vector<ReadState> reads;
};

struct CoreStatus {
  std::uint64_t term, vote, commit, applied, leader, last_index;
  Role role;
  std::uint64_t transferee;          ///< 0: leadership is not being handed over.
  std::uint64_t pending_conf_index;  ///< The newest membership change proposed in this term.
  bool committed_in_term;            ///< The leader's own term has a committed entry.
  bool promotable;
  std::uint64_t election_ticks;
};

struct PeerProgress {
  enum class State : std::uint8_t { probe, replicate, snapshot };
  std::uint64_t id, matched, next;
  State state;
  std::uint64_t pending_snapshot;
  bool paused, recent_active, is_learner;
};

/// The state that a leader offers to a follower its log no longer reaches.
struct SnapshotOffer {
  std::uint64_t index, term;
  Membership membership;
  Buffer data;
};

/// A message from a peer, decoded and not yet stepped.
class IncomingMessage {
 public:
  /// Errors: invalid_argument.
  static Result<IncomingMessage> decode(Bytes bytes);
  IncomingMessage(IncomingMessage&&) noexcept;
  IncomingMessage& operator=(IncomingMessage&&) noexcept;
  ~IncomingMessage();

  MessageKind kind() const { return kind_; }
  std::uint64_t from() const { return from_; }
  std::uint64_t to() const { return to_; }
  std::uint64_t term() const { return term_; }
  std::size_t entry_count() const { return entry_count_; }
  /// Whether the bytes of entry `number` travelled beside the message.
  bool carries(std::size_t number) const;
  SnapshotOffer snapshot() const;  ///< Asserts the kind.

 private:
  friend class RaftCore;
  IncomingMessage() = default;
  void* message_ = nullptr;
  MessageKind kind_{};
  std::uint64_t from_ = 0, to_ = 0, term_ = 0;
  std::size_t entry_count_ = 0;
};

class RaftCore {
 public:
  /// What the core asks of its host's log: the visible one (S1).
  class Storage {
   public:
    virtual ~Storage() = default;
    virtual std::uint64_t first_index() const = 0;
    virtual std::uint64_t last_index() const = 0;
    /// From first_index() - 1 to last_index(); none if below that.
    virtual std::optional<std::uint64_t> term(std::uint64_t index) const = 0;
    /// Calls `visit` for [low, high) in order while it returns true; false if low is compacted.
    virtual bool entries(std::uint64_t low, std::uint64_t high, std::uint64_t size_max,
                         const std::function<void(const CoreEntry&)>& visit) const = 0;
    /// None: not now.
    virtual std::optional<SnapshotOffer> snapshot(std::uint64_t to) = 0;
  };
  struct Options {
    std::uint64_t id;
    std::uint64_t applied;
    std::size_t election_ticks;
    std::size_t heartbeat_ticks;
    std::size_t inflight_messages_max = 64;
    std::size_t entry_headers_max = 32'768;  ///< Bytes of entry headers in one message.
    bool pre_vote = true;
    bool check_quorum = true;
    bool lease_reads = false;   ///< Only to show what breaks (A5).
    std::int64_t priority = 0;  ///< Only to show what breaks (L1).
  };
  /// Upper bound of set_election_ticks, exclusive.
  static constexpr std::size_t election_ticks_max = 1 << 20;
  using Log = std::function<void(int level, std::string_view text)>;

  RaftCore(const Options& options, Storage& storage, const HardState& hard_state,
           const Membership& membership, Log log);
  ~RaftCore();
  RaftCore(const RaftCore&) = delete;
  RaftCore& operator=(const RaftCore&) = delete;

  void tick();
  void ping();  ///< A leader sends its heartbeats now.
  void set_election_ticks(std::size_t ticks);

  /// False: dropped (not the leader, or handing over); nothing was done.
  bool propose(std::span<const Handle> entries);
  /// No changes: leaves the joint configuration.
  bool propose_change(std::span<const MemberChange> changes, Handle record);
  /// `handles`: one per entry of the message.
  void step(IncomingMessage message, std::span<const Handle> handles);

  bool has_ready() const;
  CoreReady ready();
  void advance();
  void persisted(std::uint64_t number);
  void applied(std::uint64_t index);
  /// The configuration that follows. An empty change is a rejected one (L5).
  /// Errors: invalid_argument if `change` cannot be decoded or applied.
  Result<Membership> apply_change(Bytes change);

  /// A leader becomes a follower of nobody; others stay what they are. One that was removed and
  /// goes on leading would panic at its next commit (L9).
  void step_down();

  void read_index(std::uint64_t context);
  void transfer_leader(std::uint64_t to);
  void report_unreachable(std::uint64_t peer);
  void report_snapshot(std::uint64_t peer, bool succeeded);

  CoreStatus status() const;
  std::vector<PeerProgress> progress() const;  ///< In order of id.

 private:
  struct Host;
  std::unique_ptr<Host> host_;
};

}  // namespace meridian::consensus
