//! Upkeep of the memory tier, by the calls to it: bounds are kept to, ended lives are swept, and what moka has let go of
//! is dropped.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use super::MemoryTier;
use crate::clock::Clock;
use crate::gate;
use crate::key::packed::PackedKey;
use crate::tier::bounds::Policy;
use crate::tier::store::Store;

/// Slots looked at for values whose life is over: at each write, and at each read once a second.
pub(super) const SWEPT_BY_WRITE: usize = 4;
pub(super) const SWEPT_BY_READ: usize = 64;

/// Slots that moka has let go of and one call frees: a server's word may void a hundred thousand at once.
pub(super) const DRAINED: usize = 256;

impl<V: Clone, C: Clock> MemoryTier<V, C> {
    /// Free what moka has let go of, and the copies of it.
    pub(super) fn tidy(&self, store: &Store<V>, dead: &mut Vec<V>) {
        store.drain(DRAINED, dead);
        self.fronts
            .sweep(&self.ledger.epochs, || self.ledger.clock.now(), dead);
    }

    /// Have moka forget a slot whose value has been taken out, unless the key was written anew.
    pub(super) fn forget_slot(&self, store: &Store<V>, fingerprint: u64, slot: u32) {
        let _shard = self.ledger.generations.lock(fingerprint);
        if store
            .index()
            .get(&fingerprint)
            .is_some_and(|held| held.slot == slot)
        {
            store.index().invalidate(&fingerprint);
        }
    }

    /// Values held whose life is not over, and their bytes, after moka's housekeeping.
    pub(super) fn measure(&self) -> (usize, u64) {
        let mut dead = Vec::new();
        let _pass = gate::enter();
        let store = self.store.read();
        store.index().run_pending_tasks();
        store.drain(usize::MAX, &mut dead);
        let slots = store.slab.lock().len();
        self.sweep(&store, None, slots, &mut dead);
        self.tidy(&store, &mut dead);
        let slab = store.slab.lock();
        (slab.live(), slab.bytes())
    }

    /// Keep the number of values near the bound while moka's own housekeeping is behind: under
    /// eight writers, a bound of 1,000 was seen to be exceeded eleven times over.
    pub(super) fn keep_bounds(&self, store: &Store<V>, dead: &mut Vec<V>) {
        let (live, bytes) = {
            let slab = store.slab.lock();
            (slab.live(), slab.bytes())
        };
        self.era
            .move_on(self.counters.stores.get(), self.era_length(live));
        if self.options.exceeded(live, bytes) {
            store.index().run_pending_tasks();
            store.drain(usize::MAX, dead);
        }
    }

    /// How many stores an era lasts, by what fits: under lru, a key that is hit in each era is never
    /// among the last; tinylfu goes by how often, and wants to be told less.
    fn era_length(&self, live: usize) -> u64 {
        let fits = self.options.fits(live);
        match self.options.policy {
            Policy::Lru => fits / 2,
            Policy::TinyLfu => fits,
        }
    }

    /// Drop some of the values whose life is over. With `now`, only if a round is due.
    pub(super) fn sweep(
        &self,
        store: &Store<V>,
        now: Option<u64>,
        slots: usize,
        dead: &mut Vec<V>,
    ) {
        let clock = || self.ledger.clock.now();
        let flushes = self.ledger.generations.flushes();
        let fingerprint = |key: &PackedKey| self.fingerprint(key);
        let expired = store.take_expired(now, clock, flushes, slots, fingerprint, dead);
        self.counters.expirations.add(expired.len() as u64);
        for (fingerprint, slot) in expired {
            self.forget_slot(store, fingerprint, slot);
        }
        store.drain(DRAINED, dead);
    }
}

/// Counts in steps of so many stores.
#[derive(Debug, Default)]
pub(super) struct Era {
    number: AtomicU8,
    /// The stores at which it moves next.
    next: AtomicU64,
}

impl Era {
    pub(super) fn now(&self) -> u8 {
        self.number.load(Relaxed)
    }

    /// Two threads may move it at once, which costs a few more questions to the tier.
    fn move_on(&self, stores: u64, length: u64) {
        if stores >= self.next.load(Relaxed) {
            self.next
                .store(stores.saturating_add(length.max(1)), Relaxed);
            self.number.fetch_add(1, Relaxed);
        }
    }
}
