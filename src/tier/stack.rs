//! Several tiers as one: asked in order, and what is found further down is promoted.
//!
//! Tiers come from an iterator, one at a time: a hit in the first needs no more than the first.

use super::{Found, Tier};

/// A value found in a stack, and the tier that had it.
#[derive(Debug)]
pub struct Hit<V, T> {
    /// The value with its remaining life.
    pub found: Found<V>,
    /// Where it was found.
    pub tier: T,
}

/// Ask the tiers in order; write what is found to those before it. `missed` is given these.
///
/// A promoted value lives no longer than the tier it comes from would have kept it, where that tier
/// can tell, so that staleness does not add up.
pub fn get<K: ?Sized, V, T: Tier<K, V>>(
    tiers: impl IntoIterator<Item = Result<T, T::Error>>,
    key: &K,
    missed: &mut Vec<T>,
) -> Result<Option<Hit<V, T>>, T::Error> {
    for tier in tiers {
        let tier = tier?;
        if let Some(found) = tier.get(key)? {
            promote(missed, key, &found)?;
            return Ok(Some(Hit { found, tier }));
        }
        missed.push(tier);
    }
    Ok(None)
}

/// Write what was found to the tiers above.
pub fn promote<K: ?Sized, V, T: Tier<K, V>>(
    above: &[T],
    key: &K,
    found: &Found<V>,
) -> Result<(), T::Error> {
    for (place, tier) in above.iter().enumerate() {
        tier.set(key, &found.value, found.remaining)?;
        forget_overtaken(tier, &above[..place], key)?;
    }
    Ok(())
}

/// Set `key` in every tier, the lowest first. What that refuses, since the key was cleared, is in none of those
/// above; with `replaces`, nor is what they had. For tiers of which nobody can tell the order, and values that
/// are computed. Whether it was refused.
pub fn fill<K: ?Sized, V, T: Tier<K, V>>(
    tiers: &[T],
    key: &K,
    value: &V,
    replaces: bool,
) -> Result<bool, T::Error> {
    for (place, tier) in tiers.iter().enumerate().rev() {
        tier.set(key, value, None)?;
        if tier.was_overtaken() {
            for above in tiers[..place].iter().filter(|_| replaces) {
                above.delete(key)?;
            }
            return Ok(true);
        }
    }
    Ok(false)
}

/// Set `key` in every tier, in order.
pub fn set<K: ?Sized, V, T: Tier<K, V>>(
    tiers: impl IntoIterator<Item = Result<T, T::Error>>,
    key: &K,
    value: &V,
) -> Result<(), T::Error> {
    each(tiers, |tier, above| {
        tier.set(key, value, None)?;
        forget_overtaken(tier, above, key)
    })
}

/// Forget `key` in every tier, in order.
pub fn delete<K: ?Sized, V, T: Tier<K, V>>(
    tiers: impl IntoIterator<Item = Result<T, T::Error>>,
    key: &K,
) -> Result<(), T::Error> {
    each(tiers, |tier, _| tier.delete(key))
}

/// If what was just written was overtaken, forget it in the tiers above, and what is on its way there.
fn forget_overtaken<K: ?Sized, V, T: Tier<K, V>>(
    tier: &T,
    above: &[T],
    key: &K,
) -> Result<(), T::Error> {
    if tier.was_overtaken() {
        above.iter().try_for_each(|tier| tier.delete(key))?;
    }
    Ok(())
}

fn each<K: ?Sized, V, T: Tier<K, V>>(
    tiers: impl IntoIterator<Item = Result<T, T::Error>>,
    write: impl Fn(&T, &[T]) -> Result<(), T::Error>,
) -> Result<(), T::Error> {
    let mut above = Vec::new();
    let mut result = Ok(());
    for tier in tiers {
        result = tier.and_then(|tier| {
            let written = write(&tier, &above);
            above.push(tier);
            written
        });
        if result.is_err() {
            break;
        }
    }
    above.pop();
    above.iter().for_each(T::settle);
    result
}
