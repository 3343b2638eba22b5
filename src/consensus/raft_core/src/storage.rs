//! raft's Storage, answered by the host through function pointers.
//!
//! The host shows the *visible* log: everything handed out in a Ready, synced or not (S1). Errors of
//! the world never come this way: the host stops the process instead (S8).

use std::os::raw::c_void;

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, StorageError};

use crate::abi::{entry_from_c, RcConfState, RcEntry, RcHardState, RcHost, RcSnapshot};

pub struct HostStorage {
    pub host: RcHost,
    pub hard_state: RcHardState,
    pub conf_state: ConfState,
}

/// What RcHost::entries pushes into.
pub struct EntrySink(pub Vec<Entry>);

const OK: i32 = 0;
const COMPACTED: i32 = 1;

fn check(status: i32) -> raft::Result<()> {
    match status {
        OK => Ok(()),
        COMPACTED => Err(Error::Store(StorageError::Compacted)),
        _ => Err(Error::Store(StorageError::Unavailable)),
    }
}

impl raft::Storage for HostStorage {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let mut hard = HardState::default();
        hard.term = self.hard_state.term;
        hard.vote = self.hard_state.vote;
        hard.commit = self.hard_state.commit;
        Ok(RaftState::new(hard, self.conf_state.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let mut sink = EntrySink(Vec::new());
        let size_max = max_size.into().unwrap_or(u64::MAX);
        check((self.host.entries)(
            self.host.context,
            low,
            high,
            size_max,
            &mut sink as *mut EntrySink as *mut c_void,
        ))?;
        Ok(sink.0)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let mut term = 0;
        check((self.host.term)(self.host.context, index, &mut term))?;
        Ok(term)
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok((self.host.first_index)(self.host.context))
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok((self.host.last_index)(self.host.context))
    }

    fn snapshot(&self, _request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let mut offer = RcSnapshot::default();
        if (self.host.snapshot)(self.host.context, to, &mut offer) != OK {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        let mut snapshot = Snapshot::default();
        snapshot.data = unsafe { crate::abi::bytes(offer.data, offer.data_size) }.to_vec().into();
        let meta = snapshot.mut_metadata();
        meta.index = offer.index;
        meta.term = offer.term;
        *meta.mut_conf_state() = unsafe { conf_state_from_c(&offer.conf_state) };
        Ok(snapshot)
    }
}

/// # Safety
/// The arrays must be valid for their counts.
pub unsafe fn conf_state_from_c(c: &RcConfState) -> ConfState {
    let mut state = ConfState::default();
    state.set_voters(crate::abi::ids(c.voters, c.voter_count).to_vec());
    state.set_learners(crate::abi::ids(c.learners, c.learner_count).to_vec());
    state.set_voters_outgoing(crate::abi::ids(c.outgoing, c.outgoing_count).to_vec());
    state.set_learners_next(crate::abi::ids(c.learners_next, c.learner_next_count).to_vec());
    state
}

/// # Safety
/// `sink` is what RcHost::entries was given; `entry` is valid.
#[no_mangle]
pub unsafe extern "C" fn rc_sink_push(sink: *mut c_void, entry: *const RcEntry) {
    let sink = &mut *(sink as *mut EntrySink);
    sink.0.push(entry_from_c(&*entry));
}
