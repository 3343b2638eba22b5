//! raft's log lines, handed to the host: level and text.

use crate::abi::RcHost;
use slog::{Drain, Level, Logger, Never, OwnedKVList, Record};

struct ToHost(RcHost);

// Used by the thread that uses the core, and by no other.
unsafe impl Send for ToHost {}
unsafe impl Sync for ToHost {}

impl Drain for ToHost {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record, _values: &OwnedKVList) -> Result<(), Never> {
        let level = match record.level() {
            Level::Critical => 0,
            Level::Error => 1,
            Level::Warning => 2,
            Level::Info => 3,
            _ => return Ok(()),
        };
        let text = record.msg().to_string();
        (self.0.log)(self.0.context, level, text.as_ptr(), text.len());
        Ok(())
    }
}

impl std::panic::UnwindSafe for ToHost {}
impl std::panic::RefUnwindSafe for ToHost {}

pub fn to_host(host: RcHost) -> Logger {
    Logger::root(ToHost(host), slog::o!())
}
