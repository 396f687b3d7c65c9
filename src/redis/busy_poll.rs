//! Busy polling: looking for the answer of a server on this machine again and again, before sleeping for it.
//!
//! Such an answer takes some 20 us; to be put to sleep for it and woken makes that 30 to 70. So whoever waits
//! keeps looking, each time letting others run who have something to do. Where answers take longer than that is
//! worth, it is soon given up, and tried again ever more rarely: as adaptive locks do.

use std::thread;
use std::time::{Duration, Instant};

/// How long it is worth it: a hundred values at once take half of it.
const LONGEST: Duration = Duration::from_micros(100);
/// Answers after which it is tried again, at most.
const MOST_RARELY: u32 = 1_023;

/// Whether the answers on one connection come soon enough.
#[derive(Debug, Default)]
pub struct BusyPoll {
    /// Answers to be slept for before it is tried again.
    skip: u32,
    /// How many that will be if it is in vain then.
    next: u32,
}

impl BusyPoll {
    /// Poll until `is_there`, for as long as that is worth it.
    pub fn until(&mut self, mut is_there: impl FnMut() -> bool) {
        if !self.is_due() {
            return;
        }
        let began = Instant::now();
        let has_come = loop {
            if is_there() {
                break true;
            }
            if began.elapsed() > LONGEST {
                break false;
            }
            thread::yield_now();
        };
        self.note(has_come);
    }

    /// Whether the next answer is polled for.
    pub fn is_due(&mut self) -> bool {
        let is_due = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        is_due
    }

    /// Note whether one that was polled for has come meanwhile.
    pub fn note(&mut self, has_come: bool) {
        if has_come {
            self.next = 0;
        } else {
            self.skip = self.next;
            self.next = (2 * self.next + 1).min(MOST_RARELY);
        }
    }
}
