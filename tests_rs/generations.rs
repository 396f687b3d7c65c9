//! Generations void what was read before a clear; epochs void copies.

use quickcache::flow::generation::{Epochs, Generations};

#[test]
fn a_bump_voids_what_was_taken_before_and_not_after() {
    let generations = Generations::new(8);
    let before = generations.current(7);
    generations.lock(7).bump();
    let after = generations.current(7);
    assert_ne!(before, after);
    assert_eq!(after, generations.current(7));
}

#[test]
fn another_shard_is_left_alone() {
    let generations = Generations::new(8);
    let other = generations.current(1 << 32);
    generations.lock(0).bump();
    assert_eq!(other, generations.current(1 << 32));
}

#[test]
fn bump_all_reaches_every_shard() {
    let (generations, epochs) = (Generations::new(5), Epochs::new(5));
    let fingerprints: Vec<u64> = (0..8).map(|shard| shard << 32).collect();
    let before: Vec<_> = fingerprints
        .iter()
        .map(|&key| (generations.current(key), epochs.current(key)))
        .collect();
    generations.bump_all();
    epochs.bump_all();
    for (&key, (generation, epoch)) in fingerprints.iter().zip(before) {
        assert_ne!(generation, generations.current(key));
        assert_ne!(epoch, epochs.current(key));
    }
}
