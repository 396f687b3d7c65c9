//! The front: a table inside one decorated function, from local keys to copies of what memory holds.
//!
//! It exists because one `get` of moka takes longer than a whole call should. The memory tier stays
//! the authority on what is held. Invariants:
//!
//! 1. A copy is answered with only while the epoch of its shard is the one noted *before* the tier
//!    was asked for it, and its deadline has not come. Every overwrite, delete, clear, eviction and
//!    new life of a value bumps the shard's epoch before it returns.
//! 2. A key is equal to a probe's if and only if all its words are. A hash alone decides nothing.
//! 3. A value is let go only by handing it to the caller, who drops it when no lock is held.
//! 4. No more than `bound` slots. A slot whose copy no longer counts is freed by `sweep`, which
//!    whoever bumps epochs has to call, and is used anew by `insert`.
//!
//! Slots are probed in a window of 32 from the one that the hash names. A copy that was let go leaves
//! a mark, so that probes go on to what was put behind it.

use crate::clock::{Clock, Deadline};
use crate::flow::generation::{Epoch, Epochs};
use crate::key::local::LocalHasher;

/// How far from its own slot a key may lie.
const WINDOW: usize = 32;
/// Slots of a table that holds anything.
const FEWEST: usize = 8;
/// Words of a key that fit into a slot of 64 bytes.
const INLINE: usize = 5;
/// One hit in so many is to ask the tier, which then knows of the use.
const SAMPLED: u64 = 4_096;

/// Copies of a memory tier's values, for one function.
#[derive(Debug)]
pub struct Front<V> {
    slots: Box<[Line<V>]>,
    hasher: LocalHasher,
    copies: usize,
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
}

/// A slot in a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Line<V>(Slot<V>);

#[derive(Debug)]
enum Slot<V> {
    Free,
    /// A copy was here; what was put behind it is still there.
    Gone,
    /// A copy under a key of up to five words, padded with zeros.
    Short {
        /// How many words; how often it was used would have no place.
        words: Words,
        shard: u16,
        number: u32,
        deadline: Deadline,
        value: V,
        key: [u64; INLINE],
    },
    /// A copy under a longer key.
    Long {
        words: Words,
        shard: u16,
        number: u32,
        deadline: Deadline,
        value: V,
        hash: u64,
        key: Box<[u64]>,
    },
}

const _: () = assert!(size_of::<Line<u64>>() == 64);

/// How many words a short key has, in three bits, and the era of the tier in five.
#[derive(Debug, Clone, Copy)]
struct Words(u8);

impl Words {
    fn new(words: usize, era: u8) -> Self {
        let words = u8::try_from(words.min(INLINE)).unwrap_or_default();
        Self(words << 5 | era & 31)
    }

    fn count(self) -> usize {
        usize::from(self.0 >> 5)
    }

    fn is_of(self, era: u8) -> bool {
        (self.0 ^ era) & 31 == 0
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

impl<V> Slot<V> {
    #[inline]
    fn is_under(&self, words: &[u64], hash: u64) -> bool {
        match self {
            // The rest of the slot's words are zeros then: see `key::local`.
            // Compared one by one: a call of memcmp takes longer than all of a short key.
            Self::Short { key, .. } => {
                words.len() <= INLINE && words.iter().zip(key).all(|(word, own)| word == own)
            }
            Self::Long { hash: own, key, .. } => *own == hash && **key == *words,
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

impl<V: Clone> Front<V> {
    /// An empty front of at most `bound` slots, rounded up to a power of two; 0 keeps nothing.
    pub fn new(bound: usize) -> Self {
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
        }
    }

    /// How many copies there are, those that count no more among them.
    pub fn len(&self) -> usize {
        self.copies
    }

    /// Whether there is no copy.
    pub fn is_empty(&self) -> bool {
        self.copies == 0
    }

    /// The copy under a key, if it counts, and where it was. None too where the tier should be asked
    /// all the same, to know of the use: once in many hits, and once in each of its eras.
    #[inline(always)]
    #[allow(clippy::inline_always)] // it is most of a hit
    pub fn get(
        &mut self,
        words: &[u64],
        epochs: &Epochs,
        clock: &impl Clock,
        era: u8,
    ) -> Option<(V, Seat)> {
        let mask = self.slots.len().checked_sub(1)?;
        let hash = self.hasher.hash(words);
        let start = slot_of(hash);
        for place in start..start + WINDOW {
            let slot = &self.slots[place & mask].0;
            if slot.is_under(words, hash) {
                let seat = Seat {
                    place: place & mask,
                    changes: self.changes,
                };
                return Some((self.get_again(seat, epochs, clock, era)?, seat));
            }
            if matches!(slot, Slot::Free) {
                return None;
            }
        }
        None
    }

    /// The copy that was found at a seat, on the same conditions.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub fn get_again(
        &mut self,
        seat: Seat,
        epochs: &Epochs,
        clock: &impl Clock,
        era: u8,
    ) -> Option<V> {
        if seat.changes != self.changes {
            return None;
        }
        let copied = self.slots.get(seat.place)?.0.copied()?;
        let counts = epochs.is_current(copied.epoch)
            && !copied.deadline.has_passed(clock)
            && copied.words.is_of(era);
        if !counts {
            return None;
        }
        self.hits += 1;
        if self.hits.is_multiple_of(SAMPLED) {
            self.told += 1;
            return None;
        }
        Some(copied.value.clone())
    }

    /// Keep a copy under a key. Values that are let go are pushed to `dead`.
    pub fn insert(
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
        while !matches!(place, Some(Place::Taken(_)))
            && (place.is_none() || (self.copies + self.marks) * 8 >= self.slots.len() * 5)
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
        let Held {
            value,
            deadline,
            epoch: Epoch { number, shard },
        } = held;
        let count = Words::new(words.len(), era);
        let mut key = [0; INLINE];
        let slot = if let Some(short) = key.get_mut(..words.len()) {
            short.copy_from_slice(words);
            Slot::Short {
                words: count,
                shard,
                number,
                deadline,
                value,
                key,
            }
        } else {
            Slot::Long {
                words: count,
                shard,
                number,
                deadline,
                value,
                hash,
                key: words.into(),
            }
        };
        self.copies += 1;
        self.replace(place, slot, dead);
    }

    /// Put a slot in the place of another, whose value is let go.
    fn replace(&mut self, place: usize, slot: Slot<V>, dead: &mut Vec<V>) {
        self.changes = self.changes.wrapping_add(1);
        match std::mem::replace(&mut self.slots[place].0, slot) {
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
            let slot = &self.slots[place].0;
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
        let stale = |line: &&Line<V>| line.0.is_stale(epochs, now);
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
        let fresh = (0..slots).map(|_| Line(Slot::Free)).collect();
        let old = std::mem::replace(&mut self.slots, fresh);
        (self.copies, self.marks, self.swept) = (0, 0, 0);
        let mask = slots - 1;
        for Line(slot) in old {
            let hash = match &slot {
                Slot::Short { key, words, .. } => self.hasher.hash(&key[..words.count()]),
                Slot::Long { hash, .. } => *hash,
                Slot::Free | Slot::Gone => continue,
            };
            let start = slot_of(hash);
            let free = (start..start + WINDOW)
                .map(|place| place & mask)
                .find(|&place| matches!(self.slots[place].0, Slot::Free));
            match free {
                Some(place) if !slot.is_stale(epochs, now) => {
                    self.slots[place].0 = slot;
                    self.copies += 1;
                }
                _ => dead.extend(slot.into_value()),
            }
        }
    }

    /// Look at the next `slots` slots, and let go of the copies in them that count no more. How many
    /// there were to look at.
    pub fn sweep(&mut self, slots: usize, epochs: &Epochs, now: u64, dead: &mut Vec<V>) -> usize {
        let slots = slots.min(self.slots.len());
        let Some(mask) = self.slots.len().checked_sub(1) else {
            return 0;
        };
        for _ in 0..slots {
            // Backwards, so that a mark before a free slot becomes free, and then the one before it.
            self.swept = self.swept.wrapping_sub(1) & mask;
            let place = self.swept;
            if self.slots[place].0.is_stale(epochs, now) {
                self.marks += 1;
                self.replace(place, Slot::Gone, dead);
            }
            if matches!(self.slots[place].0, Slot::Gone)
                && matches!(self.slots[(place + 1) & mask].0, Slot::Free)
            {
                self.replace(place, Slot::Free, dead);
            }
        }
        slots
    }

    /// Let go of everything.
    pub fn clear(&mut self, dead: &mut Vec<V>) {
        self.changes = self.changes.wrapping_add(1);
        let slots = std::mem::take(&mut self.slots);
        dead.extend(slots.into_iter().filter_map(|line| line.0.into_value()));
        (self.copies, self.marks, self.swept) = (0, 0, 0);
    }

    /// Hits since this was last asked, which the tier has not counted.
    pub fn take_hits(&mut self) -> u64 {
        let untold = self.hits - self.told;
        self.told = self.hits;
        untold
    }

    /// The values held, for the garbage collector.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.slots
            .iter()
            .filter_map(|line| line.0.copied().map(|copied| copied.value))
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation)] // the lower half is enough
fn slot_of(hash: u64) -> usize {
    (hash >> 8) as u32 as usize
}
