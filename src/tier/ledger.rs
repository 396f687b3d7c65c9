//! What orders a memory tier's reads and writes, and has none of its values: fingerprints, generations, epochs, and
//! moka's index. A thread that must not let go of values may have it, and so void them.

use std::collections::HashMap;
use std::sync::Arc;

use super::coherence::Coherent;
use super::links::Links;
use super::store::Index;
use crate::clock::Clock;
use crate::flow::generation::{Epochs, Generations};
use crate::gate;
use crate::key::packed::PackedKey;
use crate::sync::{Mutex, RwLock};

/// Where values are: moka's index, and the marks of their slots.
pub(super) type Places = (Arc<Index>, Arc<Links>);

/// See above.
pub(super) struct Ledger<C> {
    pub(super) clock: C,
    hasher: ahash::RandomState,
    pub(super) generations: Arc<Generations>,
    pub(super) epochs: Arc<Epochs>,
    places: RwLock<Places>,
    /// Until when each link to a server has values count. They count while they do for all.
    trusts: Mutex<HashMap<u64, u64>>,
}

impl<C: Clock> Ledger<C> {
    pub(super) fn new(shards: usize, clock: C, epochs: Arc<Epochs>, places: Places) -> Self {
        Self {
            clock,
            hasher: ahash::RandomState::new(),
            generations: Arc::new(Generations::new(shards.min(1_024))),
            epochs,
            places: RwLock::new(places),
            trusts: Mutex::default(),
        }
    }

    pub(super) fn fingerprint(&self, key: &PackedKey) -> u64 {
        self.hasher.hash_one(key.as_bytes())
    }

    /// Have other places from now on, as everything is cleared.
    pub(super) fn clear(&self, places: Places) {
        let mut current = self.places.write();
        self.generations.clear_all();
        self.epochs.bump_all();
        *current = places;
    }

    fn trust_least(&self, trusts: &HashMap<u64, u64>) {
        let until = trusts.values().copied().min();
        self.epochs.trust().set(until.unwrap_or(0));
    }

    /// Whether values count now that need trust.
    pub(super) fn is_trusted(&self) -> bool {
        self.epochs.trust().holds_at(self.clock.now())
    }
}

impl<C: Clock> Coherent for Ledger<C> {
    fn precise(&self) -> u64 {
        self.clock.precise()
    }

    fn trust(&self, link: u64, until: u64) {
        let _pass = gate::enter();
        let mut trusts = self.trusts.lock();
        // Compared with the coarse clock, which lags.
        trusts.insert(link, until.saturating_sub(self.clock.tick()));
        self.trust_least(&trusts);
    }

    fn leave(&self, link: u64) {
        let _pass = gate::enter();
        let mut trusts = self.trusts.lock();
        trusts.remove(&link);
        self.trust_least(&trusts);
    }

    fn invalidate(&self, key: &[u8]) {
        let key = PackedKey::pack(key);
        let fingerprint = self.fingerprint(&key);
        {
            let places = self.places.read();
            let (index, links) = &*places;
            let mut shard = self.generations.lock(fingerprint);
            shard.tell();
            // Not by moka, which takes 4 us for it: what is read again soon is replaced, and the rest is swept.
            if let Some(place) = index.get(&fingerprint) {
                links.set_void(place.slot, true);
            }
            self.epochs.bump(fingerprint);
        }
        // Once more: moka may have let go of the key by itself, and have yet to report it.
        self.epochs.bump(fingerprint);
    }

    fn flush(&self) {
        let _pass = gate::enter();
        self.generations.flush();
        self.epochs.flush();
    }
}
