//! Writes to the memory tier: on what condition a value is kept, and what a write voids.

use std::mem;

use super::upkeep::{DRAINED, SWEPT_BY_WRITE};
use super::{MemoryTier, State};
use crate::clock::{Clock, Deadline, Timeout};
use crate::entry::Entry;
use crate::flow::front::Held;
use crate::flow::generation::Generation;
use crate::gate;
use crate::key::packed::PackedKey;
use crate::tier::slab::Look;
use crate::tier::store::{Place, Store};

/// An entry's own memory beside its value's and its key's: slot, link, and what moka keeps for it.
const OVERHEAD: usize = 300;

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

impl<V: Clone, C: Clock> MemoryTier<V, C> {
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

    /// Forget the value of `key` if it is the one that is meant: nothing else becomes void.
    pub fn remove_if(&self, key: &PackedKey, is_it: impl FnOnce(&V) -> bool) {
        let mut dead = Vec::new();
        let fingerprint = self.fingerprint(key);
        let _pass = gate::enter();
        let store = self.store.read();
        {
            let _shard = self.ledger.generations.lock(fingerprint);
            let Some(Place { slot, .. }) = store.index().get(&fingerprint) else {
                return;
            };
            let mut slab = store.slab.lock();
            match slab.look(slot, key) {
                Look::Value(entry) if is_it(&entry.value) => dead.extend(slab.take(slot)),
                _ => return,
            }
            drop(slab);
            store.index().invalidate(&fingerprint);
        }
        self.ledger.epochs.bump(fingerprint);
        self.tidy(&store, &mut dead);
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
}
