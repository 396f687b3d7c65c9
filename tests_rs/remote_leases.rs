//! Leases of a tier on a server: who may store what was computed, and what a placeholder is to all others.

use std::time::Duration;

use quickcache::clock::Timeout;
use quickcache::tier::lease::{Lease, placeholder_head};
use quickcache::tier::remote::{Filled, Leased, RemoteTier};

use crate::fake_server::{FakeServer, Values};

const KEY: &[u8] = b"a1";
const FOREVER: Timeout = Timeout::FOREVER;
const LARGE: &[u8] = &[b'x'; 1_001];

fn leased(found: Leased) -> Lease {
    match found {
        Leased::Lease(lease) => lease,
        other => panic!("no lease: {other:?}"),
    }
}

fn value(found: Leased) -> Vec<u8> {
    match found {
        Leased::Value(found) => found.bytes,
        other => panic!("no value: {other:?}"),
    }
}

fn found(tier: &RemoteTier<FakeServer>) -> Option<Vec<u8>> {
    tier.get(KEY, false).unwrap().map(|found| found.bytes)
}

#[test]
fn what_was_computed_under_a_lease_is_stored() {
    let server = FakeServer::default();
    let tier = server.tier();
    let lease = leased(tier.lease(KEY, false).unwrap());
    assert_eq!(Some(lease.placeholder()), server.holds(KEY));
    assert!(
        tier.fill(KEY, b"new", FOREVER, Some(&lease))
            .unwrap()
            .is_current()
    );
    assert_eq!(Some(b"new".to_vec()), found(&tier));
    let stats = tier.stats();
    assert_eq!((1, 1, 0), (stats.leases, stats.stores, stats.refusals));
}

#[test]
fn what_was_computed_before_a_delete_is_not_stored_after_it() {
    let server = FakeServer::default();
    let tier = server.tier();
    let lease = leased(tier.lease(KEY, false).unwrap());
    assert!(tier.delete(KEY).unwrap());
    assert!(
        !tier
            .fill(KEY, b"old", FOREVER, Some(&lease))
            .unwrap()
            .is_current()
    );
    assert_eq!(None, server.holds(KEY));
    // Nor where the next one computes already, or has stored.
    let next = leased(tier.lease(KEY, false).unwrap());
    assert!(
        !tier
            .fill(KEY, b"old", FOREVER, Some(&lease))
            .unwrap()
            .is_current()
    );
    assert!(
        tier.fill(KEY, b"new", FOREVER, Some(&next))
            .unwrap()
            .is_current()
    );
    assert!(
        !tier
            .fill(KEY, b"old", FOREVER, Some(&lease))
            .unwrap()
            .is_current()
    );
    assert_eq!(Some(b"new".to_vec()), found(&tier));
    assert_eq!(3, tier.stats().refusals);
}

#[test]
fn who_comes_second_has_the_value_of_the_first_or_the_same_lease() {
    let server = FakeServer::default();
    let tier = server.tier();
    let lease = leased(tier.lease(KEY, false).unwrap());
    assert_eq!(lease, leased(tier.lease(KEY, false).unwrap()));
    let stats = tier.stats();
    assert_eq!((1, 1), (stats.leases, stats.leases_shared));
    assert!(
        tier.fill(KEY, b"new", FOREVER, Some(&lease))
            .unwrap()
            .is_current()
    );
    assert_eq!(b"new".to_vec(), value(tier.lease(KEY, false).unwrap()));
    // The lease is used up.
    assert!(
        !tier
            .fill(KEY, b"again", FOREVER, Some(&lease))
            .unwrap()
            .is_current()
    );
}

#[test]
fn what_was_in_the_way_and_is_gone_when_looked_at_is_in_nobodys_way() {
    let server = FakeServer::default();
    let tier = server.tier();
    server.put(KEY, b"old");
    server.before("get", Values::clear);
    leased(tier.lease(KEY, false).unwrap());
    assert_eq!(vec!["set", "get", "set"], server.calls());
}

#[test]
fn without_end_nobody_looks_for_a_lease() {
    let server = FakeServer::default();
    let tier = server.tier();
    for _ in 0..10 {
        server.before("set", |values| {
            values.insert(KEY.to_vec(), (b"v".to_vec(), FOREVER));
        });
        server.before("get", Values::clear);
    }
    assert!(matches!(tier.lease(KEY, false).unwrap(), Leased::Unleased));
    assert_eq!(vec!["set", "get", "set", "get"], server.calls());
}

/// A bare Ellipsis, which no token follows.
#[test]
fn an_ellipsis_that_is_nobodys_lease_is_no_value_and_makes_room_for_one() {
    let server = FakeServer::default();
    let tier = server.tier();
    server.put(KEY, placeholder_head());
    assert_eq!(None, found(&tier));
    let lease = leased(tier.lease(KEY, false).unwrap());
    assert_eq!(Some(lease.placeholder()), server.holds(KEY));
    server.put(KEY, placeholder_head());
    let alone = tier.lease_alone(KEY, false, Duration::MAX).unwrap();
    assert_eq!(Some(leased(alone).placeholder()), server.holds(KEY));
}

#[test]
fn a_lease_for_one_alone_is_anothers_once_patience_is_over() {
    let server = FakeServer::default();
    let tier = server.tier();
    let alone = |patience| tier.lease_alone(KEY, false, patience).unwrap();
    let first = leased(alone(Duration::from_secs(60)));
    match alone(Duration::from_secs(60)) {
        Leased::Taken(lease) => assert_eq!(first, lease),
        other => panic!("not taken: {other:?}"),
    }
    let second = leased(alone(Duration::ZERO));
    assert_ne!(first, second);
    assert!(
        !tier
            .fill(KEY, b"late", FOREVER, Some(&first))
            .unwrap()
            .is_current()
    );
    assert!(
        tier.fill(KEY, b"new", FOREVER, Some(&second))
            .unwrap()
            .is_current()
    );
    assert_eq!(b"new".to_vec(), value(alone(Duration::ZERO)));
}

#[test]
fn a_lease_given_back_is_free_for_the_next() {
    let server = FakeServer::default();
    let tier = server.tier();
    let patience = Duration::from_secs(60);
    let lease = leased(tier.lease_alone(KEY, false, patience).unwrap());
    assert!(tier.release(KEY, &lease).unwrap());
    leased(tier.lease_alone(KEY, false, patience).unwrap());
    // Not somebody else's.
    assert!(!tier.release(KEY, &lease).unwrap());
}

#[test]
fn a_marked_value_stays_until_the_new_one_replaces_it() {
    let server = FakeServer::default();
    let tier = server.tier();
    server.put(KEY, b"\x80old.");
    let lease = tier.mark(KEY, true).unwrap().unwrap();
    let marked = [b"\x80old.", lease.token()].concat();
    assert_eq!(Some(marked.clone()), found(&tier));
    assert_eq!(marked, value(tier.lease(KEY, false).unwrap()));
    assert!(
        tier.fill(KEY, b"new", FOREVER, Some(&lease))
            .unwrap()
            .is_current()
    );
    assert_eq!(Some(b"new".to_vec()), found(&tier));
}

#[test]
fn of_two_refreshes_the_later_one_wins_and_none_after_a_delete() {
    let server = FakeServer::default();
    let tier = server.tier();
    server.put(KEY, b"\x80old.");
    let first = tier.mark(KEY, true).unwrap().unwrap();
    let second = tier.mark(KEY, true).unwrap().unwrap();
    assert!(
        !tier
            .fill(KEY, b"1", FOREVER, Some(&first))
            .unwrap()
            .is_current()
    );
    // What the first was to replace is older than what its caller has, and the second may never store.
    assert_eq!(Some(second.placeholder()), server.holds(KEY));
    assert!(
        tier.fill(KEY, b"2", FOREVER, Some(&second))
            .unwrap()
            .is_current()
    );
    let third = tier.mark(KEY, true).unwrap().unwrap();
    assert!(tier.delete(KEY).unwrap());
    assert!(
        !tier
            .fill(KEY, b"3", FOREVER, Some(&third))
            .unwrap()
            .is_current()
    );
    assert_eq!(None, server.holds(KEY));
}

#[test]
fn a_refresh_that_is_too_large_to_keep_and_overtaken_leaves_no_old_value() {
    let server = FakeServer::default();
    let tier = server.tier();
    server.put(KEY, b"\x80old.");
    let first = tier.mark(KEY, true).unwrap().unwrap();
    let second = tier.mark(KEY, true).unwrap().unwrap();
    let filled = tier.fill(KEY, b"1", Timeout::NONE, Some(&first)).unwrap();
    assert_eq!(Filled::Overtaken, filled);
    assert_eq!(Some(second.placeholder()), server.holds(KEY));
}

#[test]
fn a_refresh_that_is_refused_takes_no_newer_value_away() {
    let server = FakeServer::default();
    let tier = server.tier();
    server.put(KEY, b"\x80old.");
    let first = tier.mark(KEY, true).unwrap().unwrap();
    server.put(KEY, b"\x80newer.");
    let filled = tier.fill(KEY, b"1", FOREVER, Some(&first)).unwrap();
    assert_eq!(Filled::Overtaken, filled);
    assert_eq!(Some(b"\x80newer.".to_vec()), server.holds(KEY));
}

#[test]
fn a_mark_given_back_leaves_the_old_value() {
    let server = FakeServer::default();
    let tier = server.tier();
    server.put(KEY, b"\x80old.");
    let lease = tier.mark(KEY, true).unwrap().unwrap();
    tier.release(KEY, &lease).unwrap();
    assert!(found(&tier).is_some_and(|bytes| bytes.starts_with(b"\x80old.")));
    server.take(KEY);
    // Where there was no value, a mark is a placeholder like any other.
    let lease = tier.mark(KEY, true).unwrap().unwrap();
    assert_eq!(Some(lease.placeholder()), server.holds(KEY));
    assert!(tier.release(KEY, &lease).unwrap());
}

#[test]
fn a_placeholder_is_no_value_to_anybody() {
    let server = FakeServer::default();
    let tier = server.tier();
    leased(tier.lease(KEY, false).unwrap());
    assert_eq!(None, found(&tier));
    assert!(!tier.contains(KEY).unwrap());
    assert!(!tier.touch(KEY, FOREVER).unwrap());
    assert_eq!(None, tier.increment(KEY, 1).unwrap());
    assert_eq!(vec![None], tier.get_many(&[KEY.to_vec()]).unwrap());
    let stats = tier.stats();
    assert_eq!((0, 2), (stats.hits, stats.misses));
    assert!(tier.add(KEY, b"added", FOREVER).unwrap());
    assert_eq!(Some(b"added".to_vec()), found(&tier));
    assert!(!tier.add(KEY, b"again", FOREVER).unwrap());
}

#[test]
fn an_add_that_is_overtaken_at_every_try_ends() {
    let server = FakeServer::default();
    let tier = server.tier();
    for _ in 0..10 {
        server.before("set", |values| {
            values.insert(KEY.to_vec(), (b"v".to_vec(), FOREVER));
        });
        server.before("get", Values::clear);
    }
    assert!(!tier.add(KEY, b"added", FOREVER).unwrap());
    assert_eq!(["set", "get"].repeat(3), server.calls());
}

#[test]
fn a_value_that_is_too_large_is_not_kept_nor_is_what_it_was_to_replace() {
    let server = FakeServer::default();
    let tier = server.tier();
    server.put(KEY, b"old");
    assert!(!tier.set(KEY, LARGE, FOREVER).unwrap());
    assert_eq!(None, server.holds(KEY));
    assert!(!tier.add(KEY, LARGE, FOREVER).unwrap());
    server.put(KEY, b"old");
    let items = vec![
        (KEY.to_vec(), LARGE.to_vec()),
        (b"a2".to_vec(), b"2".to_vec()),
    ];
    let (failed, result) = tier.set_many(items, FOREVER);
    assert_eq!((vec![KEY.to_vec()], true), (failed, result.is_ok()));
    assert_eq!(
        (None, Some(b"2".to_vec())),
        (server.holds(KEY), server.holds(b"a2"))
    );
    assert!(tier.set(KEY, &LARGE[1..], FOREVER).unwrap());
    assert_eq!(3, tier.stats().refusals);
}

/// The tiers above may keep it: only a clear forbids them to.
#[test]
fn a_computed_value_that_is_too_large_lets_its_lease_go_and_is_told_from_one_overtaken_by_a_clear()
{
    let server = FakeServer::default();
    let tier = server.tier();
    for life in [FOREVER, Timeout::NONE] {
        let bytes = if life == FOREVER {
            LARGE
        } else {
            b"short-lived"
        };
        let lease = leased(tier.lease(KEY, false).unwrap());
        assert!(
            tier.fill(KEY, bytes, life, Some(&lease))
                .unwrap()
                .is_current()
        );
        assert_eq!(None, server.holds(KEY));
        server.put(KEY, b"\x80old.");
        let lease = tier.mark(KEY, true).unwrap().unwrap();
        assert!(
            tier.fill(KEY, bytes, life, Some(&lease))
                .unwrap()
                .is_current()
        );
        assert_eq!(None, server.holds(KEY));
        let lease = leased(tier.lease(KEY, false).unwrap());
        tier.delete(KEY).unwrap();
        server.put(KEY, b"newer");
        assert!(
            !tier
                .fill(KEY, bytes, life, Some(&lease))
                .unwrap()
                .is_current()
        );
        assert_eq!(Some(b"newer".to_vec()), server.holds(KEY));
        assert!(tier.fill(KEY, bytes, life, None).unwrap().is_current());
        assert_eq!(None, server.holds(KEY));
    }
}

#[test]
fn a_life_below_a_millisecond_is_none() {
    type Write = fn(&RemoteTier<FakeServer>, Timeout) -> bool;
    let server = FakeServer::default();
    let tier = server.tier();
    let short = Timeout::after(Duration::from_micros(999));
    let writes: [(&str, Write); 4] = [
        ("set", |tier, life| tier.set(KEY, b"new", life).unwrap()),
        ("touch", |tier, life| !tier.touch(KEY, life).unwrap()),
        ("replace", |tier, life| {
            !tier.replace(KEY, b"old", b"new", life).unwrap()
        }),
        ("set_many", |tier, life| {
            let item = (KEY.to_vec(), b"new".to_vec());
            tier.set_many(vec![item], life).0.is_empty()
        }),
    ];
    for life in [short, Timeout::NONE] {
        for (name, write) in writes {
            server.put(KEY, b"old");
            assert!(!write(&tier, life), "{name}");
            assert_eq!(None, server.holds(KEY), "{name}");
        }
        assert!(!tier.add(KEY, b"new", life).unwrap());
        assert_eq!(None, server.holds(KEY));
    }
    let one = Timeout::after(Duration::from_millis(1));
    assert!(tier.set(KEY, b"new", one).unwrap());
    assert_eq!(Some(b"new".to_vec()), server.holds(KEY));
}
