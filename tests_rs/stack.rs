//! Several tiers as one: order, promotion, and how long what is promoted may live.

use std::sync::Arc;
use std::time::Duration;

use quickcache::clock::{ManualClock, Timeout};
use quickcache::key::packed::PackedKey;
use quickcache::tier::bounds::{Options, Policy};
use quickcache::tier::memory::{MemoryTier, Write};
use quickcache::tier::{Found, Tier, stack};

struct Memory(MemoryTier<u32, Arc<ManualClock>>);

impl Tier<PackedKey, u32> for &Memory {
    type Error = std::convert::Infallible;

    fn get(&self, key: &PackedKey) -> Result<Option<Found<u32>>, Self::Error> {
        Ok(self.0.get(key))
    }

    fn set(
        &self,
        key: &PackedKey,
        value: &u32,
        at_most: Option<Timeout>,
    ) -> Result<(), Self::Error> {
        let own = self.0.options().timeout;
        let timeout = at_most.map_or(own, |most| own.min(most));
        self.0.set(key.clone(), *value, 4, timeout, Write::Always);
        Ok(())
    }

    fn delete(&self, key: &PackedKey) -> Result<(), Self::Error> {
        self.0.delete(key);
        Ok(())
    }
}

/// The value under `key`, and how many tiers missed it.
fn get(tiers: &[Memory], key: &PackedKey) -> Option<(u32, usize)> {
    let mut missed = Vec::new();
    let hit = stack::get(tiers.iter().map(Ok), key, &mut missed).unwrap()?;
    Some((hit.found.value, missed.len()))
}

fn seconds(seconds: u64) -> Timeout {
    Timeout::after(Duration::from_secs(seconds))
}

fn tiers(clock: &Arc<ManualClock>, timeouts: [u64; 2]) -> Vec<Memory> {
    let tier = |timeout| {
        let options = Options {
            max_entries: Some(10),
            max_bytes: None,
            timeout: seconds(timeout),
            policy: Policy::TinyLfu,
        };
        Memory(MemoryTier::new(options, Arc::clone(clock)).unwrap())
    };
    timeouts.map(tier).into()
}

#[test]
fn the_first_tier_that_has_it_answers_and_those_before_are_filled() {
    let clock = Arc::default();
    let tiers = tiers(&clock, [10, 100]);
    let key = PackedKey::pack(b"key");
    (&tiers[1]).set(&key, &7, None).unwrap();
    assert_eq!(Some((7, 1)), get(&tiers, &key));
    assert_eq!(Some((7, 0)), get(&tiers, &key));
}

#[test]
fn a_promoted_value_lives_no_longer_than_where_it_comes_from() {
    let clock = Arc::<ManualClock>::default();
    let tiers = tiers(&clock, [10, 100]);
    let key = PackedKey::pack(b"key");
    (&tiers[1]).set(&key, &7, None).unwrap();
    clock.advance(Duration::from_secs(95));
    get(&tiers, &key);
    assert_eq!(Some(seconds(5)), tiers[0].0.get(&key).unwrap().remaining);
}

#[test]
fn a_promoted_value_lives_no_longer_than_its_new_tier_keeps_values() {
    let clock = Arc::default();
    let tiers = tiers(&clock, [10, 100]);
    let key = PackedKey::pack(b"key");
    (&tiers[1]).set(&key, &7, None).unwrap();
    get(&tiers, &key);
    assert_eq!(Some(seconds(10)), tiers[0].0.get(&key).unwrap().remaining);
}

#[test]
fn set_and_delete_reach_every_tier() {
    let clock = Arc::default();
    let tiers = tiers(&clock, [10, 100]);
    let key = PackedKey::pack(b"key");
    stack::set(tiers.iter().map(Ok), &key, &1).unwrap();
    assert_eq!(
        vec![1, 1],
        tiers.iter().map(|tier| tier.0.len()).collect::<Vec<_>>()
    );
    stack::delete(tiers.iter().map(Ok), &key).unwrap();
    assert_eq!(
        vec![0, 0],
        tiers.iter().map(|tier| tier.0.len()).collect::<Vec<_>>()
    );
}
