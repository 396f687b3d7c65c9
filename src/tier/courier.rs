//! A thread that sees to what callers should not wait for: whether a server is back, deletes to be delivered.
//!
//! It is started when there is something to do, and ends when there is nothing left, or nobody has the tier
//! any more. It knows no Python.

use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crate::gate;

/// How often it looks.
pub(super) const INTERVAL: Duration = Duration::from_millis(500);

/// Whether there is such a thread.
#[derive(Debug)]
pub(super) struct Courier {
    interval: Duration,
    /// In which process it runs, by the forks that led there, counted from 1: a child has none. 0: none.
    runs_in: AtomicU64,
}

impl Courier {
    /// No thread yet, for one that looks once in every `interval`.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            runs_in: AtomicU64::new(0),
        }
    }

    /// Have a thread do `work` until that says there is no more.
    pub(super) fn wake<T: AsCourier>(&self, whose: &Weak<T>, work: fn(&T) -> bool) {
        let here = gate::forks() + 1;
        if self.runs_in.load(SeqCst) == here || self.runs_in.swap(here, SeqCst) == here {
            return;
        }
        let (whose, interval) = (Weak::clone(whose), self.interval);
        let spawned = thread::Builder::new()
            .name("quickcache-courier".to_owned())
            .spawn(move || run(&whose, interval, work));
        if spawned.is_err() {
            // The next one to find something to do tries again.
            self.runs_in.store(0, SeqCst);
        }
    }
}

/// What has a courier.
pub(super) trait AsCourier: Send + Sync + 'static {
    /// The courier.
    fn courier(&self) -> &Courier;
}

fn run<T: AsCourier>(whose: &Weak<T>, interval: Duration, work: fn(&T) -> bool) {
    loop {
        thread::sleep(interval);
        let Some(whose) = whose.upgrade() else {
            return;
        };
        let resting = Resting(whose.courier());
        if work(&whose) {
            std::mem::forget(resting);
            continue;
        }
        drop(resting);
        // What came between is told to nobody else.
        if !work(&whose) {
            return;
        }
        let here = gate::forks() + 1;
        if whose.courier().runs_in.swap(here, SeqCst) == here {
            return;
        }
    }
}

/// Says that there is no thread any more, also if the work panics.
struct Resting<'a>(&'a Courier);

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.runs_in.store(0, SeqCst);
    }
}
