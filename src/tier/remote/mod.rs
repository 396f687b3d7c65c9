//! A tier on a server that others share: what is asked of it, and what becomes of it when nobody answers.
//!
//! The rules of failure stand here. A call takes `deadline` at most. After some failures in a row the breaker
//! opens, and calls fail at once until the courier has found the server back. A delete, or an overwriting by
//! request, that may not have arrived is kept and delivered later; until then the key counts as missing.
//! What a failure means to the caller is for the boundary to decide.

mod claims;
mod many;
mod values;

use std::fmt;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use log::Level;

use super::breaker::{Breakers, Shard};
use super::courier::{self, AsCourier, Courier};
use super::server::{Failure, FailureKind, Server};
use super::undelivered::Undelivered;
use crate::clock::{SystemClock, Timeout};
use crate::gate;
use crate::notices::{Notice, Notices};
use crate::stats::{RemoteCounters, RemoteStats};

pub use claims::{Filled, Leased};

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
    /// Whether deletes that fail are kept, and delivered later. Not where whoever asked is told.
    pub keeps_deletes: bool,
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

    /// The server that is asked.
    pub fn server(&self) -> &S {
        &self.server
    }

    /// How the tier behaves.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The key as the server has it.
    pub fn full_key(&self, key: &[u8]) -> Vec<u8> {
        [&self.options.prefix, key].concat()
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
    pub(super) fn run<T>(
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
    pub(super) fn run_further<T>(
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
    pub(super) fn are_away<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Vec<bool> {
        let open = self.breakers.open();
        keys.map(|key| !open.is_empty() && open.contains(&self.server.shard(key)))
            .collect()
    }

    /// Ask the servers that have `keys`, none of which is known to be away, and note how that went. At least one
    /// key.
    pub(super) fn run_many<T>(
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
    pub(super) fn reject(&self) -> Failure {
        self.counters.rejections.add(1);
        // In a child of a fork there is no thread that probes yet.
        self.wake_courier();
        away()
    }

    /// Whether what is there under a key may be what could not be deleted.
    pub(super) fn distrusts(&self, key: &[u8]) -> bool {
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
    pub(super) fn may_keep(&self, bytes: &[u8], life: Timeout) -> bool {
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
    pub(super) fn keep_delete(&self, key: &[u8]) {
        if !self.options.keeps_deletes {
            return;
        }
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
    pub(super) fn wait_for_delivery(&self, key: &[u8], until: Instant) {
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

fn away() -> Failure {
    let text = "the server is not asked for a while, since it has just failed several times";
    Failure::new(FailureKind::Away, text).unsent()
}
