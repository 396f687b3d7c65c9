//! The right to compute a value, and what is stored under it.

use std::time::{Duration, Instant};

use super::RemoteTier;
use crate::clock::Timeout;
use crate::tier::lease::{Lease, is_placeholder};
use crate::tier::server::{Condition, Failure, FailureKind, Server, Stored};

/// How long a lease is kept in a key whose value is never stored: an hour.
const LEASE_LIFE: Duration = Duration::from_secs(3_600);

/// What became of a value that was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// The server keeps it.
    Kept,
    /// It is too large to be kept, or has no time to live; what it would have replaced is not there either.
    TooLarge,
    /// The key was cleared meanwhile.
    Overtaken,
}

impl Filled {
    /// Whether the key was not cleared meanwhile.
    pub fn is_current(self) -> bool {
        self != Self::Overtaken
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
    /// Keep what was computed, under its lease; without one where there are none.
    pub fn fill(
        &self,
        key: &[u8],
        bytes: &[u8],
        life: Timeout,
        lease: Option<&Lease>,
    ) -> Result<Filled, Failure> {
        if self.distrusts(key) {
            return Ok(Filled::Overtaken);
        }
        if !self.may_keep(bytes, life) {
            // Nor is what it would have replaced.
            let was_mine = match lease {
                None => self.delete(key).map(|_| true),
                Some(lease) => self.run_further(key, |server, until| {
                    server.delete_if(key, Condition::Leased(lease), until)
                }),
            }?;
            if was_mine {
                return Ok(Filled::TooLarge);
            }
            self.void_older(key, lease)?;
            return Ok(Filled::Overtaken);
        }
        let condition = lease.map_or(Condition::Always, Condition::Leased);
        let kept = self.run_further(key, |server, until| {
            server.set(key, bytes, life, condition, until)
        })?;
        if kept {
            self.counters.stores.add(1);
            Ok(Filled::Kept)
        } else {
            self.counters.refusals.add(1);
            self.void_older(key, lease)?;
            Ok(Filled::Overtaken)
        }
    }

    /// What a refresh was to replace, if it was refused because another has begun meanwhile: whoever asked for it
    /// has a newer value by now, and the other may never store one. Its right to do so stays.
    fn void_older(&self, key: &[u8], lease: Option<&Lease>) -> Result<(), Failure> {
        if !lease.is_some_and(Lease::is_behind_value) {
            return Ok(());
        }
        let voided = self.run_further(key, |server, until| {
            server.unvalue(key, Timeout::after(LEASE_LIFE), until)
        });
        if voided.is_err() {
            // Kept, and sent once the server is back.
            self.delete(key)?;
        }
        Ok(())
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

    /// Take the right to replace the value of a full key, which stays until then, if it is one that may have
    /// something behind it. Integers are made such, if readers read pickles.
    pub fn mark(&self, key: &[u8], reads_pickles: bool) -> Result<Option<Lease>, Failure> {
        if self.distrusts(key) {
            return Ok(None);
        }
        // A first step: whoever only refreshes has no other to find out by that the server is back.
        self.run(key, |server, until| {
            let lease = new_lease()?.behind_value();
            server.mark(
                key,
                &lease,
                Timeout::after(LEASE_LIFE),
                reads_pickles,
                until,
            )?;
            Ok(Some(lease))
        })
    }
}

fn new_lease() -> Result<Lease, Failure> {
    Lease::new().map_err(|error| {
        let text = format!("the system gives no random numbers: {error}");
        Failure::new(FailureKind::Refused, text).unsent()
    })
}
