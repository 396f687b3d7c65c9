//! The table of a front: slots that are probed in a window of 32 from the one that the hash names.
//!
//! A copy that was let go leaves a mark, so that probes go on to what was put behind it.

use crate::clock::Deadline;
use crate::flow::generation::{Epoch, Epochs};
use crate::key::local::LocalHasher;

/// How far from its own slot a key may lie.
const WINDOW: usize = 32;
/// Slots of a table that holds anything.
const FEWEST: usize = 8;
/// Words of a key that lie in a slot of 64 bytes, and in one of 32: integers and the shortest texts.
pub(super) const WIDE: usize = 5;
pub(super) const NARROW: usize = 1;
/// After so many hits one is to ask the tier, which then knows of the use.
const SAMPLED: u64 = 4_095;

impl<V> Table<V, Half, NARROW> {
    /// The same copies in the same places, with room for longer keys.
    pub(super) fn widened(self) -> Table<V, Line, WIDE> {
        let widened = |slot| match slot {
            Slot::Short {
                words,
                shard,
                number,
                deadline,
                value,
                key: [word],
                ..
            } => Slot::Short {
                words,
                shard,
                number,
                deadline,
                value,
                key: [word, 0, 0, 0, 0],
                _align: [],
            },
            Slot::Long {
                words,
                shard,
                number,
                deadline,
                value,
                key,
            } => Slot::Long {
                words,
                shard,
                number,
                deadline,
                value,
                key,
            },
            Slot::Free => Slot::Free,
            Slot::Gone => Slot::Gone,
        };
        Table {
            slots: self.slots.into_iter().map(widened).collect(),
            hasher: self.hasher,
            copies: self.copies,
            marks: self.marks,
            bound: self.bound,
            swept: self.swept,
            changes: self.changes.wrapping_add(1),
            hits: self.hits,
            told: self.told,
            asks_at: self.asks_at,
        }
    }
}

/// Copies under keys of which `WORDS` words lie in the slot.
#[derive(Debug)]
pub(super) struct Table<V, A, const WORDS: usize> {
    slots: Box<[Slot<V, A, WORDS>]>,
    hasher: LocalHasher,
    pub(super) copies: usize,
    marks: usize,
    /// The most slots there may be.
    bound: usize,
    /// Where the last sweep ended.
    swept: usize,
    /// Moves with each slot that is written: see `Seat`.
    changes: u32,
    hits: u64,
    /// Of these, those that the tier has counted.
    told: u64,
    /// After so many hits the tier is to be asked before there is another.
    asks_at: u64,
}

/// One cache line with five words, half of one with one word.
#[derive(Debug)]
enum Slot<V, A, const WORDS: usize> {
    Free,
    /// A copy was here; what was put behind it is still there.
    Gone,
    // The fields of both kinds stand here, and in no struct of their own, so that the mark of the kind
    // shares a word with the first three.
    /// A copy under a key of no more words than lie here, padded with zeros.
    Short {
        /// How many words; how often it was used would have no place.
        words: Words,
        shard: u16,
        number: u32,
        deadline: Deadline,
        value: V,
        key: [u64; WORDS],
        _align: [A; 0],
    },
    /// A copy under a longer key.
    Long {
        words: Words,
        shard: u16,
        number: u32,
        deadline: Deadline,
        value: V,
        key: Box<LongKey>,
    },
}

/// Aligned as a cache line, or as half of one.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Line;
#[derive(Debug)]
#[repr(align(32))]
pub(super) struct Half;

#[derive(Debug)]
struct LongKey {
    hash: u64,
    words: Box<[u64]>,
}

const _: () = assert!(size_of::<Slot<std::num::NonZeroU64, Line, WIDE>>() == 64);
const _: () = assert!(size_of::<Slot<std::num::NonZeroU64, Half, NARROW>>() == 32);

/// How many words a short key has, in three bits, and the era of the tier in five.
#[derive(Debug, Clone, Copy)]
struct Words(u8);

impl Words {
    fn new(words: usize, era: u8) -> Self {
        let words = u8::try_from(words.min(WIDE)).unwrap_or_default();
        Self(words << 5 | era & 31)
    }

    fn count(self) -> usize {
        usize::from(self.0 >> 5)
    }

    fn is_of(self, era: u8) -> bool {
        (self.0 ^ era).trailing_zeros() >= 5
    }
}

/// What was found in a slot.
struct Copied<'a, V> {
    words: Words,
    epoch: Epoch,
    deadline: Deadline,
    value: &'a V,
}

/// What a tier holds, with all that says how long a copy of it counts.
#[derive(Debug, Clone)]
pub struct Held<V> {
    /// The value itself.
    pub value: V,
    /// From when on it counts no more.
    pub deadline: Deadline,
    /// The epoch of its key, noted before the tier was asked.
    pub epoch: Epoch,
}

impl<V, A, const WORDS: usize> Slot<V, A, WORDS> {
    #[inline]
    fn is_under(&self, words: &[u64], hash: u64) -> bool {
        match self {
            // The rest of the slot's words are zeros then: see `key::local`.
            // Compared one by one: a call of memcmp takes longer than all of a short key.
            Self::Short { key, .. } => {
                words.len() <= WORDS && words.iter().zip(key).all(|(word, own)| word == own)
            }
            Self::Long { key, .. } => key.hash == hash && *key.words == *words,
            Self::Free | Self::Gone => false,
        }
    }

    #[inline]
    fn copied(&self) -> Option<Copied<'_, V>> {
        match self {
            Self::Short {
                words,
                shard,
                number,
                deadline,
                value,
                ..
            }
            | Self::Long {
                words,
                shard,
                number,
                deadline,
                value,
                ..
            } => Some(Copied {
                words: *words,
                epoch: Epoch {
                    shard: *shard,
                    number: *number,
                },
                deadline: *deadline,
                value,
            }),
            Self::Free | Self::Gone => None,
        }
    }

    fn into_value(self) -> Option<V> {
        match self {
            Self::Short { value, .. } | Self::Long { value, .. } => Some(value),
            Self::Free | Self::Gone => None,
        }
    }

    fn is_stale(&self, epochs: &Epochs, now: u64) -> bool {
        self.copied().is_some_and(|copied| {
            !epochs.is_current(copied.epoch) || copied.deadline.has_passed_at(now)
        })
    }
}

/// How far a sweep has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// The slots that were looked at.
    pub looked_at: usize,
    /// Whether it ended with the last one there is.
    pub is_through: bool,
}

/// Where a copy was found: as long as no slot was written since, the same key's is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    place: usize,
    changes: u32,
}

/// Where a key is to be put.
enum Place {
    /// In a slot that is not free: of the same key, of a copy that counts no more, or of a mark.
    Taken(usize),
    Free(usize),
}

impl<V: Clone, A, const WORDS: usize> Table<V, A, WORDS> {
    pub(super) fn new(bound: usize) -> Self {
        Self {
            slots: Box::default(),
            hasher: LocalHasher::new(),
            copies: 0,
            marks: 0,
            bound: match bound {
                0 => 0,
                bound => bound.checked_next_power_of_two().unwrap_or(1 << 62),
            },
            swept: 0,
            changes: 0,
            hits: 0,
            told: 0,
            asks_at: SAMPLED,
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // it is most of a hit
    pub(super) fn seat_of(&self, words: &[u64]) -> Option<Seat> {
        let mask = self.slots.len().checked_sub(1)?;
        let hash = self.hasher.hash(words);
        let start = slot_of(hash);
        for place in start..start + WINDOW {
            let slot = &self.slots[place & mask];
            if slot.is_under(words, hash) {
                return Some(Seat {
                    place: place & mask,
                    changes: self.changes,
                });
            }
            if matches!(slot, Slot::Free) {
                return None;
            }
        }
        None
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn take(
        &mut self,
        seat: Seat,
        epochs: &Epochs,
        now: impl FnOnce() -> Option<u64>,
        era: u8,
    ) -> Option<V> {
        if seat.changes != self.changes {
            return None;
        }
        let copied = self.slots.get(seat.place)?.copied()?;
        let is_alive = copied.deadline == Deadline::NEVER
            || now().is_some_and(|now| epochs.trust().is_alive_at(now, copied.deadline));
        let counts = epochs.is_current(copied.epoch) && copied.words.is_of(era) && is_alive;
        if !counts || self.hits == self.asks_at {
            return None;
        }
        let value = copied.value.clone();
        self.hits += 1;
        Some(value)
    }

    pub(super) fn insert(
        &mut self,
        words: &[u64],
        held: Held<V>,
        era: u8,
        epochs: &Epochs,
        now: u64,
        dead: &mut Vec<V>,
    ) {
        if self.bound == 0 {
            dead.push(held.value);
            return;
        }
        if self.slots.is_empty() {
            self.rebuild(FEWEST.min(self.bound), epochs, now, dead);
        }
        let hash = self.hasher.hash(words);
        let mut place = self.place_for(words, hash, epochs, now);
        // Not for a full window alone: among 300,000 copies there is one, and twice the slots would be
        // 50 bytes for each.
        while !matches!(place, Some(Place::Taken(_)))
            && (self.copies + self.marks) * 8 >= self.slots.len() * 5
            && self.grow(epochs, now, dead)
        {
            place = self.place_for(words, hash, epochs, now);
        }
        let place = match place {
            Some(Place::Taken(place) | Place::Free(place)) => place,
            None => {
                let window = WINDOW.min(self.slots.len());
                (slot_of(hash) + slot_of(hash.rotate_left(32)) % window) & (self.slots.len() - 1)
            }
        };
        if self.hits == self.asks_at {
            // This is the answer that was due.
            self.asks_at += SAMPLED;
        }
        let Held {
            value,
            deadline,
            epoch: Epoch { number, shard },
        } = held;
        let count = Words::new(words.len(), era);
        let mut key = [0; WORDS];
        let slot = if let Some(short) = key.get_mut(..words.len()) {
            short.copy_from_slice(words);
            Slot::Short {
                words: count,
                shard,
                number,
                deadline,
                value,
                key,
                _align: [],
            }
        } else {
            Slot::Long {
                words: count,
                shard,
                number,
                deadline,
                value,
                key: Box::new(LongKey {
                    hash,
                    words: words.into(),
                }),
            }
        };
        self.copies += 1;
        self.replace(place, slot, dead);
    }

    /// Put a slot in the place of another, whose value is let go.
    fn replace(&mut self, place: usize, slot: Slot<V, A, WORDS>, dead: &mut Vec<V>) {
        self.changes = self.changes.wrapping_add(1);
        match std::mem::replace(&mut self.slots[place], slot) {
            Slot::Free => {}
            Slot::Gone => self.marks -= 1,
            old => {
                self.copies -= 1;
                dead.extend(old.into_value());
            }
        }
    }

    fn place_for(&self, words: &[u64], hash: u64, epochs: &Epochs, now: u64) -> Option<Place> {
        let mask = self.slots.len() - 1;
        let start = slot_of(hash);
        let mut spare = None;
        for place in start..start + WINDOW {
            let place = place & mask;
            let slot = &self.slots[place];
            if slot.is_under(words, hash) {
                return Some(Place::Taken(place));
            }
            if matches!(slot, Slot::Free) {
                return spare.or(Some(Place::Free(place)));
            }
            if spare.is_none() && (matches!(slot, Slot::Gone) || slot.is_stale(epochs, now)) {
                spare = Some(Place::Taken(place));
            }
        }
        spare
    }

    /// Make room: twice as many slots if a third of them counts, else without what does not count.
    /// False if that would not help.
    fn grow(&mut self, epochs: &Epochs, now: u64, dead: &mut Vec<V>) -> bool {
        let slots = self.slots.len();
        let few_marks = self.marks * 4 <= slots;
        if slots >= self.bound && few_marks {
            return false;
        }
        let stale = |slot: &&Slot<V, A, WORDS>| slot.is_stale(epochs, now);
        let counting = self.copies - self.slots.iter().filter(stale).count();
        if counting * 3 > slots && slots < self.bound {
            self.rebuild(slots * 2, epochs, now, dead);
        } else if few_marks && counting == self.copies {
            return false;
        } else {
            self.rebuild(slots, epochs, now, dead);
        }
        true
    }

    fn rebuild(&mut self, slots: usize, epochs: &Epochs, now: u64, dead: &mut Vec<V>) {
        self.changes = self.changes.wrapping_add(1);
        let fresh = (0..slots).map(|_| Slot::Free).collect();
        let old = std::mem::replace(&mut self.slots, fresh);
        (self.copies, self.marks, self.swept) = (0, 0, 0);
        let mask = slots - 1;
        for slot in old {
            let hash = match &slot {
                Slot::Short { key, words, .. } => self.hasher.hash(&key[..words.count()]),
                Slot::Long { key, .. } => key.hash,
                Slot::Free | Slot::Gone => continue,
            };
            let start = slot_of(hash);
            let free = (start..start + WINDOW)
                .map(|place| place & mask)
                .find(|&place| matches!(self.slots[place], Slot::Free));
            match free {
                Some(place) if !slot.is_stale(epochs, now) => {
                    self.slots[place] = slot;
                    self.copies += 1;
                }
                _ => dead.extend(slot.into_value()),
            }
        }
    }

    pub(super) fn sweep(
        &mut self,
        slots: usize,
        epochs: &Epochs,
        now: u64,
        dead: &mut Vec<V>,
    ) -> Swept {
        let mask = self.slots.len().wrapping_sub(1);
        let mut looked_at = 0;
        while looked_at < slots && !self.slots.is_empty() {
            // Backwards, so that a mark before a free slot becomes free, and then the one before it.
            self.swept = self.swept.wrapping_sub(1) & mask;
            let place = self.swept;
            if self.slots[place].is_stale(epochs, now) {
                self.marks += 1;
                self.replace(place, Slot::Gone, dead);
            }
            if matches!(self.slots[place], Slot::Gone)
                && matches!(self.slots[(place + 1) & mask], Slot::Free)
            {
                self.replace(place, Slot::Free, dead);
            }
            looked_at += 1;
            if place == 0 {
                break;
            }
        }
        Swept {
            looked_at,
            is_through: self.swept == 0,
        }
    }

    pub(super) fn clear(&mut self, dead: &mut Vec<V>) {
        self.changes = self.changes.wrapping_add(1);
        let slots = std::mem::take(&mut self.slots);
        dead.extend(slots.into_iter().filter_map(Slot::into_value));
        (self.copies, self.marks, self.swept) = (0, 0, 0);
    }

    pub(super) fn take_hits(&mut self) -> u64 {
        let untold = self.hits - self.told;
        self.told = self.hits;
        untold
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.slots
            .iter()
            .filter_map(|slot| slot.copied().map(|copied| copied.value))
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation)] // the lower half is enough
fn slot_of(hash: u64) -> usize {
    // Multiplied once more: a single fold leaves the slots of integers in sequence uneven.
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}
