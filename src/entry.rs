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
}
