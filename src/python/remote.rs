//! Tiers on a server, asked without entering Python.
//!
//! What fills a gap in one is stored under the lease that was taken for it: a step of the server's. Where there
//! are no leases, clears of this process are compared before and after, as for tiers in Python.

use std::cell::{Cell, RefCell};

use pyo3::prelude::*;

use super::asked::AskedKey;
use super::foreign;
use super::key::{self, Key};
use super::redis_cache::{Claim, RedisCache};
use super::tiered::{PrefixText, prefix_text};
use crate::clock::Timeout;
use crate::flow::generation::Generation;
use crate::tier::Found;
use crate::tier::lease::Lease;
use crate::tier::memory::Write;

/// A tier on a server for the time of one operation.
pub(super) struct Remote<'py> {
    pub(super) cache: Bound<'py, RedisCache>,
    /// The life to set values with, if not the cache's own.
    timeout: Option<Timeout>,
    /// A function whose text goes before the key.
    prefix: Option<Bound<'py, PyAny>>,
    /// On what condition values are set.
    pub(super) write: Cell<Write>,
    /// When this tier was first asked.
    pub(super) asked: Generation,
    /// The key it was asked for, where the prefix function has its say.
    pub(super) asked_for: RefCell<AskedKey>,
    /// Whether there are tiers above, which need to know how long a value has yet to live.
    pub(super) is_below: Cell<bool>,
    /// What was taken for the value that is to be set.
    pub(super) claim: RefCell<Option<Claimed>>,
    /// Whether the last value was refused, since the key was cleared.
    pub(super) was_overtaken: Cell<bool>,
}

/// The right to store a value under a full key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claimed {
    key: Vec<u8>,
    lease: Lease,
}

/// What there is to do about a missing value.
pub(super) enum Claiming<'py> {
    /// Nothing: another has computed it.
    Value(Found<Bound<'py, PyAny>>),
    /// Compute it; store it, if that was granted.
    Compute(Option<Claimed>),
}

impl<'py> Remote<'py> {
    pub(super) fn new(
        cache: Bound<'py, RedisCache>,
        timeout: Option<Timeout>,
        prefix: Option<Bound<'py, PyAny>>,
    ) -> Self {
        Self {
            cache,
            timeout,
            prefix,
            write: Cell::new(Write::Always),
            asked: foreign::now(),
            asked_for: RefCell::default(),
            is_below: Cell::new(false),
            claim: RefCell::default(),
            was_overtaken: Cell::new(false),
        }
    }

    /// Whether a prefix function makes its keys.
    pub(super) fn has_prefix(&self) -> bool {
        self.prefix.is_some()
    }

    /// The key that the server is asked for; None if the prefix function says to skip this cache.
    fn key(&self, key: &Key) -> PyResult<Option<Vec<u8>>> {
        let py = self.cache.py();
        let cache = self.cache.get();
        let Some(prefix) = &self.prefix else {
            return Ok(Some(cache.full(&key.bytes(py)?)));
        };
        match prefix_text(prefix)? {
            PrefixText::Text(text) => {
                let text = text.add(key.object(py))?;
                self.asked_for.replace(AskedKey::Other(key::pack(&text)?));
                cache.full_key(&text).map(Some)
            }
            PrefixText::Skip => {
                self.asked_for.replace(AskedKey::Skipped);
                Ok(None)
            }
        }
    }

    pub(super) fn get(&self, key: &Key) -> PyResult<Option<Found<Bound<'py, PyAny>>>> {
        let py = self.cache.py();
        self.write.set(Write::Fill(self.asked));
        let Some(key) = self.key(key)? else {
            return Ok(None);
        };
        let found = self.cache.get().fetch(py, &key, self.is_below.get())?;
        Ok(found
            .filter(|found| !found.value.is(py.Ellipsis()))
            .map(|found| Found {
                value: found.value,
                remaining: found.remaining,
            }))
    }

    /// Take the right to compute the value under `key`, or have it from who did. `refresh`: although there is
    /// one.
    pub(super) fn claim(&self, key: &Key, refresh: bool) -> PyResult<Claiming<'py>> {
        let py = self.cache.py();
        let cache = self.cache.get();
        if !cache.has_leases() {
            return Ok(Claiming::Compute(None));
        }
        let Some(key) = self.key(key)? else {
            return Ok(Claiming::Compute(None));
        };
        if refresh {
            let lease = cache.mark(py, &key)?;
            return Ok(Claiming::Compute(lease.map(|lease| Claimed { key, lease })));
        }
        Ok(match cache.claim(py, &key, self.is_below.get())? {
            Claim::Value(found) => Claiming::Value(Found {
                value: found.value,
                remaining: found.remaining,
            }),
            Claim::Lease(lease) => Claiming::Compute(Some(Claimed { key, lease })),
            Claim::None => Claiming::Compute(None),
        })
    }

    /// Set `key`, on the condition of `write`.
    pub(super) fn set(&self, key: &Key, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = self.cache.py();
        let Some(full) = self.key(key)? else {
            return Ok(());
        };
        let cache = self.cache.get();
        let life = self.timeout.unwrap_or_else(|| cache.default_timeout());
        let write = self.write.get();
        let store = || match write {
            Write::Always | Write::Again => cache.store(&full, value, life).map(|_| true),
            Write::Fill(_) | Write::Refresh(_) => self.fill(&full, value, life),
        };
        let overtaken =
            foreign::written(py, key, write, store, || cache.forget(py, &full).map(drop))?;
        self.was_overtaken.set(overtaken);
        Ok(())
    }

    /// Store what was computed. False if the server refused it, since the key was cleared meanwhile.
    ///
    /// Without an answer, what the tiers above hold is as good as it would be without this one.
    fn fill(&self, key: &[u8], value: &Bound<'py, PyAny>, life: Timeout) -> PyResult<bool> {
        let cache = self.cache.get();
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
        Ok(cache.fill(key, value, life, lease)?.unwrap_or(true))
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
