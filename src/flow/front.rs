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

use super::table::{Half, Line, NARROW, Table, WIDE};
pub use super::table::{Held, Seat, Swept};
use crate::clock::Clock;
use crate::flow::generation::Epochs;

/// Copies of a memory tier's values, for one function.
#[derive(Debug)]
pub struct Front<V>(Layout<V>);

/// How the copies lie: in half the room as long as every key is one word.
#[derive(Debug)]
enum Layout<V> {
    Narrow(Table<V, Half, NARROW>),
    Wide(Table<V, Line, WIDE>),
}

macro_rules! of_either {
    ($layout:expr, $table:ident => $use:expr) => {
        match $layout {
            Layout::Narrow($table) => $use,
            Layout::Wide($table) => $use,
        }
    };
}

impl<V: Clone> Front<V> {
    /// An empty front of at most `bound` slots, rounded up to a power of two; 0 keeps nothing.
    pub fn new(bound: usize) -> Self {
        Self(Layout::Narrow(Table::new(bound)))
    }

    /// How many copies there are, those that count no more among them.
    pub fn len(&self) -> usize {
        of_either!(&self.0, table => table.copies)
    }

    /// Whether there is no copy.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the copy under a key is, if there is one, whether it counts or not.
    #[inline(always)]
    #[allow(clippy::inline_always)] // it is most of a hit
    pub fn seat_of(&self, words: &[u64]) -> Option<Seat> {
        of_either!(&self.0, table => table.seat_of(words))
    }

    /// The copy at a seat, if it counts: that is a hit. None too where the tier
    /// should be asked all the same, to know of the use: once in many hits, and once in each of its eras.
    /// `now` is asked only of what does not live for ever, which counts only if it says.
    #[inline(always)]
    #[allow(clippy::inline_always)] // the rest of a hit
    pub fn take(
        &mut self,
        seat: Seat,
        epochs: &Epochs,
        now: impl FnOnce() -> Option<u64>,
        era: u8,
    ) -> Option<V> {
        of_either!(&mut self.0, table => table.take(seat, epochs, now, era))
    }

    /// The copy under a key, if it counts, and where it is.
    #[inline]
    pub fn get(
        &mut self,
        words: &[u64],
        epochs: &Epochs,
        clock: &impl Clock,
        era: u8,
    ) -> Option<(V, Seat)> {
        let seat = self.seat_of(words)?;
        let value = self.take(seat, epochs, || Some(clock.now()), era)?;
        Some((value, seat))
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
        if let Layout::Narrow(table) = &mut self.0
            && words.len() > NARROW
        {
            let narrow = std::mem::replace(table, Table::new(0));
            self.0 = Layout::Wide(narrow.widened());
        }
        of_either!(&mut self.0, table => table.insert(words, held, era, epochs, now, dead));
    }

    /// Look at the next `slots` slots, but no further than the last one, and let go of the copies in
    /// them that count no more.
    pub fn sweep(&mut self, slots: usize, epochs: &Epochs, now: u64, dead: &mut Vec<V>) -> Swept {
        of_either!(&mut self.0, table => table.sweep(slots, epochs, now, dead))
    }

    /// Let go of everything.
    pub fn clear(&mut self, dead: &mut Vec<V>) {
        of_either!(&mut self.0, table => table.clear(dead));
    }

    /// Hits since this was last asked, which the tier has not counted.
    pub fn take_hits(&mut self) -> u64 {
        of_either!(&mut self.0, table => table.take_hits())
    }

    /// Show the values held, to the garbage collector.
    pub fn try_for_each<E>(&self, visit: impl FnMut(&V) -> Result<(), E>) -> Result<(), E> {
        of_either!(&self.0, table => table.values().try_for_each(visit))
    }
}
