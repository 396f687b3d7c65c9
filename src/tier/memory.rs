//! The memory tier: values in a slab, and moka to decide which of them stay.
//!
//! moka maps a keyed fingerprint of the packed key to a slot number and knows no values; every read
//! compares the slot's key. A slot is freed only when moka's listener has reported it, exactly
//! once. The listener pushes the number onto a lock-free stack, and the calls here drain that stack
//! after each use of moka. So values are dropped outside of moka and of every lock, where a
//! destructor may use this very tier.
//!
//! Order of locks: gate, store, shard of generations, slab. Nothing foreign runs under any of them.

use std::mem;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use super::Found;
use super::bounds::{Options, Policy};
use super::coherence::Coherent;
use super::ledger::Ledger;
use super::slab::Look;
use super::store::{Place, Store};
use crate::clock::{Clock, Deadline, Timeout};
use crate::entry::Entry;
use crate::error::Error;
use crate::flow::copies::{Copies, Fronts};
use crate::flow::front::Held;
use crate::flow::generation::{Epochs, Generation, Shard};
use crate::gate;
use crate::key::packed::PackedKey;
use crate::stats::{Counters, Stats};
use crate::sync::RwLock;

/// An entry's own memory beside its value's and its key's: slot, link, and what moka keeps for it.
const OVERHEAD: usize = 300;
/// Slots looked at for values whose life is over: at each write, and at each read once a second.
const SWEPT_BY_WRITE: usize = 4;
const SWEPT_BY_READ: usize = 64;

/// Slots that moka has let go of and one call frees: a server's word may void a hundred thousand at once.
const DRAINED: usize = 256;

/// On what condition a value is written.
#[derive(Debug, Clone, Copy)]
pub enum Write {
    /// By request: in any case, and what was read or computed before is void.
    Always,
    /// The same once more, after lower tiers were written: not counted again.
    Again,
    /// By request, of what was found before: only if the key was not cleared or written by request since.
    Unchanged(Generation),
    /// To fill a gap: only if the key was not cleared or written by request since.
    Fill(Generation),
    /// To replace a value by a fresh one: only if the key was not cleared or written by request since it
    /// was begun, nor by a refresh begun later; what was read before is void.
    Refresh(Generation),
}

impl Write {
    /// Whether the key's old value is void, even where the new one is not kept.
    pub fn replaces(self) -> bool {
        !matches!(self, Self::Fill(_) | Self::Unchanged(_))
    }
}

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

    /// Whether the key's shard was cleared after that generation, here or elsewhere.
    pub fn was_cleared_since(&self, key: &PackedKey, generation: Generation) -> bool {
        self.ask_shard(key, |shard| shard.was_cleared_since(generation))
    }

    /// Whether it was by this process.
    pub fn was_cleared_here_since(&self, key: &PackedKey, generation: Generation) -> bool {
        self.ask_shard(key, |shard| shard.was_cleared_here_since(generation))
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

    /// Free what moka has let go of, and the copies of it.
    fn tidy(&self, store: &Store<V>, dead: &mut Vec<V>) {
        store.drain(DRAINED, dead);
        self.fronts
            .sweep(&self.ledger.epochs, || self.ledger.clock.now(), dead);
    }

    /// Have moka forget a slot whose value has been taken out, unless the key was written anew.
    fn forget_slot(&self, store: &Store<V>, fingerprint: u64, slot: u32) {
        let _shard = self.ledger.generations.lock(fingerprint);
        if store
            .index()
            .get(&fingerprint)
            .is_some_and(|held| held.slot == slot)
        {
            store.index().invalidate(&fingerprint);
        }
    }

    /// Keep a value of `size` bytes. If it was kept, what it takes to have a copy of it.
    ///
    /// A value without a life and one larger than the bound are not kept; unless they were to fill a
    /// gap, they still replace what was there.
    pub fn set(
        &self,
        key: PackedKey,
        value: V,
        size: usize,
        timeout: Timeout,
        write: Write,
    ) -> Option<Held<V>> {
        let deadline = Deadline::of(timeout, &self.ledger.clock);
        self.put_or_remove(key, value, size, deadline, write)
    }

    /// The same for a value that a server has, which counts while it is told of changes there. Not kept unless it
    /// fills a gap or replaces a value by a fresh one, and only while the tier is trusted.
    pub fn set_on_trust(
        &self,
        key: PackedKey,
        value: V,
        size: usize,
        timeout: Timeout,
        write: Write,
    ) -> Option<Held<V>> {
        let is_known = matches!(write, Write::Fill(_) | Write::Refresh(_));
        let deadline = Deadline::of(timeout, &self.ledger.clock)
            .filter(|_| is_known && self.is_trusted())
            .map(Deadline::on_trust);
        self.put_or_remove(key, value, size, deadline, write)
    }

    fn put_or_remove(
        &self,
        key: PackedKey,
        value: V,
        size: usize,
        deadline: Option<Deadline>,
        write: Write,
    ) -> Option<Held<V>> {
        let refreshed = matches!(write, Write::Refresh(_)).then(|| key.clone());
        let held = self.put(key, value, size, deadline, write);
        if held.is_none()
            && let Some(key) = refreshed
        {
            // What overtook it may have been of another key of its shard. Then the old value is older than what
            // the refresh has returned, and has to go.
            self.remove(&key);
        }
        held
    }

    /// The same until a deadline; None: it has no life.
    pub fn put(
        &self,
        key: PackedKey,
        value: V,
        size: usize,
        deadline: Option<Deadline>,
        write: Write,
    ) -> Option<Held<V>> {
        let size = size.saturating_add(key.heap_size() + OVERHEAD);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let weight = self.options.weight(size);
        let (Some(weight), Some(deadline)) = (weight, deadline) else {
            if weight.is_none() {
                self.counters.refusals.add(1);
            }
            if write.replaces() {
                self.remove(&key);
            }
            return None;
        };
        let fingerprint = self.fingerprint(&key);
        let mut dead = Vec::new();
        let _pass = gate::enter();
        let store = self.store.read();
        let held = Held {
            value: value.clone(),
            deadline,
            // Before it is written: what voids it from here on voids the copies as well.
            epoch: self.ledger.epochs.current(fingerprint),
        };
        let flushes = match write {
            Write::Fill(since) | Write::Unchanged(since) | Write::Refresh(since) => since.flushes(),
            Write::Always | Write::Again => self.ledger.generations.flushes(),
        };
        let entry = Entry {
            value,
            deadline,
            size,
            flushes,
        };
        let slot = {
            let mut slab = store.slab.lock();
            let slot = slab.insert(key, entry, |last| store.links.reserve(last));
            if let Ok(slot) = slot {
                store.links.set_void(slot, false);
            }
            slot
        };
        let kept = match slot {
            Ok(slot) => {
                let place = Place { slot, weight };
                let kept = self.insert(&store, fingerprint, place, write, deadline.needs_trust());
                if !kept {
                    dead.extend(store.slab.lock().release(slot));
                }
                kept
            }
            Err(entry) => {
                dead.push(entry.value);
                false
            }
        };
        let held = if kept {
            let counted = !matches!(write, Write::Again);
            self.counters.stores.add(u64::from(counted));
            Some(held)
        } else {
            self.counters.refusals.add(1);
            dead.push(held.value);
            None
        };
        store.drain(DRAINED, &mut dead);
        self.keep_bounds(&store, &mut dead);
        self.sweep(&store, None, SWEPT_BY_WRITE, &mut dead);
        self.tidy(&store, &mut dead);
        held
    }

    /// Hand a slot to moka, if the condition holds: compared and written under the shard's lock.
    fn insert(
        &self,
        store: &Store<V>,
        fingerprint: u64,
        held: Place,
        write: Write,
        needs_trust: bool,
    ) -> bool {
        let mut shard = self.ledger.generations.lock(fingerprint);
        match write {
            Write::Fill(since) | Write::Unchanged(since) if shard.was_cleared_since(since) => {
                return false;
            }
            Write::Unchanged(_) => shard.clear(),
            Write::Refresh(begun) if shard.has_newer_than(begun) => return false,
            // On trust: what a refresh has stored on the server may have changed since.
            Write::Refresh(begun) if needs_trust && shard.was_cleared_since(begun) => return false,
            Write::Refresh(begun) => shard.refresh(begun),
            _ if write.replaces() => shard.clear(),
            _ => {}
        }
        store.slab.lock().settle(held.slot);
        store.index().insert(fingerprint, held);
        true
    }

    /// Forget `key`, and void what was read or computed for it before. Whether it was held.
    pub fn delete(&self, key: &PackedKey) -> bool {
        let held = self.remove(key);
        if held {
            self.counters.deletes.add(1);
        }
        held
    }

    /// `delete`, not counted.
    pub fn remove(&self, key: &PackedKey) -> bool {
        let mut dead = Vec::new();
        let mut held = false;
        let fingerprint = self.fingerprint(key);
        let _pass = gate::enter();
        let store = self.store.read();
        {
            let mut shard = self.ledger.generations.lock(fingerprint);
            shard.clear();
            self.ledger.epochs.bump(fingerprint);
            if let Some(Place { slot, .. }) = store.index().get(&fingerprint) {
                let mut slab = store.slab.lock();
                let is_key = match slab.look(slot, key) {
                    Look::OtherKey => false,
                    Look::Empty => true,
                    Look::Value(entry) => {
                        held = self.state_of(&store, slot, entry) == State::Counts;
                        dead.extend(slab.take(slot));
                        true
                    }
                };
                drop(slab);
                if is_key {
                    store.index().invalidate(&fingerprint);
                }
            }
        }
        // Once more: moka may have let go of the key by itself, and have yet to report it.
        self.ledger.epochs.bump(fingerprint);
        self.tidy(&store, &mut dead);
        held
    }

    /// Give `key` a new life from now. Whether it was held.
    pub fn touch(&self, key: &PackedKey, timeout: Timeout) -> bool {
        let Some(deadline) = Deadline::of(timeout, &self.ledger.clock) else {
            return self.remove(key);
        };
        let fingerprint = self.fingerprint(key);
        let _pass = gate::enter();
        let store = self.store.read();
        let _shard = self.ledger.generations.lock(fingerprint);
        let Some(Place { slot, .. }) = store.index().get(&fingerprint) else {
            return false;
        };
        let mut slab = store.slab.lock();
        match slab.look(slot, key) {
            Look::Value(entry) if self.state_of(&store, slot, entry) == State::Counts => {
                let needs_trust = entry.deadline.needs_trust();
                let deadline = if needs_trust {
                    deadline.on_trust()
                } else {
                    deadline
                };
                slab.set_deadline(slot, deadline);
                self.ledger.epochs.bump(fingerprint);
                true
            }
            _ => false,
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

    /// Forget everything, at once: the old index is dropped on the side.
    pub fn clear(&self) {
        let fresh = Store::new(&self.options, &self.ledger.epochs, &self.counters);
        let mut copies = Vec::new();
        let _old = {
            let _pass = gate::enter();
            let mut store = self.store.write();
            self.ledger.clear(fresh.places());
            self.fronts.clear(&mut copies);
            mem::replace(&mut *store, fresh)
        };
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

    fn measure(&self) -> (usize, u64) {
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

    /// Keep the number of values near the bound while moka's own housekeeping is behind: under
    /// eight writers, a bound of 1,000 was seen to be exceeded eleven times over.
    fn keep_bounds(&self, store: &Store<V>, dead: &mut Vec<V>) {
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
    fn sweep(&self, store: &Store<V>, now: Option<u64>, slots: usize, dead: &mut Vec<V>) {
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

/// Whether an entry counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Counts,
    /// Its life is over, or it was voided or flushed.
    Over,
    /// Nobody would tell if it did no longer.
    Untrusted,
}

/// Counts in steps of so many stores.
#[derive(Debug, Default)]
struct Era {
    number: AtomicU8,
    /// The stores at which it moves next.
    next: AtomicU64,
}

impl Era {
    fn now(&self) -> u8 {
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
