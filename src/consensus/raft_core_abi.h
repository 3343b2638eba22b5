// The C ABI of raft_core/ (Rust): raft-rs without its I/O. Only raft_core.cpp includes this.
//
// Types and calls are those of raft_core/src/abi.rs and lib.rs, field by field. One core is used by
// one thread at a time. Pointers in what a call fills live until the call named beside it. A panic
// in the core ends the process.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

struct RcCore;
struct RcMessageHandle;  // a decoded message

struct RcHardState {
  std::uint64_t term, vote, commit;
};

struct RcEntry {
  std::uint64_t index, term;
  std::uint8_t kind;  // 0 commands, 1 empty, 2 membership
  std::uint64_t handle, size;
  const std::uint8_t* change;  // raft's encoding of a membership change
  std::size_t change_size;
};
constexpr std::uint64_t rc_carried = UINT64_MAX;  // handle: the bytes travel beside the message

struct RcConfState {
  const std::uint64_t* voters;
  std::size_t voter_count;
  const std::uint64_t* learners;
  std::size_t learner_count;
  const std::uint64_t* outgoing;
  std::size_t outgoing_count;
  const std::uint64_t* learners_next;
  std::size_t learner_next_count;
};

struct RcSnapshot {
  std::uint64_t index, term;
  RcConfState conf_state;
  const std::uint8_t* data;
  std::size_t data_size;
};

// The host's answers. Status: 0 good, 1 compacted.
struct RcHost {
  void* context;
  std::uint64_t (*first_index)(void*);
  std::uint64_t (*last_index)(void*);
  std::int32_t (*term)(void*, std::uint64_t index, std::uint64_t* term);
  // Pushes entries [low, high) into `sink` by rc_sink_push, at least one, up to size_max bytes.
  std::int32_t (*entries)(void*, std::uint64_t low, std::uint64_t high, std::uint64_t size_max,
                          void* sink);
  std::int32_t (*snapshot)(void*, std::uint64_t to, RcSnapshot* out);  // not 0: not now
  void (*log)(void*, std::int32_t level, const std::uint8_t* text, std::size_t size);
};

struct RcConfig {
  std::uint64_t id, applied;
  std::size_t election_tick, heartbeat_tick, election_tick_max;
  std::uint64_t max_size_per_msg;
  std::size_t max_inflight_msgs;
  std::uint64_t max_uncommitted_size, max_committed_size_per_ready;
  std::int64_t priority;
  bool pre_vote, check_quorum, lease_reads;
};

struct RcOutgoing {
  std::uint64_t to;
  std::int32_t kind;
  const std::uint8_t* bytes;
  std::size_t size;
  std::uint64_t first_index;
  std::size_t entry_count;
};

struct RcReadState {
  std::uint64_t index;
  const std::uint8_t* context;
  std::size_t context_size;
};

struct RcReady {
  std::uint64_t number;
  RcHardState hard_state;
  bool hard_state_changed, messages_wait_for_sync, has_snapshot;
  const RcEntry* entries;
  std::size_t entry_count;
  std::uint64_t committed_index;
  const RcOutgoing* messages;
  std::size_t message_count;
  const RcReadState* reads;
  std::size_t read_count;
};

struct RcMessageInfo {
  std::int32_t kind;
  std::uint64_t from, to, term;
  std::size_t entry_count;
};

struct RcHandle {
  std::uint64_t handle, size;
};

struct RcStatus {
  std::uint64_t term, vote, commit, applied, leader, last_index;
  std::int32_t role;
  std::uint64_t lead_transferee, pending_conf_index;
  bool commit_to_current_term, promotable;
  std::size_t randomized_election_tick, uncommitted_size;
};

struct RcProgress {
  std::uint64_t id, matched, next;
  std::int32_t state;  // 0 probe, 1 replicate, 2 snapshot
  std::uint64_t pending_snapshot;
  bool paused, recent_active, is_learner;
};

struct RcChange {
  std::uint64_t id;
  std::int32_t kind;  // 0 voter, 1 remove, 2 learner
};

void rc_sink_push(void* sink, const RcEntry* entry);

RcCore* rc_create(const RcConfig*, const RcHost*, const RcHardState*, const RcConfState*);
void rc_destroy(RcCore*);
void rc_tick(RcCore*);
void rc_ping(RcCore*);
void rc_set_election_ticks(RcCore*, std::size_t ticks);
// 0 taken, 1 dropped (not leader, too much uncommitted, leadership is being handed over), 2 error.
std::int32_t rc_propose(RcCore*, const RcHandle*, std::size_t count);
std::int32_t rc_propose_change(RcCore*, const RcChange*, std::size_t count, RcHandle record);

RcMessageHandle* rc_message_decode(const std::uint8_t*, std::size_t, RcMessageInfo*);
void rc_message_entry(const RcMessageHandle*, std::size_t number, RcEntry*);
void rc_message_snapshot(const RcMessageHandle*, RcSnapshot*);
void rc_message_free(RcMessageHandle*);
std::int32_t rc_step(RcCore*, RcMessageHandle* consumed, const RcHandle*);

bool rc_has_ready(const RcCore*);
void rc_ready(RcCore*, RcReady*);  // pointers live until the next rc_ready
void rc_advance(RcCore*);
void rc_persisted(RcCore*, std::uint64_t number);
void rc_applied(RcCore*, std::uint64_t index);
std::int32_t rc_apply_change(RcCore*, const std::uint8_t* change, std::size_t size,
                             void (*visit)(void*, const RcConfState*), void* visitor);
void rc_step_down(RcCore*);
void rc_read_index(RcCore*, const std::uint8_t* context, std::size_t size);
void rc_transfer_leader(RcCore*, std::uint64_t to);
void rc_report_unreachable(RcCore*, std::uint64_t peer);
void rc_report_snapshot(RcCore*, std::uint64_t peer, bool succeeded);
void rc_status(const RcCore*, RcStatus*);
void rc_progress(const RcCore*, void (*visit)(void*, const RcProgress*), void* visitor);

}  // extern "C"
