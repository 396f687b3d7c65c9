//! The memory tier: values in a slab, and moka to decide which of them stay.
//!
//! moka maps a keyed fingerprint of the packed key to a slot number and knows no values; every read
//! compares the slot's key. A slot is freed only when moka's listener has reported it, exactly
//! once. The listener pushes the number onto a lock-free stack, and the calls here drain that stack
//! after each use of moka. So values are dropped outside of moka and of every lock, where a
//! destructor may use this very tier.
//!
//! Order of locks: gate, store, shard of generations, slab. Nothing foreign runs under any of them.

mod upkeep;
mod writes;

use std::sync::{Arc, Weak};

use upkeep::{Era, SWEPT_BY_READ};
pub use writes::Write;

use super::Found;
use super::bounds::Options;
use super::coherence::Coherent;
use super::ledger::Ledger;
use super::slab::Look;
use super::store::{Place, Store};
use crate::clock::{Clock, Deadline};
use crate::entry::Entry;
use crate::error::Error;
use crate::flow::copies::{Copies, Fronts};
use crate::flow::front::Held;
use crate::flow::generation::{Epochs, Generation, Shard, Watch};
use crate::gate;
use crate::key::packed::PackedKey;
use crate::stats::{Counters, Stats};
use crate::sync::RwLock;

/// Values in this process's memory.
pub struct MemoryTier<V, C> {
    options: Options,
    counters: Arc<Counters>,
    fronts: Fronts<V>,
    era: Era,
    /// Before the store, which is the last to have the index, and lets go of it in its own way.
    ledger: Arc<Ledger<C>>,
    store: RwLock<Store<V>>,
}

impl<V: Clone, C: Clock> MemoryTier<V, C> {
    /// An empty tier. `Error::ZeroBound` for a bound of 0.
    pub fn new(options: Options, clock: C) -> Result<Self, Error> {
        gate::install();
        let options = options.check()?;
        let epochs = Arc::new(Epochs::new(options.shards()));
        let counters = Arc::default();
        let store = Store::new(&options, &epochs, &counters);
        let ledger = Ledger::new(options.shards(), clock, epochs, store.places());
        Ok(Self {
            ledger: Arc::new(ledger),
            store: RwLock::new(store),
            options,
            counters,
            fronts: Fronts::default(),
            era: Era::default(),
        })
    }

    /// The tier's bounds.
    pub fn options(&self) -> &Options {
        &self.options
    }

    fn fingerprint(&self, key: &PackedKey) -> u64 {
        self.ledger.fingerprint(key)
    }

    /// What a link to a server needs, to keep values true.
    pub fn coherent(&self) -> Arc<dyn Coherent>
    where
        C: 'static,
    {
        Arc::clone(&self.ledger) as Arc<dyn Coherent>
    }

    /// Whether values count now that need trust.
    pub fn is_trusted(&self) -> bool {
        self.ledger.is_trusted()
    }

    /// The generation now: note it before reading or computing what is to be stored.
    pub fn generation(&self) -> Generation {
        self.ledger.generations.now()
    }

    /// The generation at which a refresh begins: no other is begun at the same.
    pub fn begin(&self) -> Generation {
        self.ledger.generations.begin()
    }

    /// Whether the key, or one of its shard, was cleared after that generation, here or elsewhere.
    pub fn was_cleared_since(&self, key: &PackedKey, generation: Generation) -> bool {
        self.ask_shard(key, |shard| shard.was_cleared_since(generation))
    }

    /// Whether it was by this process.
    pub fn was_cleared_here_since(&self, key: &PackedKey, generation: Generation) -> bool {
        self.ask_shard(key, |shard| shard.was_cleared_here_since(generation))
    }

    /// Have clears of other keys not count for this one while a value is computed for it, until that is let go of.
    pub fn watch(&self, key: &PackedKey) -> Watch {
        self.ledger.generations.watch(self.fingerprint(key))
    }

    fn ask_shard(&self, key: &PackedKey, ask: impl FnOnce(&Shard<'_>) -> bool) -> bool {
        let fingerprint = self.fingerprint(key);
        let _pass = gate::enter();
        ask(&self.ledger.generations.lock(fingerprint))
    }

    /// The clock that deadlines are compared with.
    pub fn clock(&self) -> &C {
        &self.ledger.clock
    }

    /// The epochs by which copies of values are known to count.
    pub fn epochs(&self) -> &Epochs {
        &self.ledger.epochs
    }

    /// Have a front's copies let go of when they no longer count, and its hits counted.
    pub fn add_front(&self, front: Weak<dyn Copies<V>>) {
        let _pass = gate::enter();
        self.fronts.add(front);
    }

    /// The era: moves whenever as many values were stored as what fits, or half of it. A value that has
    /// not been asked for since the last one may be among the next to go.
    pub fn era(&self) -> u8 {
        self.era.now()
    }

    /// Count hits that a front had.
    pub fn count_hits(&self, hits: u64) {
        self.counters.hits.add(hits);
    }

    /// The value under `key`, and how long it has yet to live.
    pub fn get(&self, key: &PackedKey) -> Option<Found<V>> {
        let held = self.look_up(key)?;
        Some(Found {
            remaining: Some(held.deadline.remaining(&self.ledger.clock)),
            value: held.value,
        })
    }

    /// The value under `key`, with what it takes to keep a copy of it.
    pub fn look_up(&self, key: &PackedKey) -> Option<Held<V>> {
        let mut dead = Vec::new();
        let _pass = gate::enter();
        let store = self.store.read();
        let found = self.find(&store, key, &mut dead);
        self.tidy(&store, &mut dead);
        match &found {
            Some(_) => self.counters.hits.add(1),
            None => self.counters.misses.add(1),
        }
        found
    }

    fn find(&self, store: &Store<V>, key: &PackedKey, dead: &mut Vec<V>) -> Option<Held<V>> {
        let fingerprint = self.fingerprint(key);
        let epoch = self.ledger.epochs.current(fingerprint);
        // Between moka's answer and the look, the slot may have been freed and used anew: ask twice.
        for _ in 0..2 {
            let Place { slot, .. } = store.index().get(&fingerprint)?;
            let mut slab = store.slab.lock();
            let (value, deadline, state) = match slab.look(slot, key) {
                Look::OtherKey => continue,
                Look::Empty => return None,
                Look::Value(entry) => (
                    entry.value.clone(),
                    entry.deadline,
                    self.state_of(store, slot, entry),
                ),
            };
            if state == State::Untrusted {
                drop(slab);
                dead.push(value);
                return None;
            }
            if state == State::Over {
                dead.push(value);
                dead.extend(slab.take(slot));
                drop(slab);
                self.counters.expirations.add(1);
                // What others have changed is likely to be read again, and then replaced.
                if !store.links.is_void(slot) {
                    self.forget_slot(store, fingerprint, slot);
                }
                return None;
            }
            if deadline != Deadline::NEVER {
                drop(slab);
                let now = self.ledger.clock.now();
                self.sweep(store, Some(now), SWEPT_BY_READ, dead);
            }
            return Some(Held {
                value,
                deadline,
                epoch,
            });
        }
        None
    }

    /// Whether an entry counts.
    fn state_of(&self, store: &Store<V>, slot: u32, entry: &Entry<V>) -> State {
        let Entry { deadline, .. } = entry;
        if store.links.is_void(slot) {
            return State::Over;
        }
        if *deadline == Deadline::NEVER {
            return State::Counts;
        }
        let now = self.ledger.clock.now();
        if deadline.needs_trust() && !self.ledger.epochs.trust().holds_at(now) {
            return State::Untrusted;
        }
        // After the trust, which is given after a flush.
        let is_flushed = entry.is_flushed(self.ledger.generations.flushes());
        if is_flushed || deadline.has_passed_at(now) {
            State::Over
        } else {
            State::Counts
        }
    }

    /// Whether `key` is held: a use to the policy, but neither a hit nor a miss.
    pub fn contains(&self, key: &PackedKey) -> bool {
        let fingerprint = self.fingerprint(key);
        let _pass = gate::enter();
        let store = self.store.read();
        let Some(Place { slot, .. }) = store.index().get(&fingerprint) else {
            return false;
        };
        let slab = store.slab.lock();
        matches!(slab.look(slot, key), Look::Value(entry) if self.state_of(&store, slot, entry) == State::Counts)
    }

    /// Values held whose life is not over. Does moka's housekeeping first.
    pub fn len(&self) -> usize {
        self.measure().0
    }

    /// Whether no value is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The counters, and what is held now.
    pub fn stats(&self) -> Stats {
        let (entries, bytes) = self.measure();
        {
            let _pass = gate::enter();
            self.count_hits(self.fronts.take_hits());
        }
        self.counters.snapshot(entries as u64, bytes)
    }

    /// Note that a value that was found could not be decoded: a miss after all.
    pub fn count_undecodable(&self) {
        self.counters.undecodable.add(1);
        self.counters.misses.add(1);
        self.counters.hits.take_back(1);
    }

    /// Show each value to `visit`, for the garbage collector: waits for nobody. False if a lock was
    /// held, which cannot be while all who take them are attached to the interpreter that asks.
    pub fn try_visit(&self, mut visit: impl FnMut(&V)) -> bool {
        let Some(store) = self.store.try_read() else {
            return false;
        };
        let Some(slab) = store.slab.try_lock() else {
            return false;
        };
        slab.values().for_each(&mut visit);
        true
    }
}

/// Whether an entry counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Counts,
    /// Its life is over, or it was voided or flushed.
    Over,
    /// Nobody would tell if it did no longer.
    Untrusted,
}
