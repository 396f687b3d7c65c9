//! Several tiers as one: asked in order, and what is found further down is promoted.

use super::{Found, Tier};

/// A value found in a stack, and in which of its tiers.
#[derive(Debug, PartialEq, Eq)]
pub struct Hit<V> {
    /// The value with its remaining life.
    pub found: Found<V>,
    /// The tier's place in the stack, from 0.
    pub tier: usize,
}

/// Ask the tiers in order; write what is found to those before it.
///
/// A promoted value lives no longer than the tier it comes from would have kept it, where that tier
/// can tell, so that staleness does not add up.
pub fn get<K: ?Sized, V, T: Tier<K, V>>(tiers: &[T], key: &K) -> Result<Option<Hit<V>>, T::Error> {
    for (tier, below) in tiers.iter().enumerate() {
        if let Some(found) = below.get(key)? {
            for above in &tiers[..tier] {
                above.set(key, &found.value, found.remaining)?;
            }
            return Ok(Some(Hit { found, tier }));
        }
    }
    Ok(None)
}

/// Set `key` in every tier, in order.
pub fn set<K: ?Sized, V, T: Tier<K, V>>(tiers: &[T], key: &K, value: &V) -> Result<(), T::Error> {
    tiers.iter().try_for_each(|tier| tier.set(key, value, None))
}

/// Forget `key` in every tier, in order.
pub fn delete<K: ?Sized, V, T: Tier<K, V>>(tiers: &[T], key: &K) -> Result<(), T::Error> {
    tiers.iter().try_for_each(|tier| tier.delete(key))
}
