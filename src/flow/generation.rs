//! Generations and epochs: how a reader knows that what it holds has been overtaken.
//!
//! Both are counted per shard of the key's fingerprint. A **generation** moves when a key is
//! cleared or overwritten by request: whoever took it before reading a lower tier or computing may
//! store only while it is unchanged, checked under the shard's lock. An **epoch** moves also when a
//! value is evicted or replaced: a copy of a value held elsewhere counts only while it is
//! unchanged. Two keys of one shard may void each other, which costs a store or a copy and never
//! truth.

use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::{Mutex, MutexGuard};

/// A generation as it was when taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(u32);

/// The generations of all shards; each shard's lock orders its writes.
#[derive(Debug)]
pub struct Generations(Box<[Mutex<u32>]>);

impl Generations {
    /// As many shards as given, rounded up to a power of two.
    pub fn new(shards: usize) -> Self {
        Self(
            (0..shards.next_power_of_two())
                .map(|_| Mutex::new(0))
                .collect(),
        )
    }

    /// The generation now.
    pub fn current(&self, fingerprint: u64) -> Generation {
        self.lock(fingerprint).generation()
    }

    /// Take the lock under which the shard of `fingerprint` is written.
    pub fn lock(&self, fingerprint: u64) -> Shard<'_> {
        Shard(self.0[shard_of(fingerprint, self.0.len())].lock())
    }

    /// Void everything taken so far.
    pub fn bump_all(&self) {
        for shard in &self.0 {
            Shard(shard.lock()).bump();
        }
    }
}

/// A shard, locked for a write.
#[derive(Debug)]
pub struct Shard<'a>(MutexGuard<'a, u32>);

impl Shard<'_> {
    /// The shard's generation.
    pub fn generation(&self) -> Generation {
        Generation(*self.0)
    }

    /// Void what was taken before.
    pub fn bump(&mut self) {
        *self.0 = self.0.wrapping_add(1);
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
