//! What a tier of ours calls a key: a prefix function's text before it, and Django's prefix and version.

use std::cell::RefCell;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use smallvec::SmallVec;

use super::alias::Aliased;
use super::key::{self, Key};
use super::raw;

/// The text of a key, in UTF-8.
pub(super) type Text = SmallVec<[u8; 128]>;

/// How one tier's keys are made, for the time of one operation.
pub(super) struct Naming<'py> {
    /// A function whose text goes before the key.
    pub(super) prefix: Option<Bound<'py, PyAny>>,
    /// The backend of Django's that the tier is behind.
    pub(super) django: Option<Aliased<'py>>,
    /// The prefix's text for the next key, where it was asked for already.
    pub(super) known: RefCell<Option<PrefixText<'py>>>,
}

/// What a prefix function said.
#[derive(Clone)]
pub(super) enum PrefixText<'py> {
    /// This goes before the key.
    Text(Bound<'py, PyAny>),
    /// To skip this cache, by ForceSkipCache.
    Skip,
}

/// What a tier is asked for.
pub(super) enum Named {
    /// The key as it is.
    Plain,
    Other(Text),
    /// Nothing: the prefix function says to skip this cache.
    Skipped,
}

impl<'py> Naming<'py> {
    pub(super) fn new(prefix: Option<Bound<'py, PyAny>>, django: Option<Aliased<'py>>) -> Self {
        Self {
            prefix,
            django,
            known: RefCell::new(None),
        }
    }

    /// What goes before each key; None if a function of the user's has a say in it.
    pub(super) fn head(&self) -> Option<Box<[u8]>> {
        match (&self.prefix, &self.django) {
            (Some(_), _) => None,
            (None, None) => Some(Box::default()),
            (None, Some(django)) => django.head(),
        }
    }

    /// What the tier is asked for where `key` is wanted.
    pub(super) fn of(&self, py: Python<'py>, key: &Key) -> PyResult<Named> {
        let text = match &self.prefix {
            None if self.django.is_none() => return Ok(Named::Plain),
            None => Text::from_vec(key.bytes(py)?),
            Some(prefix) => {
                let known = self.known.borrow_mut().take();
                match known.map_or_else(|| prefix_text(prefix), Ok)? {
                    PrefixText::Text(text) => {
                        key::with_text(&text.add(key.object(py))?, Text::from_slice)?
                    }
                    PrefixText::Skip => return Ok(Named::Skipped),
                }
            }
        };
        match &self.django {
            None => Ok(Named::Other(text)),
            Some(django) => django.key(&text).map(Named::Other),
        }
    }
}

/// Ask a prefix function.
pub(super) fn prefix_text<'py>(prefix: &Bound<'py, PyAny>) -> PyResult<PrefixText<'py>> {
    match raw::call(prefix, &PyTuple::empty(prefix.py()), None) {
        Ok(text) => Ok(PrefixText::Text(text)),
        Err(error) if is_force_skip(prefix.py(), &error)? => Ok(PrefixText::Skip),
        Err(error) => Err(error),
    }
}

pub(super) fn is_force_skip(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    let class = raw::imported(py, "quickcache._tiers", "ForceSkipCache")?;
    Ok(error.matches(py, class)?)
}
