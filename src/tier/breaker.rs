//! Breakers: keep calls from servers that do not answer.
//!
//! After some failures in a row a server's breaker opens, and it is not called any more. Whether it is back is
//! for the courier to find out, so that no caller pays for it. Servers are told apart by their shard, a number
//! of the server's own choice: of a cluster, one node may be away and the others there.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::gate;
use crate::sync::Mutex;

/// Failures in a row at which one opens.
const FAILURES: u32 = 3;

/// Which server of several.
pub type Shard = u64;

/// The breakers of one tier.
#[derive(Debug, Default)]
pub struct Breakers {
    /// How many shards have failed of late: none, most of the time, and then nothing is locked.
    troubled: AtomicUsize,
    failures: Mutex<HashMap<Shard, u32>>,
}

impl Breakers {
    /// Whether calls to the shard are kept back.
    pub fn is_open(&self, shard: impl FnOnce() -> Shard) -> bool {
        if self.are_all_well() {
            return false;
        }
        let shard = shard();
        let _pass = gate::enter();
        is_open(self.failures.lock().get(&shard))
    }

    /// Whether the last call to the shard failed.
    pub fn is_troubled(&self, shard: impl FnOnce() -> Shard) -> bool {
        if self.are_all_well() {
            return false;
        }
        let shard = shard();
        let _pass = gate::enter();
        self.failures.lock().contains_key(&shard)
    }

    /// The shards to which calls are kept back.
    pub fn open(&self) -> Vec<Shard> {
        if self.are_all_well() {
            return Vec::new();
        }
        let _pass = gate::enter();
        let failures = self.failures.lock();
        let open = failures.iter().filter(|(_, count)| is_open(Some(count)));
        open.map(|(shard, _)| *shard).collect()
    }

    /// Note that a call was answered. Not one that was begun before the breaker opened.
    pub fn succeeded(&self, shard: impl FnOnce() -> Shard) {
        if self.are_all_well() {
            return;
        }
        let shard = shard();
        let _pass = gate::enter();
        let mut failures = self.failures.lock();
        if !is_open(failures.get(&shard)) {
            failures.remove(&shard);
            self.troubled.store(failures.len(), SeqCst);
        }
    }

    /// Note that a call was not. Whether that opened the breaker.
    pub fn failed(&self, shard: Shard) -> bool {
        let _pass = gate::enter();
        let mut failures = self.failures.lock();
        let count = failures.entry(shard).or_insert(0);
        *count = count.saturating_add(1);
        let opens = *count == FAILURES;
        self.troubled.store(failures.len(), SeqCst);
        opens
    }

    /// Let calls to the shard through again. Whether they were kept back.
    pub fn close(&self, shard: Shard) -> bool {
        let _pass = gate::enter();
        let mut failures = self.failures.lock();
        let was_open = is_open(failures.remove(&shard).as_ref());
        self.troubled.store(failures.len(), SeqCst);
        was_open
    }

    fn are_all_well(&self) -> bool {
        self.troubled.load(SeqCst) == 0
    }
}

fn is_open(failures: Option<&u32>) -> bool {
    failures.is_some_and(|count| *count >= FAILURES)
}
