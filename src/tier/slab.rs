//! Where a memory tier's values live: numbered slots in chunks that never move.

use crate::clock::Deadline;
use crate::entry::Entry;
use crate::key::packed::PackedKey;

const CHUNK: usize = 256;

/// Slots, used and free.
#[derive(Debug)]
pub(super) struct Slab<V> {
    chunks: Vec<Box<[Slot<V>]>>,
    free: Option<u32>,
    /// Slots in use whose value has not been taken out.
    live: usize,
    /// Of those, how many will expire.
    mortal: usize,
    bytes: u64,
}

#[derive(Debug)]
enum Slot<V> {
    Free {
        next: Option<u32>,
    },
    /// In use until moka's listener reports the slot, even when its value has been taken out.
    Used {
        key: PackedKey,
        entry: Option<Entry<V>>,
        /// Whether it has yet to be seen if this may be stored. Then it is there for nobody: whoever looks was
        /// sent here by what the slot was used for before.
        is_pending: bool,
    },
}

/// What a slot holds for a key.
#[derive(Debug)]
pub(super) enum Look<'a, V> {
    /// Another key: the slot has been used anew, or two keys have one fingerprint.
    OtherKey,
    /// The key, but its value has been taken out.
    Empty,
    /// The key's value.
    Value(&'a Entry<V>),
}

impl<V> Slab<V> {
    pub(super) fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: None,
            live: 0,
            mortal: 0,
            bytes: 0,
        }
    }

    pub(super) fn live(&self) -> usize {
        self.live
    }

    pub(super) fn mortal(&self) -> usize {
        self.mortal
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many slots there are, used or free.
    pub(super) fn len(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// Put an entry into a free slot, where it is pending; `reserve` is told of the last slot of a new chunk.
    pub(super) fn insert(
        &mut self,
        key: PackedKey,
        entry: Entry<V>,
        reserve: impl FnOnce(u32) -> bool,
    ) -> Result<u32, Entry<V>> {
        let Some(slot) = self.free.or_else(|| self.grow(reserve)) else {
            return Err(entry);
        };
        self.count(&entry);
        let place = self.slot_mut(slot);
        if let Slot::Free { next } = *place {
            *place = Slot::Used {
                key,
                entry: Some(entry),
                is_pending: true,
            };
            self.free = next;
        }
        Ok(slot)
    }

    /// Have what is pending in a slot be there for all.
    pub(super) fn settle(&mut self, slot: u32) {
        if let Slot::Used { is_pending, .. } = self.slot_mut(slot) {
            *is_pending = false;
        }
    }

    fn grow(&mut self, reserve: impl FnOnce(u32) -> bool) -> Option<u32> {
        let first = u32::try_from(self.len()).ok()?;
        let last = first.checked_add(u32::try_from(CHUNK).ok()? - 1)?;
        if !reserve(last) {
            return None;
        }
        let chunk = (first..=last).map(|slot| Slot::Free {
            next: (slot < last).then(|| slot + 1),
        });
        self.chunks.push(chunk.collect());
        Some(first)
    }

    fn slot_mut(&mut self, slot: u32) -> &mut Slot<V> {
        &mut self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    /// What the slot holds for `key`.
    pub(super) fn look(&self, slot: u32, key: &PackedKey) -> Look<'_, V> {
        match &self.chunks[slot as usize / CHUNK][slot as usize % CHUNK] {
            Slot::Used {
                key: held,
                entry,
                is_pending: false,
            } if held == key => entry.as_ref().map_or(Look::Empty, Look::Value),
            _ => Look::OtherKey,
        }
    }

    /// Change the end of the life of what the slot holds.
    pub(super) fn set_deadline(&mut self, slot: u32, deadline: Deadline) {
        if let Slot::Used {
            entry: Some(entry), ..
        } = self.slot_mut(slot)
        {
            let was_mortal = entry.deadline != Deadline::NEVER;
            entry.deadline = deadline;
            self.mortal -= usize::from(was_mortal);
            self.mortal += usize::from(deadline != Deadline::NEVER);
        }
    }

    /// Take the value out; the slot stays in use.
    pub(super) fn take(&mut self, slot: u32) -> Option<V> {
        let Slot::Used { entry, .. } = self.slot_mut(slot) else {
            return None;
        };
        let entry = entry.take()?;
        self.uncount(&entry);
        Some(entry.value)
    }

    /// Free a slot; returns the value that was still in it.
    pub(super) fn release(&mut self, slot: u32) -> Option<V> {
        let next = self.free;
        let place = self.slot_mut(slot);
        if matches!(place, Slot::Free { .. }) {
            debug_assert!(false, "slot {slot} freed twice");
            return None;
        }
        let Slot::Used { entry, .. } = std::mem::replace(place, Slot::Free { next }) else {
            return None;
        };
        self.free = Some(slot);
        let entry = entry?;
        self.uncount(&entry);
        Some(entry.value)
    }

    /// The slot's key, if its value's life is over at `now`, or it was voided or flushed.
    pub(super) fn expired_key(
        &self,
        slot: u32,
        now: u64,
        flushes: u32,
        is_void: bool,
    ) -> Option<&PackedKey> {
        match &self.chunks[slot as usize / CHUNK][slot as usize % CHUNK] {
            Slot::Used {
                key,
                entry: Some(entry),
                is_pending: false,
            } if is_void || entry.deadline.has_passed_at(now) || entry.is_flushed(flushes) => {
                Some(key)
            }
            _ => None,
        }
    }

    /// The values held.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.chunks.iter().flatten().filter_map(|slot| match slot {
            Slot::Used {
                entry: Some(entry), ..
            } => Some(&entry.value),
            _ => None,
        })
    }

    fn count(&mut self, entry: &Entry<V>) {
        self.live += 1;
        self.mortal += usize::from(entry.deadline != Deadline::NEVER);
        self.bytes += u64::from(entry.size);
    }

    fn uncount(&mut self, entry: &Entry<V>) {
        self.live -= 1;
        self.mortal -= usize::from(entry.deadline != Deadline::NEVER);
        self.bytes -= u64::from(entry.size);
    }
}
