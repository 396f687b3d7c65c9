//! What a tier keeps of a value.

use crate::clock::Deadline;

/// A value with the end of its life and its estimated size in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<V> {
    /// The value itself.
    pub value: V,
    /// From when on it counts no more.
    pub deadline: Deadline,
    /// An estimate of the memory it takes, in bytes.
    pub size: u32,
    /// How many flushes there had been when it was read or computed: if it needs trust, it counts until the next.
    pub flushes: u32,
}

impl<V> Entry<V> {
    /// Whether it was flushed, where there have been so many flushes.
    pub fn is_flushed(&self, flushes: u32) -> bool {
        self.deadline.needs_trust() && self.flushes != flushes
    }
}
