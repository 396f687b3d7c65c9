//! The copies that fronts hold of one memory tier's values: who has them, and how they are let go.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use super::front::Swept;
use super::generation::Epochs;
use crate::sync::Mutex;

/// Slots of fronts that are looked at for each bump of an epoch: so no more copies that count no
/// more are kept than a sixteenth of all slots, and what one call more can sweep.
const SWEPT_BY_BUMP: usize = 16;
/// The most slots looked at by one call: some 10 us.
const MOST: usize = 2_048;

/// A front, behind whatever guards it.
pub trait Copies<V>: Send + Sync {
    /// See `Front::sweep`.
    fn sweep(&self, slots: usize, epochs: &Epochs, now: u64, dead: &mut Vec<V>) -> Swept;
    /// See `Front::clear`.
    fn clear(&self, dead: &mut Vec<V>);
    /// See `Front::take_hits`.
    fn take_hits(&self) -> u64;
}

/// All fronts of a tier.
pub struct Fronts<V> {
    known: Mutex<Known<V>>,
    /// Slots that are to be looked at.
    owed: AtomicUsize,
}

struct Known<V> {
    fronts: Vec<Weak<dyn Copies<V>>>,
    /// Whose turn it is to be swept.
    next: usize,
}

impl<V> Default for Fronts<V> {
    fn default() -> Self {
        Self {
            known: Mutex::new(Known {
                fronts: Vec::new(),
                next: 0,
            }),
            owed: AtomicUsize::new(0),
        }
    }
}

impl<V> Fronts<V> {
    /// Let a front have copies.
    pub fn add(&self, front: Weak<dyn Copies<V>>) {
        let mut known = self.known.lock();
        known.fronts.retain(|front| front.strong_count() > 0);
        known.fronts.push(front);
    }

    /// Look at as many slots as are due since epochs were bumped: of each front all, one after the
    /// other, so that large ones have as much as they need.
    pub fn sweep(&self, epochs: &Epochs, now: impl FnOnce() -> u64, dead: &mut Vec<V>) {
        let bumps = epochs.take_bumps() as usize;
        let owed = self.owed.load(Relaxed) + bumps * SWEPT_BY_BUMP;
        if owed == 0 {
            return;
        }
        // Let go after the lock: this may be the last who has it.
        let mut held = Vec::new();
        let mut known = self.known.lock();
        let now = now();
        let mut left = owed.min(MOST);
        let mut turns = 0;
        while left > 0 && turns <= known.fronts.len() && !known.fronts.is_empty() {
            let next = known.next % known.fronts.len();
            let swept = known.fronts[next].upgrade().map(|front| {
                let swept = front.sweep(left, epochs, now, dead);
                held.push(front);
                swept
            });
            left -= swept.map_or(0, |swept| swept.looked_at);
            if swept.is_none_or(|swept| swept.is_through) {
                known.next = next + 1;
                turns += 1;
            }
        }
        // Where slots are left, each was looked at.
        let rest = if left > 0 { 0 } else { owed - owed.min(MOST) };
        self.owed.store(rest, Relaxed);
        drop(known);
    }

    /// Let go of all copies.
    pub fn clear(&self, dead: &mut Vec<V>) {
        self.owed.store(0, Relaxed);
        for front in self.all() {
            front.clear(dead);
        }
    }

    /// Hits that the tier has not counted.
    pub fn take_hits(&self) -> u64 {
        self.all().iter().map(|front| front.take_hits()).sum()
    }

    fn all(&self) -> Vec<Arc<dyn Copies<V>>> {
        let known = self.known.lock();
        known.fronts.iter().filter_map(Weak::upgrade).collect()
    }
}
