//! Generations void what was read before a clear; epochs void copies.

use std::sync::Arc;

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

/// Two keys of one shard.
const KEY: u64 = 7;
const OTHER: u64 = 8;

#[test]
fn clears_of_others_void_nothing_of_a_key_that_is_watched() {
    let generations = Arc::new(Generations::new(8));
    let before = generations.now();
    let watch = generations.watch(KEY);
    for _ in 0..3 {
        generations.lock(OTHER).clear();
        generations.lock(OTHER).tell();
        let begun = generations.begin();
        generations.lock(OTHER).refresh(begun);
    }
    let shard = generations.lock(KEY);
    assert!(!shard.was_cleared_since(before) && !shard.has_newer_than(before));
    drop(shard);
    assert!(generations.lock(OTHER).was_cleared_since(before));

    // Watched no more, it is as if they had been of its own.
    drop(watch);
    assert!(generations.lock(KEY).was_cleared_since(before));
}

#[test]
fn what_voids_a_key_that_is_watched() {
    type Write = fn(&Generations);
    let writes: [(Write, [bool; 3]); 5] = [
        (|all| all.lock(KEY).clear(), [true, true, true]),
        (|all| all.lock(KEY).tell(), [true, false, false]),
        (
            |all| {
                let begun = all.begin();
                all.lock(KEY).refresh(begun);
            },
            [true, true, true],
        ),
        (Generations::clear_all, [true, true, true]),
        (Generations::flush, [true, false, false]),
    ];
    for (write, expected) in writes {
        let generations = Arc::new(Generations::new(8));
        let before = generations.now();
        let _watch = generations.watch(KEY);
        write(&generations);
        let shard = generations.lock(KEY);
        let voided = [
            shard.was_cleared_since(before),
            shard.was_cleared_here_since(before),
            shard.has_newer_than(before),
        ];
        assert_eq!(expected, voided);
    }
}

#[test]
fn what_was_cleared_before_it_was_watched_may_have_been_it() {
    let generations = Arc::new(Generations::new(8));
    let before = generations.now();
    generations.lock(OTHER).clear();
    let after = generations.now();
    let _watch = generations.watch(KEY);
    assert!(generations.lock(KEY).was_cleared_since(before));
    assert!(!generations.lock(KEY).was_cleared_since(after));
}

#[test]
fn a_key_is_watched_until_the_last_has_ended() {
    let generations = Arc::new(Generations::new(8));
    let before = generations.now();
    let first = generations.watch(KEY);
    let last = generations.watch(KEY);
    drop(first);
    generations.lock(OTHER).clear();
    assert!(!generations.lock(KEY).was_cleared_since(before));
    drop(last);
    assert!(generations.lock(KEY).was_cleared_since(before));
}
