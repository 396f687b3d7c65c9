//! Flights, in all orders: nobody is stranded, one computes, and a clear parts before from after.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};
use std::time::Duration;

use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use loom::thread;
use quickcache::flow::flight::{Boarding, Flights, Outcome, Wait};
use quickcache::flow::generation::{Generation, Generations};

use crate::model;

type Numbers = Flights<u32, Generation, u32>;

/// A wait without a limit, which loom takes for a deadlock if nobody ends it.
fn outcome(wait: &Wait<Generation, u32>) -> Outcome<u32> {
    while !wait.park(Duration::MAX) {}
    wait.outcome().expect("an outcome, for it is over")
}

fn spawn<T: 'static>(run: impl FnOnce() -> T + 'static) -> thread::JoinHandle<T> {
    thread::spawn(run)
}

/// A function with one key: where its value comes from, and where it is kept.
struct Function {
    flights: Arc<Numbers>,
    generations: Generations,
    source: AtomicU32,
    /// The value and one, or 0.
    stored: AtomicUsize,
    computing: Count,
    computed: Count,
}

impl Function {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            flights: Arc::default(),
            generations: Generations::new(1),
            source: AtomicU32::new(0),
            stored: AtomicUsize::new(0),
            computing: Count::new(0),
            computed: Count::new(0),
        })
    }

    fn is_current(&self, noted: Generation) -> bool {
        !self.generations.lock(0).was_cleared_since(noted)
    }

    fn found(&self) -> Option<u32> {
        let stored = self.stored.load(SeqCst).checked_sub(1)?;
        Some(u32::try_from(stored).unwrap())
    }

    /// As a call goes. The first to lead may fail.
    fn call(&self, fails: bool) -> u32 {
        let landings = self.flights.landings();
        let noted = self.generations.now();
        if let Some(value) = self.found() {
            return value;
        }
        loop {
            let is_current = |noted: &Generation| self.is_current(*noted);
            match self.flights.board(&1, noted, is_current) {
                Boarding::Lead(lead) => {
                    if self.flights.landings() != landings
                        && let Some(value) = self.found()
                    {
                        return value;
                    }
                    assert_eq!(0, self.computing.fetch_add(1, Relaxed), "two at once");
                    let value = self.source.load(SeqCst);
                    let is_first = self.computed.fetch_add(1, Relaxed) == 0;
                    self.computing.fetch_sub(1, Relaxed);
                    if fails && is_first {
                        drop(lead);
                        continue;
                    }
                    let shard = self.generations.lock(0);
                    if !shard.was_cleared_since(*lead.noted()) {
                        self.stored.store(value as usize + 1, SeqCst);
                    }
                    drop(shard);
                    lead.land(|| Outcome::Value(value));
                    return value;
                }
                Boarding::Wait(wait) => match outcome(&wait) {
                    Outcome::Value(value) => return value,
                    Outcome::Failed => {}
                    Outcome::Apart => panic!("apart"),
                },
                Boarding::Circle => panic!("a circle of one"),
            }
        }
    }

    fn clear(&self) {
        let mut shard = self.generations.lock(0);
        shard.clear();
        self.stored.store(0, SeqCst);
    }
}

#[test]
fn one_computes_for_all_and_nobody_is_stranded() {
    model(3, || {
        let function = Function::new();
        let others = [(); 2].map(|()| {
            let function = Arc::clone(&function);
            spawn(move || function.call(false))
        });
        assert_eq!(0, function.call(false));
        for other in others {
            assert_eq!(0, other.join().unwrap());
        }
        assert_eq!(1, function.computed.load(Relaxed));
        assert!(function.flights.is_empty());
    });
}

#[test]
fn after_a_failure_another_leads() {
    model(3, || {
        let function = Function::new();
        let others = [(); 2].map(|()| {
            let function = Arc::clone(&function);
            spawn(move || function.call(true))
        });
        for other in others {
            assert_eq!(0, other.join().unwrap());
        }
        assert_eq!(2, function.computed.load(Relaxed));
        assert!(function.flights.is_empty());
    });
}

#[test]
fn who_calls_after_a_clear_gets_nothing_from_before_it() {
    model(3, || {
        let function = Function::new();
        let before = {
            let function = Arc::clone(&function);
            // Not `call`: there may be one computation from before the clear and one from after it.
            spawn(move || old_and_new(&function))
        };
        let also = {
            let function = Arc::clone(&function);
            spawn(move || old_and_new(&function))
        };
        function.source.store(1, SeqCst);
        function.clear();
        assert_eq!(1, old_and_new(&function), "after the clear");
        before.join().unwrap();
        also.join().unwrap();
        assert_eq!(1, old_and_new(&function), "when all is over");
        assert!(function.flights.is_empty());
    });
}

/// `Function::call` where two may compute at once: one of them for those before a clear.
fn old_and_new(function: &Function) -> u32 {
    let noted = function.generations.now();
    if let Some(value) = function.found() {
        return value;
    }
    let is_current = |noted: &Generation| function.is_current(*noted);
    match function.flights.board(&1, noted, is_current) {
        Boarding::Lead(lead) => {
            let value = function.source.load(SeqCst);
            let shard = function.generations.lock(0);
            if !shard.was_cleared_since(*lead.noted()) {
                function.stored.store(value as usize + 1, SeqCst);
            }
            drop(shard);
            lead.land(|| Outcome::Value(value));
            value
        }
        Boarding::Wait(wait) => match outcome(&wait) {
            Outcome::Value(value) => value,
            other => panic!("{other:?}"),
        },
        Boarding::Circle => panic!("a circle of one"),
    }
}

/// Each of three threads leads a key of its own and wants the next one's.
#[test]
fn three_that_would_wait_for_one_another_do_not() {
    model(2, || {
        let flights = Arc::new(Numbers::default());
        let generations = Generations::new(1);
        let noted = generations.now();
        let ring = move |own: u32, flights: Arc<Numbers>| {
            let Boarding::Lead(lead) = flights.board(&own, noted, |_| true) else {
                // Another has just asked for this key and leads it: there is no ring.
                return;
            };
            match flights.board(&((own + 1) % 3), noted, |_| true) {
                Boarding::Wait(wait) => assert_ne!(Outcome::Failed, outcome(&wait)),
                Boarding::Lead(next) => next.land(|| Outcome::Value(0)),
                Boarding::Circle => {}
            }
            lead.land(|| Outcome::Value(own));
        };
        let others = [1, 2].map(|own| {
            let flights = Arc::clone(&flights);
            spawn(move || ring(own, flights))
        });
        ring(0, Arc::clone(&flights));
        for other in others {
            other.join().unwrap();
        }
        assert!(flights.is_empty());
    });
}

/// Who stops waiting as the leader lands is off the list, or was told.
#[test]
fn who_gives_up_waiting_is_in_nobodys_way() {
    model(3, || {
        let flights = Arc::new(Numbers::default());
        let noted = Generations::new(1).now();
        let Boarding::Lead(lead) = flights.board(&1, noted, |_| true) else {
            panic!("nobody else is here");
        };
        let [gives_up, stays] = [false, true].map(|stays| {
            let flights = Arc::clone(&flights);
            spawn(move || match flights.board(&1, noted, |_| true) {
                Boarding::Wait(wait) if stays => assert_eq!(Outcome::Value(7), outcome(&wait)),
                Boarding::Wait(wait) => drop(wait),
                Boarding::Lead(lead) => lead.land(|| Outcome::Value(7)),
                Boarding::Circle => panic!("no circle"),
            })
        });
        lead.land(|| Outcome::Value(7));
        gives_up.join().unwrap();
        stays.join().unwrap();
        assert!(flights.is_empty());
    });
}
