//! Trust: until when values count that other processes may change.
//!
//! Of a value that is kept true by what a server tells of its changes, a process can be sure only as long as it would
//! have been told. That is until a while after the last word from the server was asked for: a **trust deadline**, which
//! passes by itself where the link is dead without a sign, and while the process is suspended.

use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};

use crate::gate;

/// The low bits of a moment, in which there is who may trust until then: a process, by the forks that led to it. A
/// child has nobody who would tell it of changes, until it has a listener of its own.
const PROCESS: u64 = 0xff;

/// Until when values count that other processes may change.
#[derive(Debug, Default)]
pub struct Trust(AtomicU64);

impl Trust {
    /// Whether they count at `now`, a reading of the tier's clock.
    #[inline]
    pub fn holds_at(&self, now: u64) -> bool {
        let until = self.0.load(Acquire);
        now < until && (until ^ gate::forks()) & PROCESS == 0
    }

    /// Have them count until a moment of the tier's clock, in this process; 0: not at all.
    pub fn set(&self, until: u64) {
        let until = until.saturating_sub(PROCESS) & !PROCESS;
        let this = if until == 0 {
            0
        } else {
            until | (gate::forks() & PROCESS)
        };
        self.0.store(this, Release);
    }
}
