//! raft-rs behind a C ABI (../raft_core_abi.h says what each call does; docs/design/raft_contract.md
//! what the host owes). One core is used by one thread at a time. No payload passes: an entry's data
//! is a 16-byte handle of the host's.

mod abi;
mod logger;
mod storage;

use std::os::raw::c_void;

use abi::*;
use protobuf::Message as _;
use raft::eraftpb::{
    ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, EntryType, Message,
    MessageType,
};
use raft::{Config, RawNode, ReadOnlyOption, Ready, SnapshotStatus, StateRole};
use storage::{conf_state_from_c, HostStorage};

pub struct Core {
    node: RawNode<HostStorage>,
    ready: Option<Ready>,
    // What an RcReady points into; lives until the next rc_ready.
    entries: Vec<RcEntry>,
    messages: Vec<RcMessage>,
    encoded: Vec<Vec<u8>>,
    reads: Vec<RcReadState>,
    kept_reads: Vec<raft::ReadState>,
}

fn status_of(result: raft::Result<()>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(raft::Error::ProposalDropped) => 1,
        Err(_) => 2,
    }
}

/// # Safety
/// Pointers valid; the host outlives the core.
#[no_mangle]
pub unsafe extern "C" fn rc_create(
    config: *const RcConfig,
    host: *const RcHost,
    hard_state: *const RcHardState,
    conf_state: *const RcConfState,
) -> *mut Core {
    let c = &*config;
    let config = Config {
        id: c.id,
        applied: c.applied,
        election_tick: c.election_tick,
        heartbeat_tick: c.heartbeat_tick,
        min_election_tick: c.election_tick,
        max_election_tick: c.election_tick_max,
        max_size_per_msg: c.max_size_per_msg,
        max_inflight_msgs: c.max_inflight_msgs,
        check_quorum: c.check_quorum,
        pre_vote: c.pre_vote,
        read_only_option: if c.lease_reads {
            ReadOnlyOption::LeaseBased
        } else {
            ReadOnlyOption::Safe
        },
        skip_bcast_commit: false,
        // It would join all messages of a Ready to a member into one, without any bound (B4).
        batch_append: false,
        priority: c.priority,
        max_uncommitted_size: c.max_uncommitted_size,
        max_committed_size_per_ready: c.max_committed_size_per_ready,
    };
    let storage = HostStorage {
        host: *host,
        hard_state: *hard_state,
        conf_state: conf_state_from_c(&*conf_state),
    };
    let log = logger::to_host(*host);
    match RawNode::new(&config, storage, &log) {
        Ok(node) => Box::into_raw(Box::new(Core {
            node,
            ready: None,
            entries: Vec::new(),
            messages: Vec::new(),
            encoded: Vec::new(),
            reads: Vec::new(),
            kept_reads: Vec::new(),
        })),
        Err(_) => std::ptr::null_mut(),
    }
}

/// # Safety
/// `core` came from rc_create and is not used again.
#[no_mangle]
pub unsafe extern "C" fn rc_destroy(core: *mut Core) {
    drop(Box::from_raw(core));
}

/// # Safety
/// `core` is valid.
#[no_mangle]
pub unsafe extern "C" fn rc_tick(core: *mut Core) {
    (*core).node.tick();
}

/// A leader sends its heartbeats now.
///
/// # Safety
/// `core` is valid.
#[no_mangle]
pub unsafe extern "C" fn rc_ping(core: *mut Core) {
    (*core).node.ping();
}

/// # Safety
/// `core` is valid; min <= ticks < max of the configuration.
#[no_mangle]
pub unsafe extern "C" fn rc_set_election_ticks(core: *mut Core, ticks: usize) {
    (*core).node.raft.set_randomized_election_timeout(ticks);
}

/// # Safety
/// `handles` is valid for `count`.
#[no_mangle]
pub unsafe extern "C" fn rc_propose(core: *mut Core, handles: *const RcHandle, count: usize) -> i32 {
    let node = &mut (*core).node;
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgPropose);
    message.from = node.raft.id;
    for handle in std::slice::from_raw_parts(handles, count) {
        let mut entry = raft::eraftpb::Entry::default();
        entry.data = handle_bytes(handle.handle, handle.size).into();
        message.mut_entries().push(entry);
    }
    status_of(node.raft.step(message))
}

/// No changes: leaves a joint configuration.
/// # Safety
/// `changes` is valid for `count`.
#[no_mangle]
pub unsafe extern "C" fn rc_propose_change(
    core: *mut Core,
    changes: *const RcChange,
    count: usize,
    handle: RcHandle,
) -> i32 {
    let mut change = ConfChangeV2::default();
    if count > 0 {
        change.set_transition(ConfChangeTransition::Explicit);
        for one in std::slice::from_raw_parts(changes, count) {
            let mut single = ConfChangeSingle::default();
            single.node_id = one.id;
            single.set_change_type(match one.kind {
                0 => ConfChangeType::AddNode,
                1 => ConfChangeType::RemoveNode,
                _ => ConfChangeType::AddLearnerNode,
            });
            change.mut_changes().push(single);
        }
    }
    let context = if handle.handle == 0 {
        Vec::new()
    } else {
        handle_bytes(handle.handle, handle.size)
    };
    status_of((*core).node.propose_conf_change(context, change))
}

/// Only appends carry entries of the log; elsewhere the core keeps contexts of its own in them.
fn carried(message: &Message) -> usize {
    if message.get_msg_type() == MessageType::MsgAppend {
        message.get_entries().len()
    } else {
        0
    }
}

/// Bytes from outside: null if they are no message.
/// # Safety
/// `data` is valid for `size`.
#[no_mangle]
pub unsafe extern "C" fn rc_message_decode(
    data: *const u8,
    size: usize,
    info: *mut RcMessageInfo,
) -> *mut Message {
    let message = match Message::parse_from_bytes(bytes(data, size)) {
        Ok(message) => message,
        Err(_) => return std::ptr::null_mut(),
    };
    let is_v1 = |entry: &raft::eraftpb::Entry| entry.get_entry_type() == EntryType::EntryConfChange;
    if message.get_entries().iter().any(is_v1) {
        return std::ptr::null_mut(); // an encoding that no node of ours writes
    }
    *info = RcMessageInfo {
        kind: message.get_msg_type() as i32,
        from: message.from,
        to: message.to,
        term: message.term,
        entry_count: carried(&message),
    };
    Box::into_raw(Box::new(message))
}

/// What entry `number` of a decoded message is.
/// # Safety
/// `message` is valid and has more than `number` entries; what `out` points to lives as long as it.
#[no_mangle]
pub unsafe extern "C" fn rc_message_entry(message: *const Message, number: usize, out: *mut RcEntry) {
    *out = entry_to_c(&(&(*message).get_entries())[number]);
}

/// The opaque bytes of a snapshot message and its configuration's voters and learners.
/// # Safety
/// `message` is valid; what is returned lives as long as it.
#[no_mangle]
pub unsafe extern "C" fn rc_message_snapshot(message: *const Message, out: *mut RcSnapshot) {
    let snapshot = (*message).get_snapshot();
    let meta = snapshot.get_metadata();
    let conf = meta.get_conf_state();
    *out = RcSnapshot {
        index: meta.index,
        term: meta.term,
        conf_state: conf_state_to_c(conf),
        data: snapshot.data.as_ptr(),
        data_size: snapshot.data.len(),
    };
}

fn conf_state_to_c(conf: &raft::eraftpb::ConfState) -> RcConfState {
    RcConfState {
        voters: conf.get_voters().as_ptr(),
        voter_count: conf.get_voters().len(),
        learners: conf.get_learners().as_ptr(),
        learner_count: conf.get_learners().len(),
        outgoing: conf.get_voters_outgoing().as_ptr(),
        outgoing_count: conf.get_voters_outgoing().len(),
        learners_next: conf.get_learners_next().as_ptr(),
        learner_next_count: conf.get_learners_next().len(),
    }
}

/// # Safety
/// `message` came from rc_message_decode and was not stepped.
#[no_mangle]
pub unsafe extern "C" fn rc_message_free(message: *mut Message) {
    drop(Box::from_raw(message));
}

/// Consumes `message`. `handles`: one per entry, where the host keeps what it carries.
/// # Safety
/// `handles` is valid for the message's number of entries.
#[no_mangle]
pub unsafe extern "C" fn rc_step(
    core: *mut Core,
    message: *mut Message,
    handles: *const RcHandle,
) -> i32 {
    let mut message = *Box::from_raw(message);
    let count = carried(&message);
    for (number, entry) in message.mut_entries().iter_mut().take(count).enumerate() {
        let handle = *handles.add(number);
        let is_change = entry.get_entry_type() != EntryType::EntryNormal;
        if handle.handle == 0 {
            continue;
        }
        let bytes = handle_bytes(handle.handle, handle.size);
        if is_change {
            entry.context = bytes.into();
        } else {
            entry.data = bytes.into();
        }
    }
    status_of((*core).node.step(message))
}

/// # Safety
/// `core` is valid.
#[no_mangle]
pub unsafe extern "C" fn rc_has_ready(core: *const Core) -> bool {
    (*core).node.has_ready()
}

/// # Safety
/// `core` is valid; what `out` points to lives until the next call of rc_ready.
#[no_mangle]
pub unsafe extern "C" fn rc_ready(core: *mut Core, out: *mut RcReady) {
    let core = &mut *core;
    assert!(core.ready.is_none(), "the Ready before was not advanced");
    let mut ready = core.node.ready();

    core.entries = ready.entries().iter().map(entry_to_c).collect();
    let wait = !ready.persisted_messages().is_empty();
    let messages = if wait { ready.take_persisted_messages() } else { ready.take_messages() };
    encode_messages(core, messages);
    core.kept_reads = ready.take_read_states();
    core.reads = core
        .kept_reads
        .iter()
        .map(|read| RcReadState {
            index: read.index,
            context: read.request_ctx.as_ptr(),
            context_size: read.request_ctx.len(),
        })
        .collect();

    let hard = ready.hs().cloned();
    let current = core.node.raft.hard_state();
    let shown = hard.as_ref().unwrap_or(&current);
    *out = RcReady {
        number: ready.number(),
        hard_state: RcHardState { term: shown.term, vote: shown.vote, commit: shown.commit },
        hard_state_changed: hard.is_some(),
        messages_wait_for_sync: wait,
        has_snapshot: !ready.snapshot().is_empty(),
        entries: core.entries.as_ptr(),
        entry_count: core.entries.len(),
        committed_index: ready.committed_entries().last().map_or(0, |entry| entry.index),
        messages: core.messages.as_ptr(),
        message_count: core.messages.len(),
        reads: core.reads.as_ptr(),
        read_count: core.reads.len(),
    };
    core.ready = Some(ready);
}

/// The handles of carried entries mean nothing elsewhere: they are taken out, and the host sends
/// what they stand for beside the message.
fn encode_messages(core: &mut Core, messages: Vec<Message>) {
    core.messages.clear();
    core.encoded.clear();
    for mut message in messages {
        let first_index = message.get_entries().first().map_or(0, |entry| entry.index);
        let entry_count = carried(&message);
        for entry in message.mut_entries().iter_mut().take(entry_count) {
            if entry.get_entry_type() != EntryType::EntryNormal {
                if !entry.context.is_empty() {
                    entry.context = CARRIED.to_vec().into();
                }
            } else if !entry.data.is_empty() {
                entry.data = CARRIED.to_vec().into();
            }
        }
        let encoded = message.write_to_bytes().expect("a message encodes");
        core.messages.push(RcMessage {
            to: message.to,
            kind: message.get_msg_type() as i32,
            bytes: encoded.as_ptr(),
            size: encoded.len(),
            first_index,
            entry_count,
        });
        core.encoded.push(encoded);
    }
}

/// The Ready's entries are visible in the host's log from now on (S1); not yet durable.
/// # Safety
/// `core` is valid.
#[no_mangle]
pub unsafe extern "C" fn rc_advance(core: *mut Core) {
    let core = &mut *core;
    let ready = core.ready.take().expect("a Ready to advance");
    core.node.advance_append_async(ready);
}

/// All Readies up to `number` are durable.
/// # Safety
/// `core` is valid.
#[no_mangle]
pub unsafe extern "C" fn rc_persisted(core: *mut Core, number: u64) {
    (*core).node.on_persist_ready(number);
}

/// # Safety
/// `core` is valid.
#[no_mangle]
pub unsafe extern "C" fn rc_applied(core: *mut Core, index: u64) {
    (*core).node.advance_apply_to(index);
}

/// Applies a membership change; `change` of size 0: a rejected one. Returns 0, or 2 if it is none.
/// # Safety
/// `change` is valid for `size`; what `out` points to lives until the next call.
#[no_mangle]
pub unsafe extern "C" fn rc_apply_change(
    core: *mut Core,
    change: *const u8,
    size: usize,
    visit: extern "C" fn(*mut c_void, *const RcConfState),
    visitor: *mut c_void,
) -> i32 {
    let decoded = match ConfChangeV2::parse_from_bytes(bytes(change, size)) {
        Ok(decoded) => decoded,
        Err(_) => return 2,
    };
    match (*core).node.apply_conf_change(&decoded) {
        Ok(conf) => {
            let c = conf_state_to_c(&conf);
            visit(visitor, &c);
            0
        }
        Err(_) => 2,
    }
}

/// A leader that was removed becomes a follower: it would panic at its next commit otherwise.
/// # Safety
/// `core` is valid.
#[no_mangle]
pub unsafe extern "C" fn rc_step_down(core: *mut Core) {
    let raft = &mut (*core).node.raft;
    if raft.state == StateRole::Leader {
        let term = raft.term;
        raft.become_follower(term, raft::INVALID_ID);
    }
}

/// # Safety
/// `context` is valid for `size`.
#[no_mangle]
pub unsafe extern "C" fn rc_read_index(core: *mut Core, context: *const u8, size: usize) {
    (*core).node.read_index(bytes(context, size).to_vec());
}

/// # Safety
/// `core` is valid.
#[no_mangle]
pub unsafe extern "C" fn rc_transfer_leader(core: *mut Core, to: u64) {
    (*core).node.transfer_leader(to);
}

/// # Safety
/// `core` is valid.
#[no_mangle]
pub unsafe extern "C" fn rc_report_unreachable(core: *mut Core, peer: u64) {
    (*core).node.report_unreachable(peer);
}

/// # Safety
/// `core` is valid.
#[no_mangle]
pub unsafe extern "C" fn rc_report_snapshot(core: *mut Core, peer: u64, succeeded: bool) {
    let status = if succeeded { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
    (*core).node.report_snapshot(peer, status);
}

/// # Safety
/// `core` and `out` are valid.
#[no_mangle]
pub unsafe extern "C" fn rc_status(core: *const Core, out: *mut RcStatus) {
    let raft = &(*core).node.raft;
    let hard = raft.hard_state();
    *out = RcStatus {
        term: hard.term,
        vote: hard.vote,
        commit: hard.commit,
        applied: raft.raft_log.applied(),
        leader: raft.leader_id,
        last_index: raft.raft_log.last_index(),
        role: match raft.state {
            StateRole::Follower => 0,
            StateRole::PreCandidate => 1,
            StateRole::Candidate => 2,
            StateRole::Leader => 3,
        },
        lead_transferee: raft.lead_transferee.unwrap_or(0),
        pending_conf_index: raft.pending_conf_index,
        commit_to_current_term: raft.commit_to_current_term(),
        promotable: raft.promotable(),
        randomized_election_tick: raft.randomized_election_timeout(),
        uncommitted_size: raft.uncommitted_size(),
    };
}

/// Calls `visit` for every member, in no order. Meaningful on the leader.
/// # Safety
/// `core` is valid.
#[no_mangle]
pub unsafe extern "C" fn rc_progress(
    core: *const Core,
    visit: extern "C" fn(*mut c_void, *const RcProgress),
    visitor: *mut c_void,
) {
    let tracker = (*core).node.raft.prs();
    let learners = tracker.conf().learners();
    for (id, progress) in tracker.iter() {
        let one = RcProgress {
            id: *id,
            matched: progress.matched,
            next: progress.next_idx,
            state: progress.state as i32,
            pending_snapshot: progress.pending_snapshot,
            paused: progress.is_paused(),
            recent_active: progress.recent_active,
            is_learner: learners.contains(id),
        };
        visit(visitor, &one);
    }
}
