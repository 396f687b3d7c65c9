//! Memory tiers of ours in an operation: asked without entering Python, and kept true to a server below.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use pyo3::prelude::*;

use super::asked::AskedKey;
use super::coherence::{self, Coherence, Linked, Links};
use super::key::Key;
use super::memory_cache::{MemoryCache, Prepared};
use super::naming::{Named, Naming};
use super::raw::object::Object;
use crate::clock::Timeout;
use crate::flow::front::Held;
use crate::flow::generation::Generation;
use crate::key::packed::PackedKey;
use crate::tier::Found;
use crate::tier::memory::Write;

/// A memory tier for the time of one operation.
pub(super) struct Memory<'py> {
    pub(super) cache: Bound<'py, MemoryCache>,
    /// The life to set values with, if not the cache's own.
    timeout: Option<Timeout>,
    pub(super) naming: Naming<'py>,
    /// How it is kept true to the tier below, if it has a say in that.
    pub(super) coherence: Option<Py<Coherence>>,
    /// The operation it is part of, and its place there.
    pub(super) operation: Option<(Rc<Operation<'py>>, usize)>,
    /// On what condition values are set.
    pub(super) write: Cell<Write>,
    /// When this tier was first asked: what is promoted to it must be no older.
    pub(super) asked: Cell<Generation>,
    /// The key it was asked for, if it is another.
    pub(super) asked_for: Cell<AskedKey>,
    last: RefCell<Option<Last>>,
    /// What was found or kept, as the cache holds it.
    pub(super) held: RefCell<Option<Held<Object>>>,
}

/// One operation on all tiers of a cache.
pub(super) struct Operation<'py> {
    cache: Bound<'py, PyAny>,
    /// What keeps its memory tiers true, once that was asked for.
    links: OnceCell<Option<Links>>,
    /// Whether what is to be kept in memory is on the server, as far as that was asked.
    pub(super) is_on_server: Cell<bool>,
}

/// What was last written, to be written once more when the tiers below have followed.
enum Last {
    Delete(PackedKey),
    Set(PackedKey, Prepared),
}

impl<'py> Memory<'py> {
    pub(super) fn new(
        cache: Bound<'py, MemoryCache>,
        timeout: Option<Timeout>,
        naming: Naming<'py>,
    ) -> Self {
        Self {
            asked: Cell::new(cache.get().generation()),
            cache,
            timeout,
            naming,
            coherence: None,
            operation: None,
            write: Cell::new(Write::Always),
            asked_for: Cell::default(),
            last: RefCell::new(None),
            held: RefCell::new(None),
        }
    }

    /// What keeps its value of a key true, if anything does, and how long the tier below keeps what is computed.
    pub(super) fn linked(&self, key: &Key) -> PyResult<Option<(&Linked, Timeout)>> {
        let Some((operation, place)) = &self.operation else {
            return Ok(None);
        };
        if operation.links.get().is_none() {
            let _first = operation
                .links
                .set(coherence::links(&operation.cache, key)?);
        }
        let links = operation.links.get().and_then(Option::as_ref);
        Ok(links.and_then(|links| Some((links.in_force(*place)?, links.life))))
    }

    /// Whether the value comes from a server that is listened to.
    fn are_of_one_mind(&self) -> bool {
        let links = self
            .operation
            .as_ref()
            .and_then(|(operation, _)| operation.links.get());
        links.is_none_or(|links| links.as_ref().is_none_or(Links::are_of_one_mind))
    }

    fn is_on_server(&self) -> bool {
        let operation = self.operation.as_ref();
        operation.is_none_or(|(operation, _)| operation.is_on_server.get())
    }

    /// The key that the cache is asked for; None if the prefix function says to skip this cache.
    fn key(&self, key: &Key) -> PyResult<Option<PackedKey>> {
        let py = self.cache.py();
        Ok(match self.naming.of(py, key)? {
            Named::Plain => Some(key.packed(py)?.clone()),
            Named::Other(text) => {
                let key = PackedKey::pack(&text);
                self.asked_for.set(AskedKey::Other(key.clone()));
                Some(key)
            }
            Named::Skipped => {
                self.asked_for.set(AskedKey::Skipped);
                None
            }
        })
    }

    pub(super) fn get(&self, key: &Key) -> PyResult<Option<Found<Bound<'py, PyAny>>>> {
        self.write.set(Write::Fill(self.asked.get()));
        let Some(packed) = self.key(key)? else {
            return Ok(None);
        };
        let py = self.cache.py();
        let cache = self.cache.get();
        let fetched = cache.fetch(py, &packed)?;
        let Some(fetched) = fetched.filter(|found| !found.value.is(py.Ellipsis())) else {
            if self.linked(key)?.is_some() {
                // By now somebody listens, and what is read from here on is heard of.
                self.asked.set(cache.generation());
                self.write.set(Write::Fill(self.asked.get()));
            }
            return Ok(None);
        };
        let remaining = fetched.held.deadline.remaining(cache.tier().clock());
        *self.held.borrow_mut() = Some(fetched.held);
        Ok(Some(Found {
            value: fetched.value,
            remaining: Some(remaining),
        }))
    }

    /// Set `key`, on the condition of `write`, for no longer than `at_most`.
    pub(super) fn set(
        &self,
        key: &Key,
        value: &Bound<'py, PyAny>,
        at_most: Option<Timeout>,
    ) -> PyResult<()> {
        let linked = self.linked(key)?;
        let Some(key) = self.key(key)? else {
            return Ok(());
        };
        let cache = self.cache.get();
        let own = self.timeout.unwrap_or_else(|| cache.default_timeout());
        // Kept true to the tier below, nothing is to live longer than there.
        let at_most = at_most.or(linked.map(|(_, life)| life));
        let timeout = at_most.map_or(own, |most| own.min(most));
        let prepared = cache.prepare(value, timeout)?;
        let write = self.write.get();
        if linked.is_some() && matches!(write, Write::Always | Write::Again) {
            // Nobody can tell whether another came after it. It is read from the server the next time.
            cache.forget_again(&key);
            *self.last.borrow_mut() = Some(Last::Delete(key));
            return Ok(());
        }
        if let Some((linked, _)) = linked {
            // The server tells of no change of what it does not have, nor of what another has.
            let is_told_of = self.is_on_server() && self.are_of_one_mind();
            if linked.is_retired() || !is_told_of && linked.is_live() {
                if write.replaces() {
                    cache.forget_again(&key);
                }
                linked.count_refused_fill();
                return Ok(());
            }
            let held = cache.store_on_trust(key, prepared, write);
            if held.is_none() {
                linked.count_refused_fill();
            }
            *self.held.borrow_mut() = held;
            return Ok(());
        }
        if matches!(write, Write::Always) {
            *self.last.borrow_mut() = Some(Last::Set(key.clone(), prepared.clone()));
        }
        let held = cache.store(key, prepared, write);
        *self.held.borrow_mut() = held;
        Ok(())
    }

    /// Forget `key`.
    pub(super) fn delete(&self, key: &Key) -> PyResult<()> {
        // So that others are told, where it is for this process to tell them.
        self.linked(key)?;
        if let Some(key) = self.key(key)? {
            self.cache.get().forget(&key);
            *self.last.borrow_mut() = Some(Last::Delete(key));
        }
        Ok(())
    }

    /// Do the last write again, now that the tiers below have followed.
    pub(super) fn settle(&self) {
        let last = self.last.borrow_mut().take();
        match last {
            Some(Last::Delete(key)) => self.cache.get().forget_again(&key),
            Some(Last::Set(key, prepared)) => {
                self.cache.get().store(key, prepared, Write::Again);
            }
            None => {}
        }
    }
}

impl<'py> Operation<'py> {
    pub(super) fn of(cache: &Bound<'py, PyAny>) -> Rc<Self> {
        Rc::new(Self {
            cache: cache.clone(),
            links: OnceCell::new(),
            is_on_server: Cell::new(true),
        })
    }
}
