//! What a memory tier holds, and `clear` replaces: moka's index, the slab, and a sweep through it.

use std::sync::Arc;

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;

use super::bounds::{Options, Policy};
use super::ledger::Places;
use super::links::Links;
use super::slab::Slab;
use crate::flow::generation::Epochs;
use crate::gate;
use crate::key::packed::PackedKey;
use crate::stats::Counters;
use crate::sync::{Cache, Mutex, thread};

/// How often reads have the slots swept, in nanoseconds.
const SWEEP_INTERVAL: u64 = 1_000_000_000;
/// A larger index is dropped in a thread of its own: 100,000 entries take some 20 ms.
const LARGE_INDEX: u64 = 1_000;

/// What moka holds for a fingerprint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) slot: u32,
    pub(super) weight: u32,
}

/// moka, from fingerprints to slots.
pub(super) type Index = Cache<u64, Place, ahash::RandomState>;

/// Everything that `clear` replaces.
pub(super) struct Store<V> {
    /// None only while being dropped.
    index: Option<Arc<Index>>,
    pub(super) slab: Mutex<Slab<V>>,
    pub(super) links: Arc<Links>,
    sweeper: Mutex<Sweeper>,
}

/// How far the sweep for ended lives has come: it goes around all slots.
#[derive(Default)]
struct Sweeper {
    next: u32,
    /// Slots still to be looked at in this round.
    left: usize,
    /// When the next round may begin, for the sake of reads alone.
    rests_until: u64,
}

impl<V> Store<V> {
    pub(super) fn new(options: &Options, epochs: &Arc<Epochs>, counters: &Arc<Counters>) -> Self {
        let links = Arc::new(Links::new());
        let listener = {
            let (links, epochs, counters) =
                (Arc::clone(&links), Arc::clone(epochs), Arc::clone(counters));
            // Runs inside moka: no lock, no allocation, nothing that can panic (one panic and moka
            // never calls it again), no Python.
            move |fingerprint: Arc<u64>, held: Place, cause: RemovalCause| {
                epochs.bump(*fingerprint);
                if cause == RemovalCause::Size {
                    counters.evictions.add(1);
                }
                links.push(held.slot);
            }
        };
        let mut builder = Cache::builder()
            .eviction_policy(match options.policy {
                Policy::TinyLfu => EvictionPolicy::tiny_lfu(),
                Policy::Lru => EvictionPolicy::lru(),
            })
            .eviction_listener(listener);
        if let Some(capacity) = options.capacity() {
            builder = builder.max_capacity(capacity);
        }
        if options.max_bytes.is_some() {
            builder = builder.weigher(|_, held: &Place| held.weight);
        }
        Self {
            index: Some(Arc::new(
                builder.build_with_hasher(ahash::RandomState::new()),
            )),
            slab: Mutex::new(Slab::new()),
            links,
            sweeper: Mutex::default(),
        }
    }

    /// What of this a thread may have that must not touch values.
    pub(super) fn places(&self) -> Places {
        (Arc::clone(self.index()), Arc::clone(&self.links))
    }

    pub(super) fn index(&self) -> &Arc<Index> {
        self.index.as_ref().expect("taken only by drop")
    }

    /// Take out values whose life is over, or that were voided or flushed, from the next few slots: the fingerprints of
    /// their keys, and the slots. With `now`, only if a round is due.
    pub(super) fn take_expired(
        &self,
        now: Option<u64>,
        clock: impl FnOnce() -> u64,
        flushes: u32,
        slots: usize,
        fingerprint: impl Fn(&PackedKey) -> u64,
        dead: &mut Vec<V>,
    ) -> Vec<(u64, u32)> {
        let mut expired = Vec::new();
        let mut slab = self.slab.lock();
        let mut sweeper = self.sweeper.lock();
        let rests = |now| sweeper.left == 0 && now < sweeper.rests_until;
        if slab.mortal() == 0 || now.is_some_and(rests) {
            return expired;
        }
        let rests_after_a_round = now.is_some();
        let now = now.unwrap_or_else(clock);
        for _ in 0..slots.min(slab.len()) {
            if sweeper.left == 0 {
                sweeper.left = slab.len();
                sweeper.rests_until = now + SWEEP_INTERVAL;
            }
            let slot = sweeper.next;
            let is_void = self.links.is_void(slot);
            if let Some(key) = slab.expired_key(slot, now, flushes, is_void) {
                expired.push((fingerprint(key), slot));
                dead.extend(slab.take(slot));
            }
            sweeper.next = if slot as usize + 1 < slab.len() {
                slot + 1
            } else {
                0
            };
            sweeper.left -= 1;
            if sweeper.left == 0 && rests_after_a_round {
                break;
            }
        }
        expired
    }

    /// Free `most` of the slots that moka has let go; what was in them is dropped by the caller.
    pub(super) fn drain(&self, most: usize, dead: &mut Vec<V>) {
        if !self.links.is_empty() {
            let mut slab = self.slab.lock();
            self.links
                .take(most, |slot| dead.extend(slab.release(slot)));
        }
    }
}

impl<V> Drop for Store<V> {
    fn drop(&mut self) {
        let Some(index) = self.index.take() else {
            return;
        };
        let discard = move || {
            let _pass = gate::enter();
            drop(index);
        };
        if self.slab.get_mut().live() as u64 > LARGE_INDEX {
            // If no thread can be had, the closure is dropped where it is, and the index with it.
            let _ = thread::Builder::new()
                .name("quickcache-drop".into())
                .spawn(discard);
        } else {
            discard();
        }
    }
}
