//! Generations void what was read before a clear; epochs void copies.

use quickcache::flow::generation::{Epochs, Generations};

#[test]
fn a_clear_voids_what_was_noted_before_it_and_not_after() {
    let generations = Generations::new(8);
    let before = generations.now();
    generations.lock(7).clear();
    let after = generations.now();
    assert!(generations.lock(7).was_cleared_since(before));
    assert!(!generations.lock(7).was_cleared_since(after));
}

#[test]
fn what_is_told_of_elsewhere_is_no_clear_of_this_process() {
    let generations = Generations::new(8);
    let before = generations.now();
    generations.lock(7).tell();
    assert!(generations.lock(7).was_cleared_since(before));
    assert!(!generations.lock(7).was_cleared_here_since(before));
    assert!(!generations.lock(7).has_newer_than(before));
    generations.lock(7).clear();
    assert!(generations.lock(7).was_cleared_here_since(before));
}

#[test]
fn a_flush_is_counted_and_voids_what_was_read_before_it() {
    let generations = Generations::new(8);
    let before = generations.now();
    generations.flush();
    let after = generations.now();
    assert_eq!((0, 1), (before.flushes(), after.flushes()));
    assert!(generations.lock(3 << 32).was_cleared_since(before));
    assert!(!generations.lock(3 << 32).was_cleared_since(after));
}

#[test]
fn another_shard_is_left_alone() {
    let generations = Generations::new(8);
    let before = generations.now();
    generations.lock(0).clear();
    assert!(!generations.lock(1 << 32).was_cleared_since(before));
}

#[test]
fn what_is_for_all_reaches_every_shard() {
    let (generations, epochs) = (Generations::new(5), Epochs::new(5));
    let fingerprints: Vec<u64> = (0..8).map(|shard| shard << 32).collect();
    let before = generations.now();
    let copies: Vec<_> = fingerprints
        .iter()
        .map(|&key| epochs.current(key))
        .collect();
    generations.clear_all();
    epochs.bump_all();
    for (&key, epoch) in fingerprints.iter().zip(copies) {
        assert!(generations.lock(key).was_cleared_since(before));
        assert_ne!(epoch, epochs.current(key));
    }
}
