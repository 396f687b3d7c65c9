//! Requests of several threads in one write, and their replies in one read.
//!
//! The first of them to come **leads**: it sends what is waiting together with its own, and hands out the
//! replies. What comes meanwhile waits, for the next one to lead: one of those who wait. A thread that is alone
//! leads at once, and waits for nobody. Nothing is locked while a leader waits for the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::Value;

use crate::sync::Mutex;
use crate::sync::thread::{self, Thread};
use crate::tier::server::{Failure, FailureKind};

/// Leaders at the same time, each with a connection of its own: while one waits for the server, the other's
/// replies are handed out.
const MOST_LEADERS: usize = 2;
/// Requests sent together.
const MOST_TOGETHER: usize = 64;
/// How long to sleep before looking again whether a leader, who is about to give up, has.
const A_WHILE: Duration = Duration::from_secs(1);

/// What the threads that ask one server have to say to one another.
#[derive(Debug, Default)]
pub struct Combiner {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    leaders: usize,
    waiting: Vec<Arc<Seat>>,
}

/// The place of one who waits.
#[derive(Debug)]
struct Seat {
    packed: Vec<u8>,
    count: usize,
    until: Instant,
    thread: Thread,
    turn: Mutex<Turn>,
}

#[derive(Debug)]
enum Turn {
    /// Another leads.
    Wait,
    /// It leads now.
    Lead,
    /// It has its replies.
    Done(Result<Vec<Value>, Failure>),
}

impl Combiner {
    /// Have `packed` answered with `count` replies by `until`. `exchange` does so for what leaders send.
    pub fn exchange(
        &self,
        packed: &[u8],
        count: usize,
        until: Instant,
        exchange: impl Fn(&[u8], usize, Instant) -> Result<Vec<Value>, Failure>,
    ) -> Result<Vec<Value>, Failure> {
        let seat = {
            let mut table = self.table.lock();
            if table.leaders < MOST_LEADERS {
                table.leaders += 1;
                None
            } else {
                let seat = Arc::new(Seat {
                    packed: packed.to_vec(),
                    count,
                    until,
                    thread: thread::current(),
                    turn: Mutex::new(Turn::Wait),
                });
                table.waiting.push(Arc::clone(&seat));
                Some(seat)
            }
        };
        if let Some(seat) = seat
            && let Some(answer) = self.wait(&seat)
        {
            return answer;
        }
        let lead = Lead(self);
        let others = lead.take_along();
        if others.is_empty() {
            return exchange(packed, count, until);
        }
        lead.exchange_all(packed, count, until, &others, exchange)
    }

    /// Wait for a leader's answer. None if this thread is to lead.
    fn wait(&self, seat: &Arc<Seat>) -> Option<Result<Vec<Value>, Failure>> {
        loop {
            let turn = std::mem::replace(&mut *seat.turn.lock(), Turn::Wait);
            match turn {
                Turn::Done(answer) => return Some(answer),
                Turn::Lead => return None,
                Turn::Wait => {}
            }
            let left = seat.until.saturating_duration_since(Instant::now());
            if left.is_zero() && self.is_left(seat) {
                let text = "the server did not answer others in time";
                return Some(Err(Failure::new(FailureKind::Timeout, text).unsent()));
            }
            // Once it is sent, whoever leads gives up at this thread's time, and says so.
            let limit = if left.is_zero() { A_WHILE } else { left };
            thread::park_timeout(limit);
        }
    }

    /// Take a seat back, if nobody has taken it along.
    fn is_left(&self, seat: &Arc<Seat>) -> bool {
        let mut table = self.table.lock();
        let place = table.waiting.iter().position(|it| Arc::ptr_eq(it, seat));
        place.map(|place| table.waiting.remove(place)).is_some()
    }
}

/// The part of a leader. Whoever waits is led by another when it is dropped.
struct Lead<'a>(&'a Combiner);

impl Lead<'_> {
    fn take_along(&self) -> Vec<Arc<Seat>> {
        let mut table = self.0.table.lock();
        let most = table.waiting.len().min(MOST_TOGETHER - 1);
        table.waiting.drain(..most).collect()
    }

    fn exchange_all(
        self,
        packed: &[u8],
        count: usize,
        until: Instant,
        others: &[Arc<Seat>],
        exchange: impl Fn(&[u8], usize, Instant) -> Result<Vec<Value>, Failure>,
    ) -> Result<Vec<Value>, Failure> {
        let mut answering = Answering(others);
        let together: usize = others.iter().map(|seat| seat.packed.len()).sum();
        let mut all = Vec::with_capacity(packed.len() + together);
        all.extend_from_slice(packed);
        for seat in others {
            all.extend_from_slice(&seat.packed);
        }
        let counts = others.iter().map(|seat| seat.count);
        let earliest = others.iter().map(|seat| seat.until).min();
        let until = earliest.map_or(until, |earliest| earliest.min(until));
        let replies = exchange(&all, count + counts.sum::<usize>(), until);
        // Others go on with what came meanwhile, while these are handed their replies.
        drop(self);
        let mut replies = match replies {
            Ok(replies) => replies.into_iter(),
            Err(failure) => {
                answering.all(&failure);
                return Err(failure);
            }
        };
        let mine = replies.by_ref().take(count).collect();
        for seat in others {
            answering.next(Ok(replies.by_ref().take(seat.count).collect()));
        }
        Ok(mine)
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut table = self.0.table.lock();
        if table.waiting.is_empty() {
            table.leaders -= 1;
            return;
        }
        let next = table.waiting.remove(0);
        drop(table);
        next.turn_to(Turn::Lead);
    }
}

impl Seat {
    fn turn_to(&self, turn: Turn) {
        *self.turn.lock() = turn;
        self.thread.unpark();
    }
}

/// Those who have yet to be answered, and are, whatever happens.
struct Answering<'a>(&'a [Arc<Seat>]);

impl Answering<'_> {
    fn next(&mut self, answer: Result<Vec<Value>, Failure>) {
        if let Some((seat, rest)) = self.0.split_first() {
            self.0 = rest;
            seat.turn_to(Turn::Done(answer));
        }
    }

    fn all(&mut self, failure: &Failure) {
        while !self.0.is_empty() {
            self.next(Err(failure.clone()));
        }
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.all(&Failure::new(
            FailureKind::Protocol,
            "the thread that asked the server for others panicked",
        ));
    }
}
