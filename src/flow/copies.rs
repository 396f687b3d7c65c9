//! The copies that fronts hold of one memory tier's values: who has them, and how they are let go.

use std::sync::Weak;

use parking_lot::Mutex;

use super::generation::Epochs;

/// Slots of fronts that are looked at for each bump of an epoch: so no more copies that count no
/// more are kept than a thirty-second of all slots, and what one call more can sweep.
const SWEPT_BY_BUMP: usize = 32;
/// The most slots looked at by one call: some 10 us.
const MOST: usize = 2_048;

/// A front, behind whatever guards it.
pub trait Copies<V>: Send + Sync {
    /// See `Front::sweep`.
    fn sweep(&self, slots: usize, epochs: &Epochs, now: u64, dead: &mut Vec<V>) -> usize;
    /// See `Front::clear`.
    fn clear(&self, dead: &mut Vec<V>);
    /// See `Front::take_hits`.
    fn take_hits(&self) -> u64;
}

/// All fronts of a tier.
pub struct Fronts<V>(Mutex<Known<V>>);

struct Known<V> {
    fronts: Vec<Weak<dyn Copies<V>>>,
    next: usize,
    /// Slots that are to be looked at.
    owed: usize,
}

impl<V> Default for Fronts<V> {
    fn default() -> Self {
        Self(Mutex::new(Known {
            fronts: Vec::new(),
            next: 0,
            owed: 0,
        }))
    }
}

impl<V> Fronts<V> {
    /// Let a front have copies.
    pub fn add(&self, front: Weak<dyn Copies<V>>) {
        let mut known = self.0.lock();
        known.fronts.retain(|front| front.strong_count() > 0);
        known.fronts.push(front);
    }

    /// Look at as many slots as are due since epochs were bumped.
    pub fn sweep(&self, epochs: &Epochs, now: impl FnOnce() -> u64, dead: &mut Vec<V>) {
        let bumps = epochs.take_bumps() as usize;
        if bumps == 0 {
            return;
        }
        let mut known = self.0.lock();
        if known.fronts.is_empty() {
            return;
        }
        known.owed += bumps * SWEPT_BY_BUMP;
        let now = now();
        let mut left = known.owed.min(MOST);
        known.owed -= left;
        // each front once at the most: what is left then would be looked at twice
        for _ in 0..known.fronts.len() {
            known.next = (known.next + 1) % known.fronts.len();
            let front = known.fronts[known.next].upgrade();
            left -= front.map_or(0, |front| front.sweep(left, epochs, now, dead));
            if left == 0 {
                // the same front again, from where it was left
                known.next = known.next.checked_sub(1).unwrap_or(known.fronts.len() - 1);
                return;
            }
        }
        known.owed = 0;
    }

    /// Let go of all copies.
    pub fn clear(&self, dead: &mut Vec<V>) {
        let mut known = self.0.lock();
        known.owed = 0;
        for front in known.fronts.iter().filter_map(Weak::upgrade) {
            front.clear(dead);
        }
    }

    /// Hits that the tier has not counted.
    pub fn take_hits(&self) -> u64 {
        let known = self.0.lock();
        let fronts = known.fronts.iter().filter_map(Weak::upgrade);
        fronts.map(|front| front.take_hits()).sum()
    }
}
