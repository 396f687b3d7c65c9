//! A tier on a server that others share: what is asked of it, and what becomes of it when nobody answers.
//!
//! The rules of failure stand here. A call takes `deadline` at most. After some failures in a row the breaker
//! opens, and calls fail at once until the courier has found the server back. A delete, or an overwriting by
//! request, that may not have arrived is kept and delivered later; until then the key counts as missing.
//! What a failure means to the caller is for the boundary to decide.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use log::Level;

use super::breaker::{Breakers, Shard};
use super::courier::{self, AsCourier, Courier};
use super::lease::{Lease, is_placeholder};
use super::server::{Condition, Failure, FailureKind, Server, Stored};
use super::undelivered::Undelivered;
use crate::clock::{SystemClock, Timeout};
use crate::gate;
use crate::notices::{Notice, Notices};
use crate::stats::{RemoteCounters, RemoteStats};

/// How long a lease is kept in a key whose value is never stored: an hour.
const LEASE_LIFE: Duration = Duration::from_secs(3_600);
/// How often a step is tried that others keep getting ahead of.
const TRIES: usize = 3;
/// Deletes delivered at a time.
const BATCH: usize = 1_000;

/// How a tier behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// What goes before each key.
    pub prefix: Vec<u8>,
    /// The life of values that are set without one.
    pub timeout: Timeout,
    /// How long an operation takes at most.
    pub deadline: Duration,
    /// Whether values are stored under leases.
    pub leases: bool,
    /// The bytes of the largest value that is kept.
    pub max_value_bytes: usize,
}

/// What a line of the log is about, of which there is one in ten seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum About {
    Failure(FailureKind),
    Opened,
    Back,
    LostDelete,
    TooLarge,
    Undecodable,
}

/// Values on a server.
pub struct RemoteTier<S> {
    server: S,
    options: Options,
    breakers: Breakers,
    undelivered: Undelivered,
    counters: RemoteCounters,
    notices: Notices<About>,
    courier: Courier,
    me: Weak<Self>,
}

impl<S> fmt::Debug for RemoteTier<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTier")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<S: Server> AsCourier for RemoteTier<S> {
    fn courier(&self) -> &Courier {
        &self.courier
    }
}

/// What stands in the way of computing a value, if anything does.
#[derive(Debug)]
pub enum Leased {
    /// Nothing: store it under this lease.
    Lease(Lease),
    /// Another has computed it already.
    Value(Stored),
    /// Another computes it at the moment, under this lease.
    Taken(Lease),
    /// Nothing, but it is not to be stored.
    Unleased,
}

impl<S: Server> RemoteTier<S> {
    /// A tier on that server, which is not asked yet.
    pub fn new(server: S, options: Options) -> Arc<Self> {
        Self::seen_to_every(courier::INTERVAL, server, options)
    }

    /// The same, whose courier looks once in every `interval`.
    pub fn seen_to_every(interval: Duration, server: S, options: Options) -> Arc<Self> {
        gate::install();
        Arc::new_cyclic(|me| Self {
            server,
            options,
            breakers: Breakers::default(),
            undelivered: Undelivered::default(),
            counters: RemoteCounters::default(),
            notices: Notices::new(SystemClock),
            courier: Courier::new(interval),
            me: me.clone(),
        })
    }

    /// How the tier behaves.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The key as the server has it.
    pub fn full_key(&self, key: &[u8]) -> Vec<u8> {
        [&self.options.prefix, key].concat()
    }

    /// What is there under a full key, with its life if that is wanted. A placeholder is nothing.
    pub fn get(&self, key: &[u8], with_life: bool) -> Result<Option<Stored>, Failure> {
        let found = if self.distrusts(key) {
            Ok(None)
        } else {
            self.run(key, |server, until| server.get(key, with_life, until))
        };
        let found = found.map(|found| found.filter(|found| !is_placeholder(&found.bytes)));
        match &found {
            Ok(Some(_)) => self.counters.hits.add(1),
            _ => self.counters.misses.add(1),
        }
        found
    }

    /// Keep bytes under a full key, by request. Whether they are kept.
    pub fn set(&self, key: &[u8], bytes: &[u8], life: Timeout) -> Result<bool, Failure> {
        if !self.may_keep(bytes, life) {
            return self.delete(key).map(|_| false);
        }
        let begun = self.undelivered.now();
        let done = self.run(key, |server, until| {
            self.wait_for_delivery(key, until);
            server.set(key, bytes, life, Condition::Always, until)
        });
        match done {
            Ok(_) => {
                self.undelivered.remove(key, begun);
                self.counters.stores.add(1);
                Ok(true)
            }
            Err(failure) => {
                // What was to be replaced may be there still.
                self.keep_delete(key);
                Err(failure)
            }
        }
    }

    /// Keep bytes under a full key if nothing is there, or nothing but a placeholder. Whether they are kept.
    pub fn add(&self, key: &[u8], bytes: &[u8], life: Timeout) -> Result<bool, Failure> {
        if !self.may_keep(bytes, life) {
            return Ok(false);
        }
        let begun = self.undelivered.now();
        let added = self.run(key, |server, until| {
            self.wait_for_delivery(key, until);
            // Not for ever: a replica that is behind may say again and again that there is nothing.
            for _ in 0..TRIES {
                if server.set(key, bytes, life, Condition::Absent, until)? {
                    return Ok(true);
                }
                let Some(found) = server.get(key, false, until)? else {
                    continue;
                };
                let is_free = self.distrusts(key) || is_placeholder(&found.bytes);
                if !is_free {
                    return Ok(false);
                }
                let unchanged = Condition::Unchanged(&found.bytes);
                if server.set(key, bytes, life, unchanged, until)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        if added {
            self.undelivered.remove(key, begun);
            self.counters.stores.add(1);
        }
        Ok(added)
    }

    /// Keep what was computed, under its lease; without one where there are none. False if the key was cleared
    /// meanwhile; true of a value that is too large to be kept, or has no time to live, as far as it was not.
    pub fn fill(
        &self,
        key: &[u8],
        bytes: &[u8],
        life: Timeout,
        lease: Option<&Lease>,
    ) -> Result<bool, Failure> {
        if self.distrusts(key) {
            return Ok(false);
        }
        if !self.may_keep(bytes, life) {
            // Nor is what it would have replaced.
            return match lease {
                None => self.delete(key).map(|_| true),
                Some(lease) => self.run_further(key, |server, until| {
                    server.delete_if(key, Condition::Leased(lease), until)
                }),
            };
        }
        let condition = lease.map_or(Condition::Always, Condition::Leased);
        let kept = self.run_further(key, |server, until| {
            server.set(key, bytes, life, condition, until)
        })?;
        let counter = if kept {
            &self.counters.stores
        } else {
            &self.counters.refusals
        };
        counter.add(1);
        Ok(kept)
    }

    /// Take the right to compute the value of a full key: one that nobody has, or that of whoever computes
    /// it already.
    pub fn lease(&self, key: &[u8], with_life: bool) -> Result<Leased, Failure> {
        if self.distrusts(key) {
            return Ok(Leased::Unleased);
        }
        self.run_further(key, |server, until| {
            // Twice: between the two steps, what was there may have gone.
            for _ in 0..2 {
                let lease = new_lease()?;
                let life = Timeout::after(LEASE_LIFE);
                let placeholder = lease.placeholder();
                if server.set(key, &placeholder, life, Condition::Absent, until)? {
                    self.counters.leases.add(1);
                    return Ok(Leased::Lease(lease));
                }
                let Some(found) = server.get(key, with_life, until)? else {
                    continue;
                };
                if !is_placeholder(&found.bytes) {
                    return Ok(Leased::Value(found));
                }
                if let Some(others) = Lease::of_placeholder(&found.bytes) {
                    self.counters.leases_shared.add(1);
                    return Ok(Leased::Lease(others));
                }
                // An Ellipsis that is nobody's lease.
                let unchanged = Condition::Unchanged(&found.bytes);
                if server.set(key, &placeholder, life, unchanged, until)? {
                    self.counters.leases.add(1);
                    return Ok(Leased::Lease(lease));
                }
            }
            Ok(Leased::Unleased)
        })
    }

    /// The same, alone: whoever has it keeps it, for `patience` at most, since it may not be there any more.
    pub fn lease_alone(
        &self,
        key: &[u8],
        with_life: bool,
        patience: Duration,
    ) -> Result<Leased, Failure> {
        if self.distrusts(key) {
            return Ok(Leased::Unleased);
        }
        self.run_further(key, |server, until| {
            // Looked at first: most of those who ask wait for another, and ask again.
            if let Some(found) = server.get(key, true, until)? {
                if !is_placeholder(&found.bytes) {
                    let remaining = found.remaining.filter(|_| with_life);
                    return Ok(Leased::Value(Stored { remaining, ..found }));
                }
                let Some(others) = Lease::of_placeholder(&found.bytes) else {
                    // An Ellipsis that is nobody's lease.
                    let unchanged = Condition::Unchanged(&found.bytes);
                    return self.place(server, key, unchanged, until);
                };
                let left = found.remaining.and_then(Timeout::duration);
                let age = left.map_or(Duration::ZERO, |left| LEASE_LIFE.saturating_sub(left));
                if age < patience {
                    return Ok(Leased::Taken(others));
                }
                return self.place(server, key, Condition::Leased(&others), until);
            }
            self.place(server, key, Condition::Absent, until)
        })
    }

    /// Put a placeholder where there is what there was.
    fn place(
        &self,
        server: &S,
        key: &[u8],
        condition: Condition<'_>,
        until: Instant,
    ) -> Result<Leased, Failure> {
        let lease = new_lease()?;
        let life = Timeout::after(LEASE_LIFE);
        if server.set(key, &lease.placeholder(), life, condition, until)? {
            self.counters.leases.add(1);
            return Ok(Leased::Lease(lease));
        }
        // Another was quicker. Which one will be seen when it is asked for again.
        Ok(Leased::Taken(lease))
    }

    /// Give a right back that is not made use of, so that others need not wait. A value that was to be replaced
    /// stays.
    pub fn release(&self, key: &[u8], lease: &Lease) -> Result<bool, Failure> {
        self.run_further(key, |server, until| {
            server.delete_if(key, Condition::Unchanged(&lease.placeholder()), until)
        })
    }

    /// Note that a caller waited for a value that another process computed; `in_vain`: it never came.
    pub fn count_wait(&self, in_vain: bool) {
        self.counters.waits.add(1);
        self.counters.wait_timeouts.add(u64::from(in_vain));
    }

    /// Take the right to replace the value of a full key, which stays until then.
    pub fn mark(&self, key: &[u8]) -> Result<Option<Lease>, Failure> {
        if self.distrusts(key) {
            return Ok(None);
        }
        // A first step: whoever only refreshes has no other to find out by that the server is back.
        self.run(key, |server, until| {
            let lease = new_lease()?;
            server.mark(key, &lease, Timeout::after(LEASE_LIFE), until)?;
            Ok(Some(lease))
        })
    }

    /// Forget a full key. Whether it was there.
    pub fn delete(&self, key: &[u8]) -> Result<bool, Failure> {
        let begun = self.undelivered.now();
        match self.run(key, |server, until| server.delete(key, until)) {
            Ok(was_there) => {
                self.undelivered.remove(key, begun);
                self.counters.deletes.add(u64::from(was_there));
                Ok(was_there)
            }
            Err(failure) => {
                self.keep_delete(key);
                Err(failure)
            }
        }
    }

    /// Forget a full key if it has these very bytes.
    pub fn delete_unchanged(&self, key: &[u8], bytes: &[u8]) -> Result<bool, Failure> {
        self.run(key, |server, until| {
            server.delete_if(key, Condition::Unchanged(bytes), until)
        })
    }

    /// Replace bytes by others, if they are still there.
    pub fn replace(
        &self,
        key: &[u8],
        old: &[u8],
        new: &[u8],
        life: Timeout,
    ) -> Result<bool, Failure> {
        if !has_life(life) {
            return self.delete_unchanged(key, old);
        }
        self.run(key, |server, until| {
            server.set(key, new, life, Condition::Unchanged(old), until)
        })
    }

    /// Whether there is a value under a full key.
    pub fn contains(&self, key: &[u8]) -> Result<bool, Failure> {
        if self.distrusts(key) {
            return Ok(false);
        }
        self.run(key, |server, until| server.touch(key, None, until))
    }

    /// Give the value of a full key a new life. Whether there is one.
    pub fn touch(&self, key: &[u8], life: Timeout) -> Result<bool, Failure> {
        if !has_life(life) {
            return self.delete(key);
        }
        if self.distrusts(key) {
            return Ok(false);
        }
        self.run(key, |server, until| server.touch(key, Some(life), until))
    }

    /// Add to the number under a full key. None if there is none.
    pub fn increment(&self, key: &[u8], by: i64) -> Result<Option<i64>, Failure> {
        if self.distrusts(key) {
            return Ok(None);
        }
        self.run(key, |server, until| server.increment(key, by, until))
    }

    /// What is there under each of the full keys.
    pub fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let is_away = self.are_away(keys.iter().map(Vec::as_slice));
        let of_those_there = keys.iter().zip(&is_away).filter(|(_, is_away)| !**is_away);
        let there: Cow<'_, [Vec<u8>]> = if is_away.contains(&true) {
            of_those_there.map(|(key, _)| key.clone()).collect()
        } else {
            keys.into()
        };
        let asked = self.run_many(&there, |server, until| server.get_many(&there, until));
        let mut asked = asked
            .inspect_err(|_| self.counters.misses.add(keys.len() as u64))?
            .into_iter();
        let mut hits = 0;
        let mut found = Vec::with_capacity(keys.len());
        for (key, is_away) in keys.iter().zip(is_away) {
            let bytes = if is_away {
                None
            } else {
                asked.next().flatten()
            };
            let bytes = bytes.filter(|bytes| !is_placeholder(bytes) && !self.distrusts(key));
            hits += u64::from(bytes.is_some());
            found.push(bytes);
        }
        self.counters.hits.add(hits);
        self.counters.misses.add(keys.len() as u64 - hits);
        Ok(found)
    }

    /// Keep all of these under full keys, by request. The keys of those that are not kept.
    pub fn set_many(
        &self,
        items: Vec<(Vec<u8>, Vec<u8>)>,
        life: Timeout,
    ) -> (Vec<Vec<u8>>, Result<(), Failure>) {
        let begun = self.undelivered.now();
        let (kept, refused): (Vec<_>, Vec<_>) = items
            .into_iter()
            .partition(|(_, bytes)| self.may_keep(bytes, life));
        let mut failed: Vec<_> = refused.into_iter().map(|(key, _)| key).collect();
        let mut result = if failed.is_empty() {
            Ok(())
        } else {
            self.delete_many(&failed).map(drop)
        };
        let mut is_away = self
            .are_away(kept.iter().map(|(key, _)| key.as_slice()))
            .into_iter();
        let (away, kept): (Vec<_>, Vec<_>) = kept
            .into_iter()
            .partition(|_| is_away.next().unwrap_or_default());
        for (key, _) in away {
            self.keep_delete(&key);
            failed.push(key);
            result = result.and_then(|()| Err(self.reject()));
        }
        if kept.is_empty() {
            return (failed, result);
        }
        let keys: Vec<_> = kept.iter().map(|(key, _)| key.as_slice()).collect();
        let done = self.run_many(&keys, |server, until| {
            for (key, _) in &kept {
                self.wait_for_delivery(key, until);
            }
            server.set_many(&kept, life, until)
        });
        if done.is_ok() {
            self.counters.stores.add(kept.len() as u64);
        }
        for (key, _) in kept {
            if done.is_ok() {
                self.undelivered.remove(&key, begun);
            } else {
                self.keep_delete(&key);
                failed.push(key);
            }
        }
        result = result.and(done);
        (failed, result)
    }

    /// Forget the full keys. How many were there.
    pub fn delete_many(&self, keys: &[Vec<u8>]) -> Result<u64, Failure> {
        if keys.is_empty() {
            return Ok(0);
        }
        let begun = self.undelivered.now();
        let mut is_away = self.are_away(keys.iter().map(Vec::as_slice)).into_iter();
        let (away, there): (Vec<_>, Vec<_>) = keys
            .iter()
            .cloned()
            .partition(|_| is_away.next().unwrap_or_default());
        let done = if there.is_empty() {
            Ok(0)
        } else {
            self.run_many(&there, |server, until| server.delete_many(&there, until))
        };
        for key in &there {
            match &done {
                Ok(_) => self.undelivered.remove(key, begun),
                Err(_) => self.keep_delete(key),
            }
        }
        for key in &away {
            self.keep_delete(key);
        }
        let deleted = done.inspect(|deleted| self.counters.deletes.add(*deleted))?;
        if away.is_empty() {
            Ok(deleted)
        } else {
            Err(self.reject())
        }
    }

    /// Forget all keys with the tier's prefix.
    pub fn clear(&self) -> Result<(), Failure> {
        let begun = self.undelivered.now();
        let deadline = self.options.deadline;
        self.run(b"", |server, _| {
            server.clear(&self.options.prefix, deadline)
        })?;
        self.undelivered.clear(begun);
        Ok(())
    }

    /// Ask whether the server answers, even if it is known to be away. How long that took.
    pub fn ping(&self) -> Result<Duration, Failure> {
        let begun = Instant::now();
        self.server.ping(begun + self.options.deadline)?;
        let took = begun.elapsed();
        for shard in self.breakers.open() {
            self.note_back(shard);
        }
        Ok(took)
    }

    /// Close the connections that are not in use.
    pub fn close(&self) {
        self.server.close();
    }

    /// The counters.
    pub fn stats(&self) -> RemoteStats {
        self.counters.snapshot(self.server.connections())
    }

    /// Note that a value that was found could not be decoded: a miss after all.
    pub fn count_undecodable(&self, why: &dyn fmt::Display) {
        self.counters.undecodable.add(1);
        self.counters.misses.add(1);
        self.counters.hits.take_back(1);
        self.notices.say(Level::Warn, About::Undecodable, || {
            format!("a value on the server cannot be read, and counts as missing: {why}")
        });
    }

    /// Lines for the log, which whoever can is to hand over.
    pub fn take_notices(&self) -> Vec<Notice> {
        self.notices.take()
    }

    /// Ask the server that has `key`, unless it is known to be away, and note how that went.
    fn run<T>(
        &self,
        key: &[u8],
        ask: impl FnOnce(&S, Instant) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let shard = || self.server.shard(key);
        if self.breakers.is_open(shard) {
            return Err(self.reject());
        }
        let done = ask(&self.server, Instant::now() + self.options.deadline);
        match &done {
            Ok(_) => self.breakers.succeeded(shard),
            Err(failure) => self.note_failure(failure, failure.shard.unwrap_or_else(shard)),
        }
        done
    }

    /// The same for a further step of a call, which is not taken after one that failed: so that a call waits for
    /// one deadline, and not for one at each step.
    fn run_further<T>(
        &self,
        key: &[u8],
        ask: impl FnOnce(&S, Instant) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.breakers.is_troubled(|| self.server.shard(key)) {
            return Err(self.reject());
        }
        self.run(key, ask)
    }

    /// Which of many keys are on servers that are known to be away.
    fn are_away<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Vec<bool> {
        let open = self.breakers.open();
        keys.map(|key| !open.is_empty() && open.contains(&self.server.shard(key)))
            .collect()
    }

    /// Ask the servers that have `keys`, none of which is known to be away, and note how that went. At least one
    /// key.
    fn run_many<T>(
        &self,
        keys: &[impl AsRef<[u8]>],
        ask: impl FnOnce(&S, Instant) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Some(first) = keys.first() else {
            return Err(self.reject());
        };
        let shard = |key: &[u8]| self.server.shard(key);
        let done = ask(&self.server, Instant::now() + self.options.deadline);
        match &done {
            Ok(_) => {
                for key in keys {
                    self.breakers.succeeded(|| shard(key.as_ref()));
                }
            }
            Err(failure) => {
                let shard = failure.shard.unwrap_or_else(|| shard(first.as_ref()));
                self.note_failure(failure, shard);
            }
        }
        done
    }

    /// Do not ask.
    fn reject(&self) -> Failure {
        self.counters.rejections.add(1);
        // In a child of a fork there is no thread that probes yet.
        self.wake_courier();
        away()
    }

    /// Whether what is there under a key may be what could not be deleted.
    fn distrusts(&self, key: &[u8]) -> bool {
        let does = self.undelivered.has(key);
        if does {
            // In a child of a fork there is no thread yet that delivers what its parent could not.
            self.wake_courier();
        }
        does
    }

    fn note_failure(&self, failure: &Failure, shard: Shard) {
        self.counters.errors.add(1);
        if failure.kind == FailureKind::Timeout {
            self.counters.timeouts.add(1);
        }
        let about = About::Failure(failure.kind);
        self.notices.say(Level::Warn, about, || failure.to_string());
        if !failure.kind.tells_of_outage() {
            self.breakers.succeeded(|| shard);
        } else if self.breakers.failed(shard) {
            self.counters.breaker_opens.add(1);
            self.notices.say(Level::Warn, About::Opened, || {
                format!("the server is not asked any more until it is back: {failure}")
            });
            self.wake_courier();
        }
    }

    fn note_back(&self, shard: Shard) {
        if self.breakers.close(shard) {
            self.notices.say(Level::Warn, About::Back, || {
                "the server is back, and is asked again".to_owned()
            });
        }
    }

    /// Whether these bytes are to be kept at all.
    fn may_keep(&self, bytes: &[u8], life: Timeout) -> bool {
        if bytes.len() > self.options.max_value_bytes {
            self.counters.refusals.add(1);
            self.notices.say(Level::Warn, About::TooLarge, || {
                format!(
                    "a value of {} bytes is not kept on the server: max_value_bytes is {}",
                    bytes.len(),
                    self.options.max_value_bytes
                )
            });
            return false;
        }
        has_life(life)
    }

    /// Keep a delete that may not have arrived.
    fn keep_delete(&self, key: &[u8]) {
        self.counters.deletes_queued.add(1);
        if self.undelivered.add(key) {
            self.counters.deletes_lost.add(1);
            self.notices.say(Level::Error, About::LostDelete, || {
                "there are too many deletes that the server did not take: old ones were given up, whose \
                 values live until their timeout"
                    .to_owned()
            });
        }
        self.wake_courier();
    }

    /// Do not write a key whose delete is on its way at this moment, and might arrive later.
    fn wait_for_delivery(&self, key: &[u8], until: Instant) {
        while self.undelivered.is_under_way(key) && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn wake_courier(&self) {
        self.courier
            .wake(&self.me, |tier: &Self| tier.see_to_the_rest());
    }

    /// What the courier does from time to time. Whether there is more to do later.
    fn see_to_the_rest(&self) -> bool {
        for shard in self.breakers.open() {
            let until = Instant::now() + self.options.deadline;
            if self.server.probe(shard, until).is_ok() {
                self.note_back(shard);
            }
        }
        self.deliver();
        !self.undelivered.is_empty() || !self.breakers.open().is_empty()
    }

    /// Deliver the deletes whose servers are there.
    fn deliver(&self) {
        if self.undelivered.is_empty() {
            return;
        }
        let away = self.breakers.open();
        let batch = self.undelivered.begin();
        let is_there = |key: &&Vec<u8>| !away.contains(&self.server.shard(key));
        let keys: Vec<_> = batch.keys.iter().filter(is_there).cloned().collect();
        let mut delivered = 0;
        for keys in keys.chunks(BATCH) {
            let done = self.run_many(keys, |server, until| server.delete_many(keys, until));
            if done.is_err() {
                break;
            }
            delivered += keys.len();
        }
        self.undelivered.end(&batch, &keys[..delivered]);
        self.counters.deletes_resent.add(delivered as u64);
    }
}

/// Whether a value with that life is kept at all.
pub fn has_life(life: Timeout) -> bool {
    life.duration()
        .is_none_or(|life| life >= Duration::from_millis(1))
}

fn new_lease() -> Result<Lease, Failure> {
    Lease::new().map_err(|error| {
        let text = format!("the system gives no random numbers: {error}");
        Failure::new(FailureKind::Refused, text).unsent()
    })
}

fn away() -> Failure {
    let text = "the server is not asked, since it did not answer";
    Failure::new(FailureKind::Away, text).unsent()
}
