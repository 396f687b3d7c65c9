//! Generations and epochs: how a reader knows that what it holds has been overtaken.
//!
//! A **generation** is a moment in the order of clears. Whoever notes it before reading a lower tier
//! or computing may store only if the key's shard was not cleared or overwritten by request since,
//! which is compared under the shard's lock. It is noted without knowing the key: each shard
//! remembers when it was last cleared, in a sequence common to all. Two keys of one shard may void each
//! other, which costs a store and never truth. For as long as a value is computed, its key is **watched**:
//! then it is remembered of that key alone, and thousands of clears of others keep nothing from being stored.
//!
//! An **epoch** is counted per shard, and moves also when a value is evicted or replaced: a copy of
//! a value held elsewhere counts only while it is unchanged. Here too keys of one shard may void each other.
//!
//! What a server tells of changes is noted apart: it voids what was read from the server before, and not what is being
//! computed, which the server refuses by itself if it is void. Of what a process writes there, it is told as well.
//!
//! A **flush** voids all values that need trust at once, by its number: none that was noted before counts.

use std::sync::Arc;

use super::trust::Trust;
use crate::gate;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// A moment in the order of clears, and in that of flushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation {
    moment: u64,
    flushes: u32,
}

impl Generation {
    /// How many flushes there had been.
    pub fn flushes(self) -> u32 {
        self.flushes
    }
}

/// The order of clears, and when each shard was last cleared; a shard's lock orders its writes.
#[derive(Debug)]
pub struct Generations {
    clears: AtomicU64,
    /// How often everything that needs trust was voided.
    flushes: AtomicU32,
    shards: Box<[Mutex<State>]>,
}

/// What a shard remembers.
#[derive(Debug, Default)]
struct State {
    last: Last,
    /// The keys for which values are being computed.
    watched: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    fingerprint: u64,
    watchers: u32,
    /// Of the whole shard until it was watched, and from then on of the key.
    last: Last,
}

/// The last moments of a shard, or of a key.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    /// When it was last cleared or refreshed: what was read before is void.
    voided: u64,
    /// When it was last cleared, or what it was last refreshed with was begun, whichever is later: what a
    /// refresh begun before has computed is void.
    cleared: u64,
    /// When it was last heard that a key was changed elsewhere: what was read before may be void.
    told: u64,
}

impl Generations {
    /// As many shards as given, rounded up to a power of two.
    pub fn new(shards: usize) -> Self {
        Self {
            clears: AtomicU64::new(0),
            flushes: AtomicU32::new(0),
            shards: (0..shards.next_power_of_two())
                .map(|_| Mutex::default())
                .collect(),
        }
    }

    /// The moment now.
    pub fn now(&self) -> Generation {
        self.at(|clears| clears.load(Ordering::SeqCst))
    }

    /// The moment now, told from all others: when a refresh begins.
    pub fn begin(&self) -> Generation {
        self.at(|clears| clears.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn at(&self, moment: impl FnOnce(&AtomicU64) -> u64) -> Generation {
        // Before the moment: what is flushed after this voids the generation or its value.
        let flushes = self.flushes();
        Generation {
            moment: moment(&self.clears),
            flushes,
        }
    }

    /// How many flushes there were.
    pub fn flushes(&self) -> u32 {
        self.flushes.load(Ordering::SeqCst)
    }

    /// Void all that was read before now and needs trust, stored or not.
    pub fn flush(&self) {
        self.flushes.fetch_add(1, Ordering::SeqCst);
        self.shards().for_each(|mut shard| shard.tell());
    }

    /// Take the lock under which the shard of `fingerprint` is written.
    pub fn lock(&self, fingerprint: u64) -> Shard<'_> {
        Shard {
            clears: &self.clears,
            state: self.shards[shard_of(fingerprint, self.shards.len())].lock(),
            key: Some(fingerprint),
        }
    }

    /// Remember apart when this key is cleared, for as long as the watch is kept.
    pub fn watch(self: &Arc<Self>, fingerprint: u64) -> Watch {
        let _pass = gate::enter();
        let mut shard = self.lock(fingerprint);
        if let Some(known) = shard.state.of(fingerprint) {
            known.watchers += 1;
        } else {
            let last = shard.state.last;
            shard.state.watched.push(Watched {
                fingerprint,
                watchers: 1,
                last,
            });
        }
        Watch {
            generations: Arc::clone(self),
            fingerprint,
        }
    }

    /// Clear every shard.
    pub fn clear_all(&self) {
        self.shards().for_each(|mut shard| shard.clear());
    }

    /// Each shard, locked when its turn comes.
    fn shards(&self) -> impl Iterator<Item = Shard<'_>> {
        self.shards.iter().map(|state| Shard {
            clears: &self.clears,
            state: state.lock(),
            key: None,
        })
    }
}

/// A key that is watched: clears of others do not count for it.
#[derive(Debug)]
pub struct Watch {
    generations: Arc<Generations>,
    fingerprint: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _pass = gate::enter();
        let mut shard = self.generations.lock(self.fingerprint);
        if let Some(known) = shard.state.of(self.fingerprint) {
            known.watchers -= 1;
            shard.state.watched.retain(|known| known.watchers > 0);
        }
    }
}

impl State {
    fn of(&mut self, fingerprint: u64) -> Option<&mut Watched> {
        let mut watched = self.watched.iter_mut();
        watched.find(|known| known.fingerprint == fingerprint)
    }
}

/// A shard, locked for a write.
#[derive(Debug)]
pub struct Shard<'a> {
    clears: &'a AtomicU64,
    state: MutexGuard<'a, State>,
    /// The key that is asked about or written; None: all of them.
    key: Option<u64>,
}

impl Shard<'_> {
    /// Whether the key may have been cleared or refreshed after that moment, here or elsewhere.
    pub fn was_cleared_since(&self, generation: Generation) -> bool {
        let last = self.last();
        last.voided.max(last.told) > generation.moment
    }

    /// Whether it may have been by this process.
    pub fn was_cleared_here_since(&self, generation: Generation) -> bool {
        self.last().voided > generation.moment
    }

    /// Void what was read before now: a key was changed elsewhere, or by what this process told a server.
    pub fn tell(&mut self) {
        let now = self.next();
        self.note(|last| last.told = now);
    }

    /// What is known of the key: of itself if it is watched, or else of its shard.
    fn last(&self) -> &Last {
        let state = &*self.state;
        let mut watched = state.watched.iter();
        let own = watched.find(|known| Some(known.fingerprint) == self.key);
        own.map_or(&state.last, |own| &own.last)
    }

    fn note(&mut self, note: impl Fn(&mut Last)) {
        let (key, state) = (self.key, &mut *self.state);
        note(&mut state.last);
        for known in &mut state.watched {
            if key.is_none_or(|key| key == known.fingerprint) {
                note(&mut known.last);
            }
        }
    }

    fn next(&self) -> u64 {
        self.clears.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether a refresh that began at that moment is overtaken: by a clear, or a refresh begun later.
    pub fn has_newer_than(&self, begun: Generation) -> bool {
        self.last().cleared > begun.moment
    }

    /// Void what was read before now, for what a refresh has computed that began at that moment.
    pub fn refresh(&mut self, begun: Generation) {
        let now = self.next();
        self.note(|last| {
            last.voided = now;
            last.cleared = last.cleared.max(begun.moment);
        });
    }

    /// Void what was read or computed before now.
    pub fn clear(&mut self) {
        let now = self.next();
        self.note(|last| {
            last.voided = now;
            last.cleared = now;
        });
    }
}

/// The epoch of a shard at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    pub(super) number: u32,
    pub(super) shard: u16,
}

/// The epochs of all shards, read without a lock; and until when copies count that need trust.
#[derive(Debug)]
pub struct Epochs {
    trust: Trust,
    shards: Box<[AtomicU32]>,
    /// How often epochs were bumped since `take_bumps`.
    bumps: AtomicU32,
}

impl Epochs {
    /// As many shards as given, rounded up to a power of two; 32,768 at most.
    pub fn new(shards: usize) -> Self {
        Self {
            trust: Trust::default(),
            shards: (0..shards.next_power_of_two().min(32_768))
                .map(|_| AtomicU32::new(0))
                .collect(),
            bumps: AtomicU32::new(0),
        }
    }

    /// The epoch now.
    pub fn current(&self, fingerprint: u64) -> Epoch {
        let shard = shard_of(fingerprint, self.shards.len());
        Epoch {
            number: self.shards[shard].load(Ordering::Acquire),
            shard: u16::try_from(shard).unwrap_or_default(),
        }
    }

    /// Whether nothing was voided in its shard since the epoch was noted.
    #[inline]
    pub fn is_current(&self, epoch: Epoch) -> bool {
        self.shards
            .get(usize::from(epoch.shard))
            .is_some_and(|number| number.load(Ordering::Acquire) == epoch.number)
    }

    /// Until when copies count that need trust.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Void copies of values of this shard. Neither allocates nor locks nor panics.
    pub fn bump(&self, fingerprint: u64) {
        if let Some(epoch) = self.shards.get(shard_of(fingerprint, self.shards.len())) {
            epoch.fetch_add(1, Ordering::AcqRel);
            self.bumps.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Void all copies.
    pub fn bump_all(&self) {
        for epoch in &self.shards {
            epoch.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Void all copies, and have them let go of by and by.
    pub fn flush(&self) {
        self.bump_all();
        let shards = u32::try_from(self.shards.len()).unwrap_or(u32::MAX);
        self.bumps.fetch_add(shards, Ordering::Relaxed);
    }

    /// How often single shards were bumped since this was last asked.
    pub fn take_bumps(&self) -> u32 {
        if self.bumps.load(Ordering::Relaxed) == 0 {
            0
        } else {
            self.bumps.swap(0, Ordering::Relaxed)
        }
    }
}

/// The shard of a fingerprint among a power of two of them.
#[allow(clippy::cast_possible_truncation)] // the upper half is all that is wanted
fn shard_of(fingerprint: u64, shards: usize) -> usize {
    (fingerprint >> 32) as usize & (shards - 1)
}
