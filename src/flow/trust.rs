//! Trust: until when values count that other processes may change.
//!
//! Of a value that is kept true by what a server tells of its changes, a process can be sure only as long as it would
//! have been told. That is until a while after the last word from the server was asked for: a **trust deadline**, which
//! passes by itself where the link is dead without a sign, and while the process is suspended.
//!
//! A child of the process has nobody yet who would tell it, and trusts nothing. That a hit need not ask which process it
//! is in, the deadlines are kept where the fork itself finds all of them.

use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::SeqCst,
};

use crate::clock::Deadline;
use crate::gate;

/// Until when values count that other processes may change.
#[derive(Debug)]
pub struct Trust(&'static Cell);

/// A trust deadline, in use or not. There are as many as ever were in use at once, and none is ever freed.
#[derive(Debug)]
struct Cell {
    until: AtomicU64,
    is_taken: AtomicBool,
    next: OnceLock<&'static Cell>,
}

static FIRST: OnceLock<&'static Cell> = OnceLock::new();

impl Cell {
    fn taken() -> &'static Self {
        Box::leak(Box::new(Self {
            until: AtomicU64::new(0),
            is_taken: AtomicBool::new(true),
            next: OnceLock::new(),
        }))
    }
}

/// Trust nothing any more: in the child of a fork, whatever holds a lock there.
pub(crate) fn withdraw_all() {
    let mut next = FIRST.get();
    while let Some(cell) = next {
        cell.until.store(0, SeqCst);
        next = cell.next.get();
    }
}

impl Trust {
    /// Nothing counts yet.
    pub fn new() -> Self {
        gate::install();
        let mut place = &FIRST;
        loop {
            let mut is_new = false;
            let cell = place.get_or_init(|| {
                is_new = true;
                Cell::taken()
            });
            if is_new || !cell.is_taken.swap(true, SeqCst) {
                return Self(cell);
            }
            place = &cell.next;
        }
    }

    /// Whether they count at `now`, a reading of the tier's clock.
    #[inline]
    pub fn holds_at(&self, now: u64) -> bool {
        now < self.0.until.load(Acquire)
    }

    /// Whether a value with that deadline, which is not `NEVER`, counts as far as time goes.
    #[inline]
    pub fn is_alive_at(&self, now: u64, deadline: Deadline) -> bool {
        !deadline.has_passed_at(now) && (!deadline.needs_trust() || self.holds_at(now))
    }

    /// Have them count until a moment of the tier's clock; 0: not at all.
    pub fn set(&self, until: u64) {
        self.0.until.store(until, SeqCst);
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Trust {
    fn drop(&mut self) {
        self.0.until.store(0, Relaxed);
        self.0.is_taken.store(false, SeqCst);
    }
}
