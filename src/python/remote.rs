//! Tiers on a server, asked without entering Python.
//!
//! What fills a gap in one is stored under the lease that was taken for it: a step of the server's. Where there
//! are no leases, clears of this process are compared before and after, as for tiers in Python.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::asked::AskedKey;
use super::foreign;
use super::key::Key;
use super::memory::Operation;
use super::naming::{Named, Naming};
use super::redis_cache::{Claim, RedisCache};
use crate::clock::Timeout;
use crate::flow::generation::Generation;
use crate::key::packed::PackedKey;
use crate::tier::Found;
use crate::tier::lease::Lease;
use crate::tier::memory::Write;
use crate::tier::remote::Filled;

/// A tier on a server for the time of one operation.
pub(super) struct Remote<'py> {
    pub(super) cache: Bound<'py, RedisCache>,
    /// The life to set values with, if not the cache's own.
    timeout: Option<Timeout>,
    pub(super) naming: Naming<'py>,
    /// On what condition values are set.
    pub(super) write: Cell<Write>,
    /// When this tier was first asked.
    pub(super) asked: Generation,
    /// The key it was asked for, if it is another.
    pub(super) asked_for: RefCell<AskedKey>,
    /// Whether there are tiers above, which need to know how long a value has yet to live.
    pub(super) is_below: Cell<bool>,
    /// The operation it is part of.
    pub(super) operation: Option<Rc<Operation<'py>>>,
    /// Whether what is set was found in a tier below, and nobody was asked for the right to.
    pub(super) is_promoting: Cell<bool>,
    /// What was taken for the value that is to be set.
    pub(super) claim: RefCell<Option<Claimed>>,
    /// Whether the last value was refused, since the key was cleared.
    pub(super) was_overtaken: Cell<bool>,
    /// Whether the last value was given to the server under a lease, and that did not say whether it took it.
    pub(super) was_unanswered: Cell<bool>,
}

/// The right to store a value under a full key.
pub(super) struct Claimed {
    cache: Py<RedisCache>,
    key: Vec<u8>,
    lease: Lease,
}

impl Claimed {
    /// Give it back, so that others need not wait.
    pub(super) fn release(&self, py: Python<'_>) {
        self.cache.get().release(py, &self.key, &self.lease);
    }

    /// For the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.cache)
    }
}

/// How a value that is missing is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// As whoever else computes it at the same time.
    Shared,
    /// Alone, after waiting so long for whoever else does.
    Alone(Duration),
    /// Although there is a value, which is to be replaced.
    Refresh,
}

/// What there is to do about a missing value.
pub(super) enum Claiming<'py> {
    /// Nothing: another has computed it.
    Value(Found<Bound<'py, PyAny>>),
    /// Compute it; store it, if that was granted.
    Compute(Option<Claimed>),
    /// Compute it for the one who asks: nobody will say whether it was cleared meanwhile.
    ComputeApart,
}

impl<'py> Remote<'py> {
    pub(super) fn new(
        cache: Bound<'py, RedisCache>,
        timeout: Option<Timeout>,
        naming: Naming<'py>,
    ) -> Self {
        Self {
            cache,
            timeout,
            naming,
            write: Cell::new(Write::Always),
            asked: foreign::now(),
            asked_for: RefCell::default(),
            is_below: Cell::new(false),
            operation: None,
            is_promoting: Cell::new(false),
            claim: RefCell::default(),
            was_overtaken: Cell::new(false),
            was_unanswered: Cell::new(false),
        }
    }

    /// How long it keeps what is computed.
    pub(super) fn life(&self) -> Timeout {
        self.timeout
            .unwrap_or_else(|| self.cache.get().default_timeout())
    }

    /// The key that the server is asked for; None if the prefix function says to skip this cache.
    fn key(&self, key: &Key) -> PyResult<Option<Vec<u8>>> {
        let py = self.cache.py();
        let cache = self.cache.get();
        match self.naming.of(py, key)? {
            Named::Plain => Ok(Some(cache.full(&key.bytes(py)?))),
            Named::Other(text) => {
                let full = cache.full(&text);
                self.asked_for
                    .replace(AskedKey::Other(PackedKey::pack(&text)));
                Ok(Some(full))
            }
            Named::Skipped => {
                self.asked_for.replace(AskedKey::Skipped);
                Ok(None)
            }
        }
    }

    pub(super) fn get(&self, key: &Key) -> PyResult<Option<Found<Bound<'py, PyAny>>>> {
        let py = self.cache.py();
        self.write.set(Write::Fill(self.asked));
        self.is_promoting.set(true);
        let Some(key) = self.key(key)? else {
            return Ok(None);
        };
        let found = self.cache.get().fetch(py, &key, self.is_below.get())?;
        Ok(found.filter(|found| !found.value.is(py.Ellipsis())))
    }

    /// Take the right to compute the value under `key`, or have it from who did.
    pub(super) fn claim(&self, key: &Key, how: How) -> PyResult<Claiming<'py>> {
        let py = self.cache.py();
        let cache = self.cache.get();
        if !cache.has_leases() {
            return Ok(Claiming::Compute(None));
        }
        let Some(key) = self.key(key)? else {
            return Ok(Claiming::Compute(None));
        };
        let claimed = |key: Vec<u8>, lease: Lease| Claimed {
            cache: self.cache.clone().unbind(),
            key,
            lease,
        };
        let patience = match how {
            How::Refresh => {
                let lease = cache.mark(py, &key)?;
                return Ok(Claiming::Compute(lease.map(|lease| claimed(key, lease))));
            }
            How::Alone(patience) => Some(patience),
            How::Shared => None,
        };
        Ok(
            match cache.claim(py, &key, self.is_below.get(), patience)? {
                Claim::Value(found) => Claiming::Value(found),
                Claim::Lease(lease) => Claiming::Compute(Some(claimed(key, lease))),
                Claim::None => Claiming::Compute(None),
                Claim::Unwatched => Claiming::ComputeApart,
            },
        )
    }

    /// Set `key`, on the condition of what was asked before.
    pub(super) fn set_since(&self, write: Write) {
        self.write.set(write);
        self.is_promoting.set(false);
    }

    /// Set `key`, on the condition of `write`, for no longer than `at_most`.
    pub(super) fn set(
        &self,
        key: &Key,
        value: &Bound<'py, PyAny>,
        at_most: Option<Timeout>,
    ) -> PyResult<()> {
        let py = self.cache.py();
        let Some(full) = self.key(key)? else {
            return Ok(());
        };
        let cache = self.cache.get();
        let own = self.life();
        let life = at_most.map_or(own, |most| own.min(most));
        let write = self.write.get();
        let store = || match write {
            Write::Always | Write::Again => cache.store(&full, value, life).map(|_| true),
            // Between the tier below and this one, only this process's clears are seen.
            Write::Fill(_) if self.is_promoting.get() => {
                cache.add_value(&full, value, life).map(|_| true)
            }
            Write::Unchanged(_) | Write::Fill(_) | Write::Refresh(_) => {
                self.fill(&full, value, life)
            }
        };
        let undo = || cache.forget(py, &full).map(drop);
        let undo = (self.is_promoting.get() || !cache.has_leases()).then_some(undo);
        let overtaken = foreign::written(py, key, write, store, undo)?;
        self.was_overtaken.set(overtaken);
        Ok(())
    }

    /// Store what was computed. False if the server refused it, since the key was cleared meanwhile.
    ///
    /// Without an answer, what the tiers above hold is as good as it would be without this one.
    fn fill(&self, key: &[u8], value: &Bound<'py, PyAny>, life: Timeout) -> PyResult<bool> {
        let cache = self.cache.get();
        if let Some(operation) = &self.operation {
            operation.is_on_server.set(false);
        }
        let claim = self.claim.borrow();
        let lease = match &*claim {
            _ if !cache.has_leases() => None,
            Some(claim) if claim.key == key => Some(&claim.lease),
            // Another key than was asked for, which nobody watched: what is there may be older.
            Some(_) => return cache.forget(self.cache.py(), key).map(|_| true),
            // Nobody watched what is there, and it is older than what was computed to replace it.
            None if matches!(self.write.get(), Write::Refresh(_)) => {
                return cache.forget(self.cache.py(), key).map(|_| true);
            }
            // There was no lease to be had.
            None => return Ok(true),
        };
        let filled = cache.fill(key, value, life, lease);
        let is_unanswered = lease.is_some() && matches!(filled, Ok(None));
        self.was_unanswered.set(is_unanswered);
        if let Some(operation) = &self.operation
            && matches!(filled, Ok(Some(Filled::Kept)))
        {
            operation.is_on_server.set(true);
        }
        if let (Err(_), Some(lease)) = (&filled, lease) {
            // A value that cannot be serialised, say: nobody is to wait for it.
            cache.release(self.cache.py(), key, lease);
        }
        Ok(filled?.is_none_or(Filled::is_current))
    }

    /// Forget `key`.
    pub(super) fn delete(&self, key: &Key) -> PyResult<()> {
        let py = self.cache.py();
        foreign::around(py, key, || match self.key(key)? {
            Some(full) => self.cache.get().forget(py, &full).map(drop),
            None => Ok(()),
        })
    }
}
