//! Tiers: what keeps values, fast and local or slow and shared, and several of them as one.

pub mod bounds;
pub mod breaker;
pub mod coherence;
pub mod lease;
pub mod memory;
pub mod remote;
pub mod server;
pub mod stack;
pub mod undelivered;

mod courier;
mod ledger;
mod links;
mod slab;
mod store;

use crate::clock::Timeout;

/// A value that a tier found, and how long it has yet to live, where the tier can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<V> {
    /// The value itself.
    pub value: V,
    /// The life it has left.
    pub remaining: Option<Timeout>,
}

/// One place that keeps values.
///
/// Tiers are given keys of their own kind, so that a tier of another language can have its keys as
/// that language's objects.
pub trait Tier<K: ?Sized, V> {
    /// What can go wrong.
    type Error;

    /// The value under `key`, if there is one.
    fn get(&self, key: &K) -> Result<Option<Found<V>>, Self::Error>;

    /// Keep `value` under `key`, for the tier's own timeout but no longer than `at_most`.
    fn set(&self, key: &K, value: &V, at_most: Option<Timeout>) -> Result<(), Self::Error>;

    /// Forget `key`.
    fn delete(&self, key: &K) -> Result<(), Self::Error>;

    /// Whether the last write was overtaken by a clear while others could read what it wrote. It is undone;
    /// those who read it may have promoted it to the tiers above.
    fn was_overtaken(&self) -> bool {
        false
    }

    /// Do the last write or delete again, where nobody can tell: the tiers below have followed, and
    /// what was read from them before may have been promoted to this one in between.
    fn settle(&self) {}
}
