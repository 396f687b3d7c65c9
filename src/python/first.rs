//! The memory tier that a cache asks first, and what says that it is still that one.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyList;
use smallvec::SmallVec;

use super::any_tier::AnyTier;
use super::guard::{CACHE_WITH_PRESETS, MEMORY_CACHE, Seal, TIERED_CACHE};
use super::memory_cache::MemoryCache;
use super::naming::Naming;
use super::raw::intern;
use super::raw::words::Words;

/// The memory tier that a cache asks first.
pub(super) struct FirstMemory {
    pub(super) cache: Py<MemoryCache>,
    /// A function whose text goes before the key.
    pub(super) prefix: Option<Py<PyAny>>,
    /// What Django puts before each key.
    head: Option<Box<[u8]>>,
    /// The list of tiers, where there are several.
    tiers: Option<Py<PyList>>,
    /// The objects that are gone through.
    through: SmallVec<[Py<PyAny>; 3]>,
    /// What is as it was while it is the first.
    pub(super) words: Words,
    /// Whether changes of the classes and of the objects' attributes are noticed.
    pub(super) is_watched: bool,
}

impl FirstMemory {
    /// The first tier of a cache, if it is a memory tier that is asked without entering Python.
    pub(super) fn of(cache: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let mut tiers = None;
        let mut tier = cache.clone();
        let mut is_watched = true;
        let mut through = SmallVec::new();
        let mut words = Words::default();
        let mut note = |seal: &Seal, object: &Bound<'_, PyAny>, words: &mut Words| {
            words.class_of(object);
            is_watched &= seal.watch(object, words);
            through.push(object.clone().unbind());
        };
        if TIERED_CACHE.holds_for(cache) {
            note(&TIERED_CACHE, cache, &mut words);
            let caches = cache.getattr(intern!(cache.py(), "caches"))?;
            let Ok(list) = caches.cast_into_exact::<PyList>() else {
                return Ok(None);
            };
            if list.is_empty() {
                return Ok(None);
            }
            tier = list.get_item(0)?;
            words.items_of(&list, 1);
            tiers = Some(list.unbind());
        }
        let Some((memory, Naming { prefix, django, .. })) = AnyTier::memory_of(tier.clone())?
        else {
            return Ok(None);
        };
        if CACHE_WITH_PRESETS.holds_for(&tier) {
            note(&CACHE_WITH_PRESETS, &tier, &mut words);
        }
        note(&MEMORY_CACHE, &memory, &mut words);
        let mut head = None;
        if let Some(django) = django {
            head = django.head();
            if head.is_none() {
                // A function of the user's makes the keys, which may say another at each call.
                return Ok(None);
            }
            is_watched &= django.watch(&mut words);
            through.extend(django.through());
        }
        Ok(Some(Self {
            cache: memory.unbind(),
            prefix: prefix.map(Bound::unbind),
            head,
            tiers,
            through,
            words,
            is_watched,
        }))
    }

    /// Whether values of the one are values of the other.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let address = |prefix: &Option<Py<PyAny>>| prefix.as_ref().map(Py::as_ptr);
        self.cache.is(&other.cache)
            && address(&self.prefix) == address(&other.prefix)
            && self.head == other.head
    }

    /// Show the objects held to the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.cache)?;
        visit.call(&self.prefix)?;
        visit.call(&self.tiers)?;
        self.through
            .iter()
            .try_for_each(|object| visit.call(object))
    }
}
