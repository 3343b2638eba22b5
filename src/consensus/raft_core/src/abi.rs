//! The types that cross the boundary; the same as in ../raft_core_abi.h, field by field.

use std::os::raw::c_void;

use raft::eraftpb::{Entry, EntryType};

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RcHardState {
    pub term: u64,
    pub vote: u64,
    pub commit: u64,
}

/// Data of an entry is a handle of the host's; a membership change is in `change` as well, in
/// raft's own encoding.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RcEntry {
    pub index: u64,
    pub term: u64,
    pub kind: u8,
    pub handle: u64,
    pub size: u64,
    pub change: *const u8,
    pub change_size: usize,
}

pub const KIND_COMMANDS: u8 = 0;
pub const KIND_EMPTY: u8 = 1;
pub const KIND_MEMBERSHIP: u8 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct RcConfState {
    pub voters: *const u64,
    pub voter_count: usize,
    pub learners: *const u64,
    pub learner_count: usize,
    pub outgoing: *const u64,
    pub outgoing_count: usize,
    pub learners_next: *const u64,
    pub learner_next_count: usize,
}

impl Default for RcConfState {
    fn default() -> Self {
        RcConfState {
            voters: std::ptr::null(),
            voter_count: 0,
            learners: std::ptr::null(),
            learner_count: 0,
            outgoing: std::ptr::null(),
            outgoing_count: 0,
            learners_next: std::ptr::null(),
            learner_next_count: 0,
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct RcSnapshot {
    pub index: u64,
    pub term: u64,
    pub conf_state: RcConfState,
    pub data: *const u8,
    pub data_size: usize,
}

impl Default for RcSnapshot {
    fn default() -> Self {
        RcSnapshot {
            index: 0,
            term: 0,
            conf_state: RcConfState::default(),
            data: std::ptr::null(),
            data_size: 0,
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct RcHost {
    pub context: *mut c_void,
    pub first_index: extern "C" fn(*mut c_void) -> u64,
    pub last_index: extern "C" fn(*mut c_void) -> u64,
    pub term: extern "C" fn(*mut c_void, u64, *mut u64) -> i32,
    pub entries: extern "C" fn(*mut c_void, u64, u64, u64, *mut c_void) -> i32,
    pub snapshot: extern "C" fn(*mut c_void, u64, *mut RcSnapshot) -> i32,
    pub log: extern "C" fn(*mut c_void, i32, *const u8, usize),
}

#[repr(C)]
pub struct RcConfig {
    pub id: u64,
    pub applied: u64,
    pub election_tick: usize,
    pub heartbeat_tick: usize,
    pub election_tick_max: usize,
    pub max_size_per_msg: u64,
    pub max_inflight_msgs: usize,
    pub max_uncommitted_size: u64,
    pub max_committed_size_per_ready: u64,
    pub priority: i64,
    pub pre_vote: bool,
    pub check_quorum: bool,
    pub lease_reads: bool,
}

#[repr(C)]
pub struct RcMessage {
    pub to: u64,
    pub kind: i32,
    pub bytes: *const u8,
    pub size: usize,
    /// Entries that it carries: first_index up to first_index + entry_count - 1.
    pub first_index: u64,
    pub entry_count: usize,
}

#[repr(C)]
pub struct RcReadState {
    pub index: u64,
    pub context: *const u8,
    pub context_size: usize,
}

#[repr(C)]
pub struct RcReady {
    pub number: u64,
    pub hard_state: RcHardState,
    pub hard_state_changed: bool,
    pub messages_wait_for_sync: bool,
    pub has_snapshot: bool,
    pub entries: *const RcEntry,
    pub entry_count: usize,
    pub committed_index: u64,
    pub messages: *const RcMessage,
    pub message_count: usize,
    pub reads: *const RcReadState,
    pub read_count: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RcMessageInfo {
    pub kind: i32,
    pub from: u64,
    pub to: u64,
    pub term: u64,
    pub entry_count: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct RcHandle {
    pub handle: u64,
    pub size: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RcStatus {
    pub term: u64,
    pub vote: u64,
    pub commit: u64,
    pub applied: u64,
    pub leader: u64,
    pub last_index: u64,
    pub role: i32,
    pub lead_transferee: u64,
    pub pending_conf_index: u64,
    pub commit_to_current_term: bool,
    pub promotable: bool,
    pub randomized_election_tick: usize,
    pub uncommitted_size: usize,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RcProgress {
    pub id: u64,
    pub matched: u64,
    pub next: u64,
    pub state: i32,
    pub pending_snapshot: u64,
    pub paused: bool,
    pub recent_active: bool,
    pub is_learner: bool,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct RcChange {
    pub id: u64,
    /// 0 add as voter, 1 remove, 2 add as learner: raft's ConfChangeType.
    pub kind: i32,
}

/// # Safety
/// `data` must be valid for `size` bytes, or size 0.
pub unsafe fn bytes<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if size == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, size)
    }
}

/// # Safety
/// `data` must be valid for `count` ids, or count 0.
pub unsafe fn ids<'a>(data: *const u64, count: usize) -> &'a [u64] {
    if count == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, count)
    }
}

pub fn handle_bytes(handle: u64, size: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    out.extend_from_slice(&handle.to_le_bytes());
    out.extend_from_slice(&size.to_le_bytes());
    out
}

/// In messages between nodes one byte stands where a handle was: the bytes travel beside.
pub const CARRIED: [u8; 1] = [1];

fn parse_handle(bytes: &[u8]) -> (u64, u64) {
    if bytes.is_empty() {
        return (0, 0); // the no-op of a new leader, and changes that carry no record
    }
    if bytes.len() != 16 {
        return (u64::MAX, 0);
    }
    let word = |at: usize| {
        let mut le = [0u8; 8];
        le.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(le)
    };
    (word(0), word(8))
}

/// The handle stands in `data` of commands and in `context` of membership changes.
pub fn entry_to_c(entry: &Entry) -> RcEntry {
    let is_change = entry.get_entry_type() != EntryType::EntryNormal;
    let (handle, size) = parse_handle(if is_change { &entry.context } else { &entry.data });
    RcEntry {
        index: entry.index,
        term: entry.term,
        kind: if is_change {
            KIND_MEMBERSHIP
        } else if entry.data.is_empty() {
            KIND_EMPTY
        } else {
            KIND_COMMANDS
        },
        handle,
        size,
        change: if is_change { entry.data.as_ptr() } else { std::ptr::null() },
        change_size: if is_change { entry.data.len() } else { 0 },
    }
}

/// # Safety
/// `c.change` must be valid for `c.change_size` bytes.
pub unsafe fn entry_from_c(c: &RcEntry) -> Entry {
    let mut entry = Entry::default();
    entry.index = c.index;
    entry.term = c.term;
    match c.kind {
        KIND_EMPTY => {}
        KIND_MEMBERSHIP => {
            entry.set_entry_type(EntryType::EntryConfChangeV2);
            entry.data = bytes(c.change, c.change_size).to_vec().into();
            if c.handle != 0 {
                entry.context = handle_bytes(c.handle, c.size).into();
            }
        }
        _ => entry.data = handle_bytes(c.handle, c.size).into(),
    }
    entry
}
