//! Requests of several threads together, in all orders: each has its own reply, and nobody is stranded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loom::thread;
use quickcache::redis::combine::Combiner;
use quickcache::tier::server::{Failure, FailureKind};
use redis::Value;

use crate::model;

/// A server that answers each byte with its number, in order. Of what begins with 0, it takes nothing.
fn answered(packed: &[u8], count: usize) -> Result<Vec<Value>, Failure> {
    thread::yield_now();
    assert_eq!(packed.len(), count);
    if packed.first() == Some(&0) {
        return Err(Failure::new(FailureKind::Unreachable, "no connection"));
    }
    Ok(packed
        .iter()
        .map(|byte| Value::Int(i64::from(*byte)))
        .collect())
}

/// One request of a thread, of as many bytes as it is to have replies.
fn ask(combiner: &Combiner, request: &[u8]) -> Result<Vec<Value>, Failure> {
    let until = Instant::now() + Duration::from_secs(3_600);
    combiner.exchange(request, request.len(), until, |packed, count, _| {
        answered(packed, count)
    })
}

fn spawn(combiner: &Arc<Combiner>, request: &'static [u8]) -> thread::JoinHandle<()> {
    let combiner = Arc::clone(combiner);
    thread::spawn(move || assert_eq!(Ok(replies(request)), ask(&combiner, request)))
}

fn replies(request: &[u8]) -> Vec<Value> {
    request
        .iter()
        .map(|byte| Value::Int(i64::from(*byte)))
        .collect()
}

#[test]
fn each_thread_has_its_own_replies_and_nobody_is_stranded() {
    model(2, || {
        let combiner = Arc::<Combiner>::default();
        let others = [
            spawn(&combiner, &[1]),
            spawn(&combiner, &[2, 3]),
            spawn(&combiner, &[4]),
        ];
        assert_eq!(Ok(replies(&[5])), ask(&combiner, &[5]));
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn a_failure_is_told_to_all_it_was_shared_by_and_to_nobody_else() {
    model(2, || {
        let combiner = Arc::<Combiner>::default();
        let others: Vec<_> = [[0_u8], [1], [2]]
            .into_iter()
            .map(|request| {
                let combiner = Arc::clone(&combiner);
                thread::spawn(move || match ask(&combiner, &request) {
                    Ok(found) => assert_eq!(replies(&request), found),
                    Err(failure) => assert_eq!(FailureKind::Unreachable, failure.kind),
                })
            })
            .collect();
        if let Ok(found) = ask(&combiner, &[3]) {
            assert_eq!(replies(&[3]), found);
        }
        for other in others {
            other.join().unwrap();
        }
    });
}
