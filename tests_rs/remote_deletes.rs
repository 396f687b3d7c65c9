//! Deletes that did not arrive: not trusted until they do, and not lost on the way.

use std::thread;
use std::time::Duration;

use quickcache::clock::Timeout;
use quickcache::tier::remote::{Leased, RemoteTier};
use quickcache::tier::server::Failure;
use quickcache::tier::server::FailureKind::{Refused, Timeout as TimedOut};
use quickcache::tier::undelivered::Undelivered;

use crate::fake_server::{FakeServer, wait_until};

const KEY: &[u8] = b"a1";
const FOREVER: Timeout = Timeout::FOREVER;

type Write = fn(&RemoteTier<FakeServer>) -> Result<(), Failure>;

fn item() -> Vec<(Vec<u8>, Vec<u8>)> {
    vec![(KEY.to_vec(), b"new".to_vec())]
}

/// Have a call fail, on a server that is there before and after.
fn failing<T>(server: &FakeServer, call: impl FnOnce() -> Result<T, Failure>) {
    server.fail(b'a', Refused);
    assert!(call().is_err());
    server.recover(b'a');
    server.calls();
}

fn found(tier: &RemoteTier<FakeServer>) -> Option<Vec<u8>> {
    tier.get(KEY, false).unwrap().map(|found| found.bytes)
}

#[test]
fn a_key_whose_delete_did_not_arrive_is_missing_and_nobody_is_asked() {
    let server = FakeServer::default();
    let tier = server.tier_left_alone();
    server.put(KEY, b"old");
    failing(&server, || tier.delete(KEY));
    assert_eq!(None, found(&tier));
    assert!(!tier.contains(KEY).unwrap());
    assert!(!tier.touch(KEY, FOREVER).unwrap());
    assert_eq!(None, tier.increment(KEY, 1).unwrap());
    assert!(matches!(tier.lease(KEY, false).unwrap(), Leased::Unleased));
    let alone = tier.lease_alone(KEY, false, Duration::ZERO).unwrap();
    assert!(matches!(alone, Leased::Unleased));
    assert_eq!(None, tier.mark(KEY, true).unwrap());
    assert!(!tier.fill(KEY, b"new", FOREVER, None).unwrap().is_current());
    assert_eq!(Vec::<&str>::new(), server.calls());
    assert_eq!(vec![None], tier.get_many(&[KEY.to_vec()]).unwrap());
    assert_eq!(1, tier.stats().deletes_queued);
}

#[test]
fn a_value_that_could_not_be_overwritten_is_not_trusted() {
    let writes: [Write; 3] = [
        |tier| tier.set(KEY, b"new", FOREVER).map(drop),
        |tier| tier.set_many(item(), FOREVER).1,
        |tier| tier.delete_many(&[KEY.to_vec()]).map(drop),
    ];
    for write in writes {
        let server = FakeServer::default();
        let tier = server.tier_left_alone();
        server.put(KEY, b"old");
        failing(&server, || write(&tier));
        assert_eq!(None, found(&tier));
    }
}

#[test]
fn what_did_not_arrive_is_delivered_later_and_the_key_trusted_again() {
    let server = FakeServer::default();
    let tier = server.tier();
    server.put(KEY, b"old");
    server.fail(b'a', TimedOut);
    assert!(tier.delete(KEY).is_err());
    server.recover(b'a');
    wait_until("it is delivered", || tier.stats().deletes_resent == 1);
    assert_eq!(None, server.holds(KEY));
    server.put(KEY, b"another's");
    wait_until("it is trusted", || {
        found(&tier) == Some(b"another's".to_vec())
    });
}

#[test]
fn a_set_or_a_delete_that_arrives_makes_an_earlier_delete_needless() {
    let server = FakeServer::default();
    let tier = server.tier_left_alone();
    failing(&server, || tier.delete(KEY));
    assert!(tier.set(KEY, b"new", FOREVER).unwrap());
    assert_eq!(Some(b"new".to_vec()), found(&tier));
    failing(&server, || tier.delete(KEY));
    assert!(tier.set_many(item(), FOREVER).1.is_ok());
    assert_eq!(Some(b"new".to_vec()), found(&tier));
    failing(&server, || tier.delete(KEY));
    assert!(tier.add(KEY, b"added", FOREVER).unwrap());
    assert_eq!(Some(b"added".to_vec()), found(&tier));
    for delete in [
        (|tier| tier.delete(KEY).map(drop)) as Write,
        |tier| tier.delete_many(&[KEY.to_vec()]).map(drop),
        RemoteTier::clear,
    ] {
        failing(&server, || tier.delete(KEY));
        assert!(delete(&tier).is_ok());
        server.put(KEY, b"another's");
        assert_eq!(Some(b"another's".to_vec()), found(&tier));
    }
}

/// Whoever deleted was told nothing worse than that it is done later.
#[test]
fn a_delete_that_failed_while_another_write_was_under_way_is_not_forgotten_with_it() {
    let writes: [(&str, Write); 6] = [
        ("set", |tier| tier.set(KEY, b"v", FOREVER).map(drop)),
        ("set", |tier| tier.add(KEY, b"v", FOREVER).map(drop)),
        ("set_many", |tier| {
            tier.set_many(vec![(KEY.to_vec(), b"v".to_vec())], FOREVER)
                .1
        }),
        ("delete", |tier| tier.delete(KEY).map(drop)),
        ("delete_many", |tier| {
            tier.delete_many(&[KEY.to_vec()]).map(drop)
        }),
        ("clear", RemoteTier::clear),
    ];
    for (call, write) in writes {
        let server = FakeServer::default();
        let tier = server.tier_left_alone();
        server.hold(call);
        thread::scope(|scope| {
            let writing = scope.spawn(|| write(&tier));
            server.wait_for(call, 1);
            server.fail(b'a', Refused);
            let _failed = match call {
                "delete" => tier.delete_many(&[KEY.to_vec()]).map(drop),
                _ => tier.delete(KEY).map(drop),
            }
            .unwrap_err();
            server.recover(b'a');
            server.let_go();
            assert!(writing.join().unwrap().is_ok(), "{call}");
        });
        server.put(KEY, b"old");
        assert_eq!(None, found(&tier), "{call}");
    }
}

#[test]
fn a_set_waits_for_a_delete_of_its_key_that_is_on_its_way() {
    let server = FakeServer::default();
    let tier = server.tier_with(|options| options.deadline = Duration::from_millis(300));
    server.hold("delete_many");
    failing(&server, || tier.delete(KEY));
    server.wait_for("delete_many", 1);
    let failure = tier.set(KEY, b"new", FOREVER).unwrap_err();
    assert_eq!(TimedOut, failure.kind);
    // Another's key does not.
    assert!(tier.set(b"a2", b"new", FOREVER).unwrap());
    server.let_go();
    wait_until("the set is made", || tier.set(KEY, b"new", FOREVER).is_ok());
    wait_until("nothing is left", || tier.stats().deletes_resent >= 1);
}

#[test]
fn of_too_many_the_oldest_are_given_up_and_counted() {
    let server = FakeServer::default();
    let tier = server.tier_left_alone();
    server.fail(b'a', Refused);
    let key = |number: u32| format!("a{number}").into_bytes();
    for number in 0..10_007 {
        assert!(tier.delete(&key(number)).is_err());
    }
    let stats = tier.stats();
    assert_eq!((10_007, 7), (stats.deletes_queued, stats.deletes_lost));
    server.recover(b'a');
    server.calls();
    let asked = |number| {
        assert_eq!(None, tier.get(&key(number), false).unwrap());
        !server.calls().is_empty()
    };
    assert_eq!((true, false, false), (asked(6), asked(7), asked(10_006)));
}

#[test]
fn of_two_deletes_of_a_key_the_later_one_counts() {
    let deletes = Undelivered::default();
    deletes.add(KEY);
    let batch = deletes.begin();
    assert!(deletes.is_under_way(KEY));
    deletes.add(KEY);
    assert!(!deletes.is_under_way(KEY));
    deletes.end(&batch, &batch.keys);
    assert!(deletes.has(KEY));
    let batch = deletes.begin();
    assert_eq!(vec![KEY.to_vec()], batch.keys);
    deletes.end(&batch, &[]);
    assert!(deletes.has(KEY) && !deletes.is_under_way(KEY));
    let batch = deletes.begin();
    deletes.end(&batch, &batch.keys);
    assert!(deletes.is_empty());
}

#[test]
fn deletes_are_delivered_oldest_first_each_key_once() {
    let deletes = Undelivered::default();
    for key in [b"a", b"b", b"a", b"c"] {
        deletes.add(key);
    }
    let keys = [b"b", b"a", b"c"].map(|key| key.to_vec());
    assert_eq!(keys.to_vec(), deletes.begin().keys);
}

/// In a child there is no thread that delivers what the parent left: whoever meets such a key has one started.
#[cfg(unix)]
#[test]
fn a_child_delivers_what_its_parent_could_not() {
    let server = FakeServer::default();
    let tier = server.tier_every(Duration::from_millis(300));
    failing(&server, || tier.delete(KEY));
    let failure = crate::fork::child_failure(|| {
        wait_until("the server is asked again", || {
            server.put(KEY, b"another's");
            tier.get(KEY, false).is_ok_and(|found| found.is_some())
        });
        true
    });
    assert_eq!(None, failure);
}
