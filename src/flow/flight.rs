//! Flights: one computation for all who miss the same key at the same time.
//!
//! The first to board a key **leads**: it computes, stores, and publishes to those who **wait**. A
//! flight carries what its leader noted of the tiers, so that nobody who comes after a clear joins a
//! computation from before it. The leader leaves the table before it publishes: who comes later finds
//! the value in the tiers, or leads a flight of its own.
//!
//! Clears by other processes are not noted here. That none has overtaken a computation is what a server
//! says when it takes the value, and it says so of those who came before it was asked. Whoever boards
//! later may have come after a clear that came after that: such a flight is **closing**, and they are
//! handed no value, but look for it themselves. A flight of which no server will say anything closes before
//! its leader computes; one of those who came later leads the next.
//!
//! Waiting never closes a circle: threads that wait are known to all flights, and who would wait for
//! itself, however many threads are between, computes instead. What a leader waits for elsewhere, such
//! as a lock, nobody can know: whoever waits does so for a limited time.
//!
//! Waiters are parked by the standard library, and woken without a lock: nothing here is held while
//! anybody waits, so that a fork finds nothing locked. A flight belongs to the process it began in.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::gate;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::thread::{self, Thread, ThreadId};
use crate::sync::{Mutex, lazy};

/// The flights of one function. `K` tells what is computed, `N` what was noted of the tiers before, and
/// `V` is what is published.
pub struct Flights<K, N, V> {
    table: Mutex<Table<K, N, V>>,
    /// How many have left.
    landings: AtomicU64,
}

type Table<K, N, V> = HashMap<K, Arc<Flight<N, V>>, ahash::RandomState>;

/// What came of a computation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<V> {
    /// This value.
    Value(V),
    /// A value that others cannot have: each computes its own.
    Apart,
    /// None: another is to lead.
    Failed,
}

/// What to do about a missing value.
pub enum Boarding<K: Hash + Eq, N, V> {
    /// Compute it, and tell those who wait.
    Lead(Lead<K, N, V>),
    /// Wait for another's computation.
    Wait(Wait<N, V>),
    /// Compute it, for waiting would never end.
    Circle,
}

/// The part of a flight's leader. Dropped without `land`, the flight has failed.
pub struct Lead<K: Hash + Eq, N, V> {
    flights: Arc<Flights<K, N, V>>,
    key: K,
    flight: Arc<Flight<N, V>>,
    has_landed: bool,
}

/// The part of one who waits.
pub struct Wait<N, V> {
    flight: Arc<Flight<N, V>>,
    /// It boarded while the flight was closing.
    is_late: bool,
}

struct Flight<N, V> {
    leader: ThreadId,
    /// The forks before it: threads from before a fork are not there any more.
    forks: u64,
    noted: N,
    is_over: AtomicBool,
    seats: Mutex<Seats<V>>,
}

struct Seats<V> {
    /// Who boards is late.
    are_closing: bool,
    /// No server is asked: who is late will find nothing there.
    is_unwatched: bool,
    /// Nobody boards any more.
    are_closed: bool,
    waiting: Vec<Thread>,
    outcome: Option<Outcome<V>>,
}

/// Which thread waits for which, in all flights of the process.
struct Waits {
    forks: u64,
    leaders: HashMap<ThreadId, ThreadId, ahash::RandomState>,
}

lazy!(WAITS: Mutex<Waits> = Mutex::new(Waits {
    forks: 0,
    leaders: HashMap::default(),
}));

impl<K: Hash + Eq + Clone, N, V: Clone> Flights<K, N, V> {
    /// How many flights have landed so far. Noted before the tiers were asked, and another by now: a value
    /// may have been stored in between.
    pub fn landings(&self) -> u64 {
        self.landings.load(Ordering::Acquire)
    }

    /// Lead the computation of what is missing under `key`, or join the one that is under way if
    /// `is_current` says so of what its leader noted.
    pub fn board(
        self: &Arc<Self>,
        key: &K,
        noted: N,
        is_current: impl Fn(&N) -> bool,
    ) -> Boarding<K, N, V> {
        let me = thread::current();
        let mine = Arc::new(Flight::new(me.id(), noted));
        loop {
            let Some(found) = self.find_or_insert(key, &mine) else {
                return self.lead(key, mine);
            };
            // Asked under no lock: it takes those of the tiers.
            if found.forks != mine.forks || !is_current(&found.noted) {
                if self.replace(key, &found, &mine) {
                    return self.lead(key, mine);
                }
                continue;
            }
            if !wait_for(me.id(), found.leader) {
                return Boarding::Circle;
            }
            // From here on, dropped again, it takes the thread off the list.
            let mut wait = Wait {
                flight: found,
                is_late: false,
            };
            if let Some(is_late) = wait.flight.seat(me.clone()) {
                wait.is_late = is_late;
                return Boarding::Wait(wait);
            }
            // It has just left: see what it has stored.
        }
    }

    fn lead(self: &Arc<Self>, key: &K, flight: Arc<Flight<N, V>>) -> Boarding<K, N, V> {
        Boarding::Lead(Lead {
            flights: Arc::clone(self),
            key: key.clone(),
            flight,
            has_landed: false,
        })
    }

    fn find_or_insert(&self, key: &K, mine: &Arc<Flight<N, V>>) -> Option<Arc<Flight<N, V>>> {
        let _pass = gate::enter();
        let mut table = self.table.lock();
        if let Some(found) = table.get(key) {
            return Some(Arc::clone(found));
        }
        table.insert(key.clone(), Arc::clone(mine));
        None
    }

    fn replace(&self, key: &K, old: &Arc<Flight<N, V>>, mine: &Arc<Flight<N, V>>) -> bool {
        let _pass = gate::enter();
        let mut table = self.table.lock();
        match table.get_mut(key) {
            Some(place) if Arc::ptr_eq(place, old) => {
                // What is let go of here is held by the caller as well, and ends outside of the lock.
                *place = Arc::clone(mine);
                true
            }
            _ => false,
        }
    }

    /// Flights under way.
    pub fn len(&self) -> usize {
        let _pass = gate::enter();
        self.table.lock().len()
    }

    /// Whether none is under way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, N, V> Default for Flights<K, N, V> {
    fn default() -> Self {
        gate::install();
        Self {
            table: Mutex::default(),
            landings: AtomicU64::new(0),
        }
    }
}

impl<K, N, V> fmt::Debug for Flights<K, N, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

impl<K: Hash + Eq, N, V> Lead<K, N, V> {
    /// What was noted before.
    pub fn noted(&self) -> &N {
        &self.flight.noted
    }

    /// From now on who boards is late: another process may clear what is about to be stored.
    pub fn begin_closing(&self) {
        let _pass = gate::enter();
        self.flight.seats.lock().are_closing = true;
    }

    /// The same before the value is computed, of which no server will say whether it was cleared meanwhile.
    pub fn begin_unwatched(&self) {
        let _pass = gate::enter();
        let mut seats = self.flight.seats.lock();
        seats.are_closing = true;
        seats.is_unwatched = true;
    }

    /// Leave, and tell those who wait what `outcome` says; not asked if nobody does.
    pub fn land(mut self, outcome: impl FnOnce() -> Outcome<V>) {
        self.leave();
        if self.flight.close() {
            // Under no lock; if it panics, the flight has failed.
            let outcome = outcome();
            self.flight.publish(outcome);
        }
        self.has_landed = true;
    }

    fn leave(&self) {
        let _old = {
            let _pass = gate::enter();
            let mut table = self.flights.table.lock();
            // Before anybody else can lead, and asks whether there was one.
            self.flights.landings.fetch_add(1, Ordering::AcqRel);
            let is_mine = table
                .get(&self.key)
                .is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
            // The key, which may hold much, ends outside of the lock.
            is_mine.then(|| table.remove_entry(&self.key))
        };
    }
}

impl<K: Hash + Eq, N, V> Drop for Lead<K, N, V> {
    fn drop(&mut self) {
        if !self.has_landed {
            self.leave();
            self.flight.close();
            self.flight.publish(Outcome::Failed);
        }
    }
}

impl<N, V: Clone> Wait<N, V> {
    /// Wait for the end, but no longer than this. Whether it has come.
    pub fn park(&self, at_most: Duration) -> bool {
        if !self.is_over() {
            thread::park_timeout(at_most);
        }
        self.is_over()
    }

    fn is_over(&self) -> bool {
        self.flight.is_over.load(Ordering::Acquire)
    }

    /// What came of it for this one, if it is over.
    pub fn outcome(&self) -> Option<Outcome<V>> {
        let (outcome, is_unwatched) = {
            let _pass = gate::enter();
            let seats = self.flight.seats.lock();
            (seats.outcome.clone(), seats.is_unwatched)
        };
        match outcome {
            Some(Outcome::Value(_)) if self.is_late && is_unwatched => Some(Outcome::Failed),
            Some(Outcome::Value(_)) if self.is_late => Some(Outcome::Apart),
            outcome => outcome,
        }
    }
}

impl<N, V> Drop for Wait<N, V> {
    fn drop(&mut self) {
        let me = thread::current().id();
        let _pass = gate::enter();
        self.flight
            .seats
            .lock()
            .waiting
            .retain(|thread| thread.id() != me);
        WAITS.lock().leaders.remove(&me);
    }
}

impl<N, V> Flight<N, V> {
    fn new(leader: ThreadId, noted: N) -> Self {
        Self {
            leader,
            forks: gate::forks(),
            noted,
            is_over: AtomicBool::new(false),
            seats: Mutex::new(Seats {
                are_closing: false,
                is_unwatched: false,
                are_closed: false,
                waiting: Vec::new(),
                outcome: None,
            }),
        }
    }

    /// Have this thread wait too, and whether it is late. None if it is too late even for that.
    fn seat(&self, thread: Thread) -> Option<bool> {
        let _pass = gate::enter();
        let mut seats = self.seats.lock();
        if seats.are_closed {
            return None;
        }
        seats.waiting.push(thread);
        Some(seats.are_closing)
    }

    /// Let nobody on any more. Whether anybody waits.
    fn close(&self) -> bool {
        let _pass = gate::enter();
        let mut seats = self.seats.lock();
        seats.are_closed = true;
        !seats.waiting.is_empty()
    }

    fn publish(&self, outcome: Outcome<V>) {
        let waiting = {
            let _pass = gate::enter();
            let mut seats = self.seats.lock();
            seats.outcome = Some(outcome);
            std::mem::take(&mut seats.waiting)
        };
        self.is_over.store(true, Ordering::Release);
        for thread in waiting {
            thread.unpark();
        }
    }
}

/// Note that a thread waits for another. False if that waits for the one, through however many others.
fn wait_for(me: ThreadId, leader: ThreadId) -> bool {
    let _pass = gate::enter();
    let mut waits = WAITS.lock();
    let forks = gate::forks();
    if waits.forks != forks {
        waits.forks = forks;
        waits.leaders.clear();
    }
    let mut next = Some(leader);
    while let Some(thread) = next {
        if thread == me {
            return false;
        }
        next = waits.leaders.get(&thread).copied();
    }
    waits.leaders.insert(me, leader);
    true
}
