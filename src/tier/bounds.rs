//! How much a memory tier holds, for how long, and what has to go first.

use crate::clock::Timeout;
use crate::error::Error;

/// What moka weighs against when sizes count: an entry's weight has to fit into 32 bits.
const CAPACITY: u64 = u32::MAX as u64;

/// What decides which values stay when the tier is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Frequency of use: the best hit ratio; may refuse a newcomer.
    TinyLfu,
    /// Recency of use: a newcomer always gets in.
    Lru,
}

impl Policy {
    /// The policy of a name.
    pub fn named(name: &str) -> Result<Self, Error> {
        match name {
            "tinylfu" => Ok(Self::TinyLfu),
            "lru" => Ok(Self::Lru),
            _ => Err(Error::UnknownChoice {
                option: "policy",
                given: name.to_owned(),
                accepted: &["tinylfu", "lru"],
            }),
        }
    }

    /// The policy's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TinyLfu => "tinylfu",
            Self::Lru => "lru",
        }
    }
}

/// The bounds of a memory tier.
#[derive(Debug, Clone)]
pub struct Options {
    /// The most values held.
    pub max_entries: Option<u64>,
    /// The most memory taken, in bytes, by estimate.
    pub max_bytes: Option<u64>,
    /// The life of a value that is set without one.
    pub timeout: Timeout,
    /// What decides which values stay.
    pub policy: Policy,
}

impl Options {
    pub(super) fn check(self) -> Result<Self, Error> {
        for (option, bound) in [
            ("max_entries", self.max_entries),
            ("max_bytes", self.max_bytes),
        ] {
            if bound == Some(0) {
                return Err(Error::ZeroBound { option });
            }
        }
        Ok(self)
    }

    /// An entry's share of the capacity; None if it is larger than the whole.
    pub(super) fn weight(&self, size: u32) -> Option<u32> {
        let Some(max_bytes) = self.max_bytes else {
            return Some(1);
        };
        let by_bytes = (u64::from(size) * CAPACITY).div_ceil(max_bytes);
        let by_count = self.max_entries.map_or(0, |most| CAPACITY.div_ceil(most));
        u32::try_from(by_bytes.max(by_count)).ok()
    }

    pub(super) fn capacity(&self) -> Option<u64> {
        self.max_bytes.map(|_| CAPACITY).or(self.max_entries)
    }

    /// Whether more is held than the bounds and the writes that moka has not yet seen account for.
    pub(super) fn exceeded(&self, entries: usize, bytes: u64) -> bool {
        let over = |held: u64, most: Option<u64>, slack: u64| {
            most.is_some_and(|most| {
                // Small bounds are kept to, as those of tests are; but where a fresh key may be refused, it
                // has this while to be asked for.
                let slack = match self.policy {
                    Policy::Lru => slack.min(most / 8),
                    Policy::TinyLfu => slack,
                };
                held > most.saturating_add(most / 32).saturating_add(slack)
            })
        };
        over(entries as u64, self.max_entries, 64) || over(bytes, self.max_bytes, 64 * 1024)
    }

    /// How many entries fit, as far as can be told from those held.
    pub(super) fn fits(&self, held: usize) -> u64 {
        match (self.max_entries, self.max_bytes) {
            (Some(most), None) => most,
            _ => held as u64,
        }
    }

    /// Shards for generations and epochs: enough that keys seldom share one, in little memory.
    pub(super) fn shards(&self) -> usize {
        let entries = self.max_entries.unwrap_or(u64::MAX).clamp(64, 8_192);
        usize::try_from(entries).unwrap_or(8_192)
    }
}
