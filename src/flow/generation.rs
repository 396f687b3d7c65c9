//! Generations and epochs: how a reader knows that what it holds has been overtaken.
//!
//! A **generation** is a moment in the order of clears. Whoever notes it before reading a lower tier
//! or computing may store only if the key's shard was not cleared or overwritten by request since,
//! which is compared under the shard's lock. It is noted without knowing the key: each shard
//! remembers when it was last cleared, in a sequence common to all.
//!
//! An **epoch** is counted per shard, and moves also when a value is evicted or replaced: a copy of
//! a value held elsewhere counts only while it is unchanged. Two keys of one shard may void each
//! other, which costs a store or a copy and never truth.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

/// A moment in the order of clears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

/// The order of clears, and when each shard was last cleared; a shard's lock orders its writes.
#[derive(Debug)]
pub struct Generations {
    clears: AtomicU64,
    last: Box<[Mutex<u64>]>,
}

impl Generations {
    /// As many shards as given, rounded up to a power of two.
    pub fn new(shards: usize) -> Self {
        Self {
            clears: AtomicU64::new(0),
            last: (0..shards.next_power_of_two())
                .map(|_| Mutex::new(0))
                .collect(),
        }
    }

    /// The moment now.
    pub fn now(&self) -> Generation {
        Generation(self.clears.load(Ordering::SeqCst))
    }

    /// Take the lock under which the shard of `fingerprint` is written.
    pub fn lock(&self, fingerprint: u64) -> Shard<'_> {
        Shard {
            clears: &self.clears,
            last: self.last[shard_of(fingerprint, self.last.len())].lock(),
        }
    }

    /// Clear every shard.
    pub fn clear_all(&self) {
        for last in &self.last {
            let mut shard = Shard {
                clears: &self.clears,
                last: last.lock(),
            };
            shard.clear();
        }
    }
}

/// A shard, locked for a write.
#[derive(Debug)]
pub struct Shard<'a> {
    clears: &'a AtomicU64,
    last: MutexGuard<'a, u64>,
}

impl Shard<'_> {
    /// Whether the shard was cleared after that moment.
    pub fn was_cleared_since(&self, generation: Generation) -> bool {
        *self.last > generation.0
    }

    /// Void what was read or computed before now.
    pub fn clear(&mut self) {
        *self.last = self.clears.fetch_add(1, Ordering::SeqCst) + 1;
    }
}

/// The epochs of all shards, read without a lock.
#[derive(Debug)]
pub struct Epochs(Box<[AtomicU32]>);

impl Epochs {
    /// As many shards as given, rounded up to a power of two.
    pub fn new(shards: usize) -> Self {
        Self(
            (0..shards.next_power_of_two())
                .map(|_| AtomicU32::new(0))
                .collect(),
        )
    }

    /// The epoch now.
    pub fn current(&self, fingerprint: u64) -> u32 {
        self.0[shard_of(fingerprint, self.0.len())].load(Ordering::Acquire)
    }

    /// Void copies of values of this shard. Neither allocates nor locks nor panics.
    pub fn bump(&self, fingerprint: u64) {
        if let Some(epoch) = self.0.get(shard_of(fingerprint, self.0.len())) {
            epoch.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Void all copies.
    pub fn bump_all(&self) {
        for epoch in &self.0 {
            epoch.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// The shard of a fingerprint among a power of two of them.
#[allow(clippy::cast_possible_truncation)] // the upper half is all that is wanted
fn shard_of(fingerprint: u64, shards: usize) -> usize {
    (fingerprint >> 32) as usize & (shards - 1)
}
