//! Flights: one computes, the others wait, and nobody waits for ever.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use quickcache::flow::flight::{Boarding, Flights, Lead, Outcome, Wait};

/// By key, what was noted is a number, and so is what is published.
type Numbers = Flights<u32, u32, u32>;

const LONG: Duration = Duration::from_secs(20);

fn board(flights: &Arc<Numbers>, key: u32) -> Boarding<u32, u32, u32> {
    flights.board(&key, 0, |_| true)
}

fn lead(boarding: Boarding<u32, u32, u32>) -> Lead<u32, u32, u32> {
    match boarding {
        Boarding::Lead(lead) => lead,
        Boarding::Wait(_) => panic!("waits"),
        Boarding::Circle => panic!("a circle"),
    }
}

fn wait(boarding: Boarding<u32, u32, u32>) -> Wait<u32, u32> {
    match boarding {
        Boarding::Wait(wait) => wait,
        Boarding::Lead(_) => panic!("leads"),
        Boarding::Circle => panic!("a circle"),
    }
}

/// What a thread that boards `key` gets to know; told once it waits.
fn waiter(
    flights: &Arc<Numbers>,
    key: u32,
    seated: &Sender<()>,
) -> thread::JoinHandle<Option<Outcome<u32>>> {
    let (flights, seated) = (Arc::clone(flights), seated.clone());
    thread::spawn(move || {
        let wait = wait(board(&flights, key));
        seated.send(()).unwrap();
        assert!(wait.park(LONG) || wait.park(LONG));
        wait.outcome()
    })
}

fn signal() -> (Sender<()>, Receiver<()>) {
    channel()
}

#[test]
fn the_first_leads_and_the_others_get_what_it_publishes() {
    let flights = Arc::new(Numbers::default());
    let leader = lead(board(&flights, 1));
    let (seated, seats) = signal();
    let waiters: Vec<_> = (0..8).map(|_| waiter(&flights, 1, &seated)).collect();
    for _ in &waiters {
        seats.recv().unwrap();
    }
    leader.land(|| Outcome::Value(7));
    for waiter in waiters {
        assert_eq!(Some(Outcome::Value(7)), waiter.join().unwrap());
    }
    assert!(flights.is_empty());
}

#[test]
fn who_boards_a_flight_that_is_closing_looks_for_the_value_itself() {
    let flights = Arc::new(Numbers::default());
    let leader = lead(board(&flights, 1));
    let (seated, seats) = signal();
    let in_time = waiter(&flights, 1, &seated);
    seats.recv().unwrap();
    leader.begin_closing();
    let late = waiter(&flights, 1, &seated);
    seats.recv().unwrap();
    leader.land(|| Outcome::Value(7));
    assert_eq!(Some(Outcome::Value(7)), in_time.join().unwrap());
    assert_eq!(Some(Outcome::Apart), late.join().unwrap());
}

#[test]
fn who_boards_a_flight_that_is_closing_and_fails_may_lead() {
    let flights = Arc::new(Numbers::default());
    let leader = lead(board(&flights, 1));
    leader.begin_closing();
    let (seated, seats) = signal();
    let late = waiter(&flights, 1, &seated);
    seats.recv().unwrap();
    drop(leader);
    assert_eq!(Some(Outcome::Failed), late.join().unwrap());
}

#[test]
fn who_boards_a_flight_that_no_server_watches_has_nothing_of_it_and_may_lead_the_next() {
    let flights = Arc::new(Numbers::default());
    let leader = lead(board(&flights, 1));
    let (seated, seats) = signal();
    let in_time = waiter(&flights, 1, &seated);
    seats.recv().unwrap();
    leader.begin_unwatched();
    let late = waiter(&flights, 1, &seated);
    seats.recv().unwrap();
    leader.land(|| Outcome::Value(7));
    assert_eq!(Some(Outcome::Value(7)), in_time.join().unwrap());
    assert_eq!(Some(Outcome::Failed), late.join().unwrap());
}

#[test]
fn of_fifty_threads_one_computes() {
    let flights = Arc::new(Numbers::default());
    let computed = Arc::new(AtomicUsize::new(0));
    let stored = Arc::new(AtomicUsize::new(0));
    let barrier = Arc::new(Barrier::new(50));
    let threads: Vec<_> = (0..50)
        .map(|_| {
            let (flights, computed, stored, barrier) = (
                Arc::clone(&flights),
                Arc::clone(&computed),
                Arc::clone(&stored),
                Arc::clone(&barrier),
            );
            thread::spawn(move || {
                barrier.wait();
                let landings = flights.landings();
                if stored.load(SeqCst) != 0 {
                    return stored.load(SeqCst);
                }
                match board(&flights, 1) {
                    Boarding::Lead(leader) => {
                        if flights.landings() == landings {
                            computed.fetch_add(1, SeqCst);
                            thread::yield_now();
                            stored.store(7, SeqCst);
                        }
                        let value = stored.load(SeqCst);
                        leader.land(|| Outcome::Value(7));
                        value
                    }
                    Boarding::Wait(wait) => {
                        assert!(wait.park(LONG) || wait.park(LONG));
                        assert_eq!(Some(Outcome::Value(7)), wait.outcome());
                        7
                    }
                    Boarding::Circle => panic!("a circle"),
                }
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(7, thread.join().unwrap());
    }
    assert_eq!(1, computed.load(SeqCst));
}

#[test]
fn where_nobody_waits_nothing_is_made_to_be_published() {
    let flights = Arc::new(Numbers::default());
    lead(board(&flights, 1)).land(|| panic!("nobody asked"));
}

#[test]
fn keys_do_not_wait_for_each_other() {
    let flights = Arc::new(Numbers::default());
    let _one = lead(board(&flights, 1));
    let _two = lead(board(&flights, 2));
    assert_eq!(2, flights.len());
}

#[test]
fn a_leader_that_is_dropped_has_failed_and_the_next_one_leads() {
    let flights = Arc::new(Numbers::default());
    let leader = lead(board(&flights, 1));
    let (seated, seats) = signal();
    let waiter = waiter(&flights, 1, &seated);
    seats.recv().unwrap();
    drop(leader);
    assert_eq!(Some(Outcome::Failed), waiter.join().unwrap());
    lead(board(&flights, 1)).land(|| Outcome::Value(1));
}

#[test]
fn a_leader_that_panics_strands_nobody() {
    let flights = Arc::new(Numbers::default());
    let (seated, seats) = signal();
    let (led, leads) = signal();
    let leading = {
        let flights = Arc::clone(&flights);
        thread::spawn(move || {
            let leader = lead(board(&flights, 1));
            led.send(()).unwrap();
            seats.recv().unwrap();
            leader.land(|| panic!("while it is made to be published"));
        })
    };
    leads.recv().unwrap();
    let waiter = waiter(&flights, 1, &seated);
    assert!(leading.join().is_err());
    assert_eq!(Some(Outcome::Failed), waiter.join().unwrap());
    assert!(flights.is_empty());
}

#[test]
fn a_computation_from_before_a_clear_is_not_joined() {
    let flights = Arc::new(Numbers::default());
    let before = lead(flights.board(&1, 10, |_| true));
    let after = lead(flights.board(&1, 20, |noted| *noted > 15));
    // The earlier one does not put an end to the later one.
    before.land(|| Outcome::Value(1));
    assert_eq!(1, flights.len());
    assert_eq!(20, *after.noted());
    after.land(|| Outcome::Value(2));
    assert!(flights.is_empty());
}

#[test]
fn who_would_wait_for_itself_computes() {
    let flights = Arc::new(Numbers::default());
    let _outer = lead(board(&flights, 1));
    assert!(matches!(board(&flights, 1), Boarding::Circle));
}

/// Each of `n` threads leads a key of its own and wants the next one's: the last to ask is told so.
fn ring(n: u32, tables: usize) {
    let tables: Vec<_> = (0..tables).map(|_| Arc::new(Numbers::default())).collect();
    let barrier = Arc::new(Barrier::new(n as usize));
    let threads: Vec<_> = (0..n)
        .map(|i| {
            let own = Arc::clone(&tables[i as usize % tables.len()]);
            let next = Arc::clone(&tables[(i as usize + 1) % n as usize % tables.len()]);
            let barrier = Arc::clone(&barrier);
            thread::spawn(move || {
                let leader = lead(board(&own, i));
                barrier.wait();
                let circles = match board(&next, (i + 1) % n) {
                    Boarding::Circle => 1,
                    Boarding::Wait(wait) => {
                        assert!(wait.park(LONG) || wait.park(LONG));
                        0
                    }
                    // The next one was through already.
                    Boarding::Lead(lead) => {
                        lead.land(|| Outcome::Value(0));
                        0
                    }
                };
                leader.land(|| Outcome::Value(i));
                circles
            })
        })
        .collect();
    let circles: u32 = threads.into_iter().map(|one| one.join().unwrap()).sum();
    assert_eq!(1, circles);
}

#[test]
fn threads_that_would_wait_for_one_another_do_not() {
    for n in [2, 3, 5] {
        ring(n, 1);
        ring(n, n as usize);
    }
}

#[test]
fn a_wait_ends_after_its_time() {
    let flights = Arc::new(Numbers::default());
    let leader = lead(board(&flights, 1));
    let waited = {
        let flights = Arc::clone(&flights);
        thread::spawn(move || {
            let wait = wait(board(&flights, 1));
            (wait.park(Duration::from_millis(1)), wait.outcome())
        })
    };
    assert_eq!((false, None), waited.join().unwrap());
    // Nobody is left to publish for.
    leader.land(|| panic!("nobody waits"));
}

#[test]
fn a_thread_that_waits_no_more_may_be_waited_for() {
    let flights = Arc::new(Numbers::default());
    let one = lead(board(&flights, 1));
    let (asked, asks) = signal();
    let (go_on, goes_on) = signal();
    let other = {
        let flights = Arc::clone(&flights);
        thread::spawn(move || {
            let two = lead(board(&flights, 2));
            drop(wait(board(&flights, 1)));
            asked.send(()).unwrap();
            goes_on.recv().unwrap();
            two.land(|| Outcome::Value(2));
        })
    };
    asks.recv().unwrap();
    let wait = wait(board(&flights, 2));
    go_on.send(()).unwrap();
    assert!(wait.park(LONG) || wait.park(LONG));
    other.join().unwrap();
    drop(one);
}

#[test]
fn landings_tell_that_something_may_have_been_stored() {
    let flights = Arc::new(Numbers::default());
    let before = flights.landings();
    let leader = lead(board(&flights, 1));
    assert_eq!(before, flights.landings());
    leader.land(|| Outcome::Apart);
    assert_ne!(before, flights.landings());
}
