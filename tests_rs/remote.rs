//! A tier on a server that fails: who is asked, who is not, and what is counted and said.

use std::sync::Arc;
use std::time::Duration;

use quickcache::clock::{ManualClock, Timeout};
use quickcache::notices::Notices;
use quickcache::tier::server::FailureKind::{
    Away, LogIn, NotReady, Protocol, Refused, Timeout as TimedOut, Unreachable,
};
use quickcache::tier::server::{Failure, FailureKind};

use crate::fake_server::{FakeServer, wait_until};

/// Of two shards.
const KEY: &[u8] = b"a1";
const OTHER: &[u8] = b"b1";
const FOREVER: Timeout = Timeout::FOREVER;

fn kind<T>(result: Result<T, Failure>) -> Option<FailureKind> {
    result.err().map(|failure| failure.kind)
}

fn owned(keys: &[&[u8]]) -> Vec<Vec<u8>> {
    keys.iter().map(|key| key.to_vec()).collect()
}

#[test]
fn each_kind_of_failure_is_told_and_counts_as_a_miss() {
    for fails in [TimedOut, Unreachable, Protocol, LogIn, NotReady, Refused] {
        let server = FakeServer::default();
        let tier = server.tier_left_alone();
        server.fail(b'a', fails);
        assert_eq!(Some(fails), kind(tier.get(KEY, false)));
        let stats = tier.stats();
        let timeouts = u64::from(fails == TimedOut);
        assert_eq!(
            (0, 1, 1, timeouts),
            (stats.hits, stats.misses, stats.errors, stats.timeouts)
        );
    }
}

#[test]
fn every_operation_tells_of_its_failure() {
    let server = FakeServer::default();
    let tier = server.tier_left_alone();
    server.fail(b'a', Refused);
    let keys = owned(&[KEY]);
    let item = (KEY.to_vec(), b"v".to_vec());
    let failed = [
        kind(tier.get(KEY, false)),
        kind(tier.add(KEY, b"v", FOREVER)),
        kind(tier.contains(KEY)),
        kind(tier.touch(KEY, FOREVER)),
        kind(tier.increment(KEY, 1)),
        kind(tier.get_many(&keys)),
        kind(tier.lease(KEY, false)),
        kind(tier.mark(KEY, true)),
        kind(tier.set(KEY, b"v", FOREVER)),
        kind(tier.set_many(vec![item], FOREVER).1),
        kind(tier.delete(KEY)),
        kind(tier.delete_many(&keys)),
    ];
    assert_eq!([Some(Refused); 12], failed);
    let stats = tier.stats();
    assert_eq!((12, 0, 0), (stats.errors, stats.stores, stats.deletes));
}

#[test]
fn after_three_failures_in_a_row_that_shard_is_not_asked_and_the_others_are() {
    for fails in [TimedOut, Unreachable, Protocol, LogIn, NotReady] {
        let server = FakeServer::default();
        let tier = server.tier_left_alone();
        server.fail(b'a', fails);
        for _ in 0..3 {
            assert_eq!(Some(fails), kind(tier.get(KEY, false)));
        }
        assert_eq!(vec!["get"; 3], server.calls());
        for _ in 0..5 {
            assert_eq!(Some(Away), kind(tier.get(KEY, false)));
        }
        assert_eq!(Some(Away), kind(tier.contains(KEY)));
        assert_eq!(Vec::<&str>::new(), server.calls());
        assert_eq!(None, kind(tier.get(OTHER, false)));
        assert_eq!(vec!["get"], server.calls());
        let stats = tier.stats();
        assert_eq!(
            (3, 1, 6, 9),
            (
                stats.errors,
                stats.breaker_opens,
                stats.rejections,
                stats.misses
            )
        );
    }
}

#[test]
fn a_success_in_between_keeps_the_breaker_shut() {
    let server = FakeServer::default();
    let tier = server.tier_left_alone();
    for _ in 0..5 {
        server.fail(b'a', TimedOut);
        for _ in 0..2 {
            assert_eq!(Some(TimedOut), kind(tier.get(KEY, false)));
        }
        server.recover(b'a');
        assert_eq!(None, kind(tier.get(KEY, false)));
    }
    assert_eq!(0, tier.stats().breaker_opens);
}

#[test]
fn a_success_with_many_keys_is_one_of_each_of_their_shards() {
    let server = FakeServer::default();
    let tier = server.tier_left_alone();
    server.fail(b'b', TimedOut);
    for _ in 0..2 {
        assert_eq!(Some(TimedOut), kind(tier.get(OTHER, false)));
    }
    server.recover(b'b');
    assert_eq!(None, kind(tier.get_many(&owned(&[KEY, OTHER]))));
    server.fail(b'b', TimedOut);
    assert_eq!(Some(TimedOut), kind(tier.get(OTHER, false)));
    assert_eq!(0, tier.stats().breaker_opens);
}

#[test]
fn a_server_that_refuses_is_there_and_asked_on() {
    let server = FakeServer::default();
    let tier = server.tier_left_alone();
    server.fail(b'a', Refused);
    for _ in 0..10 {
        assert_eq!(Some(Refused), kind(tier.get(KEY, false)));
    }
    assert_eq!(10, server.calls().len());
    assert_eq!(0, tier.stats().breaker_opens);
}

#[test]
fn the_courier_finds_a_server_back() {
    let server = FakeServer::default();
    let tier = server.tier();
    server.put(KEY, b"v");
    server.fail(b'a', Unreachable);
    for _ in 0..3 {
        assert_eq!(Some(Unreachable), kind(tier.get(KEY, false)));
    }
    server.wait_for("probe", 3);
    assert_eq!(Some(Away), kind(tier.get(KEY, false)));
    server.recover(b'a');
    wait_until("it is asked again", || tier.get(KEY, false).is_ok());
    let lines: Vec<_> = tier.take_notices().into_iter().map(|n| n.text).collect();
    assert_eq!(
        vec![
            "get fails",
            "the server is not asked any more until it is back: get fails",
            "the server is back, and is asked again",
        ],
        lines
    );
}

#[test]
fn a_ping_that_is_answered_has_the_server_asked_again() {
    let server = FakeServer::default();
    let tier = server.tier_left_alone();
    server.fail(b'a', TimedOut);
    for _ in 0..3 {
        assert_eq!(Some(TimedOut), kind(tier.get(KEY, false)));
    }
    assert_eq!(Some(TimedOut), kind(tier.ping()));
    assert_eq!(Some(Away), kind(tier.get(KEY, false)));
    server.recover(b'a');
    assert_eq!(None, kind(tier.ping()));
    assert_eq!(None, kind(tier.get(KEY, false)));
}

#[test]
fn a_step_after_one_that_failed_is_not_taken_and_a_first_step_is() {
    let server = FakeServer::default();
    let tier = server.tier_left_alone();
    server.fail(b'a', TimedOut);
    assert_eq!(Some(TimedOut), kind(tier.get(KEY, false)));
    assert_eq!(Some(Away), kind(tier.lease(KEY, false)));
    assert_eq!(vec!["get"], server.calls());
    // A refresh reads nothing first. If nobody else calls, it is what finds the server back.
    server.recover(b'a');
    assert!(matches!(tier.mark(KEY, true), Ok(Some(_))));
    assert!(tier.lease(KEY, false).is_ok());
}

#[test]
fn of_many_keys_those_on_a_server_that_is_away_are_missing_and_the_others_are_found() {
    let server = FakeServer::default();
    let tier = server.tier_left_alone();
    server.put(KEY, b"1");
    server.put(OTHER, b"2");
    server.fail(b'a', TimedOut);
    for _ in 0..3 {
        assert_eq!(Some(TimedOut), kind(tier.get(KEY, false)));
    }
    for keys in [owned(&[KEY, OTHER]), owned(&[OTHER, KEY])] {
        let found = tier.get_many(&keys).unwrap();
        let expected = keys.iter().map(|key| (key == OTHER).then(|| b"2".to_vec()));
        assert_eq!(expected.collect::<Vec<_>>(), found);
    }
    assert_eq!(Some(Away), kind(tier.get_many(&owned(&[KEY, b"a2"]))));
    let stats = tier.stats();
    assert_eq!((2, 3 + 2 + 2), (stats.hits, stats.misses));

    let item = |key: &[u8]| (key.to_vec(), b"3".to_vec());
    let (failed, result) = tier.set_many(vec![item(OTHER), item(KEY)], FOREVER);
    assert_eq!(
        (owned(&[KEY]), Some(Away), Some(b"3".to_vec())),
        (failed, kind(result), server.holds(OTHER))
    );
    assert_eq!(Some(Away), kind(tier.delete_many(&owned(&[KEY, OTHER]))));
    assert_eq!(None, server.holds(OTHER));
    server.recover(b'a');
    assert_eq!(None, kind(tier.ping()));
    // What could be neither set nor deleted is not trusted.
    assert_eq!(None, tier.get(KEY, false).unwrap());
}

#[test]
fn of_each_kind_one_line_is_said_in_ten_seconds_and_then_how_many_there_were() {
    let clock = Arc::new(ManualClock::default());
    let notices = Notices::new(Arc::clone(&clock));
    let say = |kind: u8| notices.say(log::Level::Warn, kind, || format!("line {kind}"));
    let said = || {
        let lines = notices.take();
        lines.into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    for _ in 0..4 {
        say(1);
        say(2);
    }
    assert_eq!(vec!["line 1", "line 2"], said());
    assert_eq!(Vec::<String>::new(), said());
    clock.advance(Duration::from_millis(9_999));
    say(1);
    assert_eq!(Vec::<String>::new(), said());
    clock.advance(Duration::from_millis(1));
    say(1);
    assert_eq!(vec!["line 1 (4 more like it before)"], said());
    clock.advance(Duration::from_secs(10));
    say(1);
    say(2);
    assert_eq!(vec!["line 1", "line 2 (3 more like it before)"], said());
}

#[test]
fn lines_that_nobody_fetches_are_a_hundred_at_most_the_newest() {
    let notices = Notices::new(ManualClock::default());
    for number in 0..250 {
        notices.say(log::Level::Warn, number, || number.to_string());
    }
    let said: Vec<_> = notices.take().into_iter().map(|line| line.text).collect();
    let newest: Vec<_> = (150..250).map(|number| number.to_string()).collect();
    assert_eq!(newest, said);
}
