//! Tiers of either kind: ours, asked without entering Python, and any object with their methods.

use std::cell::{Cell, RefCell};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyList, PyTuple};
use smallvec::{SmallVec, smallvec};

use super::guard::{CACHE_WITH_PRESETS, MEMORY_CACHE, Seal, TIERED_CACHE};
use super::key::{self, Key};
use super::memory_cache::{MemoryCache, Prepared};
use super::raw::object::Object;
use super::raw::words::Words;
use super::timeout;
use super::{logging, raw};
use crate::clock::Timeout;
use crate::flow::front::Held;
use crate::flow::generation::Generation;
use crate::key::packed::PackedKey;
use crate::tier::memory::Write;
use crate::tier::stack;
use crate::tier::{Found, Tier};

/// One tier for the time of one operation.
enum AnyTier<'py> {
    /// Our memory tier, alone or with presets around it.
    Memory(Memory<'py>),
    /// Anything else: called as the original calls it.
    Foreign(Bound<'py, PyAny>),
}

struct Memory<'py> {
    /// What the caller was given: the cache or the presets.
    object: Bound<'py, PyAny>,
    cache: Bound<'py, MemoryCache>,
    /// The life to set values with, if not the cache's own.
    timeout: Option<Timeout>,
    /// A function whose text goes before the key.
    prefix: Option<Bound<'py, PyAny>>,
    /// On what condition values are set.
    write: Cell<Write>,
    /// When this tier was first asked: what is promoted to it must be no older.
    asked: Generation,
    last: RefCell<Option<Last>>,
    /// The prefix's text for the next key, where it was asked for already.
    known: RefCell<Option<PrefixText<'py>>>,
    /// What was found or kept, as the cache holds it.
    held: RefCell<Option<Held<Object>>>,
}

/// What a prefix function said.
#[derive(Clone)]
pub(super) enum PrefixText<'py> {
    /// This goes before the key.
    Text(Bound<'py, PyAny>),
    /// To skip this cache, by ForceSkipCache.
    Skip,
}

/// What was last written, to be written once more when the tiers below have followed.
enum Last {
    Delete(PackedKey),
    Set(PackedKey, Prepared),
}

impl<'py> AnyTier<'py> {
    fn of(object: Bound<'py, PyAny>) -> PyResult<Self> {
        if MEMORY_CACHE.holds_for(&object) {
            let cache = object.cast::<MemoryCache>()?.clone();
            return Ok(Self::memory(object, cache, None, None));
        }
        if CACHE_WITH_PRESETS.holds_for(&object) {
            let fields = object.cast::<PyTuple>()?;
            let (cache, timeout, prefix) = (
                fields.get_item(0)?,
                fields.get_item(1)?,
                fields.get_item(2)?,
            );
            // A timeout we cannot read is for the method to refuse, at the call that passes it on.
            if MEMORY_CACHE.holds_for(&cache)
                && let Ok(timeout) = timeout::extract(&timeout)
            {
                let prefix = if prefix.is_truthy()? {
                    Some(prefix)
                } else {
                    None
                };
                let cache = cache.cast_into::<MemoryCache>()?;
                return Ok(Self::memory(object, cache, Some(timeout), prefix));
            }
        }
        Ok(Self::Foreign(object))
    }

    fn memory(
        object: Bound<'py, PyAny>,
        cache: Bound<'py, MemoryCache>,
        timeout: Option<Timeout>,
        prefix: Option<Bound<'py, PyAny>>,
    ) -> Self {
        Self::Memory(Memory {
            asked: cache.get().generation(),
            object,
            cache,
            timeout,
            prefix,
            write: Cell::new(Write::Always),
            last: RefCell::new(None),
            known: RefCell::new(None),
            held: RefCell::new(None),
        })
    }

    fn object(&self) -> &Bound<'py, PyAny> {
        match self {
            Self::Memory(memory) => &memory.object,
            Self::Foreign(object) => object,
        }
    }

    /// Set values only if nothing was cleared since the same tier was asked.
    fn set_since(&self, asked: &AskedTier, write: fn(Generation) -> Write) {
        if let (Self::Memory(memory), Some((cache, generation))) = (self, asked)
            && memory.cache.is(cache)
        {
            memory.write.set(write(*generation));
        }
    }

    /// What was found or kept, in which cache, where there can be copies of it.
    fn held(&self) -> Option<(&Py<MemoryCache>, Held<Object>)> {
        match self {
            Self::Memory(memory) => Some((memory.cache.as_unbound(), memory.held.take()?)),
            Self::Foreign(_) => None,
        }
    }

    fn asked(&self) -> AskedTier {
        match self {
            Self::Memory(memory) => Some((memory.cache.clone().unbind(), memory.asked)),
            Self::Foreign(_) => None,
        }
    }
}

impl Memory<'_> {
    /// The key that the cache is asked for; None if the prefix function says to skip this cache.
    fn key(&self, key: &Key) -> PyResult<Option<PackedKey>> {
        let Some(prefix) = &self.prefix else {
            return Ok(Some(key.packed(self.cache.py())?.clone()));
        };
        let known = self.known.borrow_mut().take();
        match known.map_or_else(|| prefix_text(prefix), Ok)? {
            PrefixText::Text(text) => Ok(Some(key::pack(&text.add(key.object(text.py()))?)?)),
            PrefixText::Skip => Ok(None),
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

fn is_force_skip(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    let class = raw::imported(py, "quickcache._tiers", "ForceSkipCache")?;
    Ok(error.matches(py, class)?)
}

impl<'py> Tier<Key, Bound<'py, PyAny>> for AnyTier<'py> {
    type Error = PyErr;

    fn get(&self, key: &Key) -> PyResult<Option<Found<Bound<'py, PyAny>>>> {
        match self {
            Self::Memory(memory) => {
                memory.write.set(Write::Fill(memory.asked));
                let Some(key) = memory.key(key)? else {
                    return Ok(None);
                };
                let py = memory.cache.py();
                let cache = memory.cache.get();
                let fetched = cache.fetch(py, &key)?;
                let Some(fetched) = fetched.filter(|found| !found.value.is(py.Ellipsis())) else {
                    return Ok(None);
                };
                let remaining = fetched.held.deadline.remaining(cache.tier().clock());
                *memory.held.borrow_mut() = Some(fetched.held);
                Ok(Some(Found {
                    value: fetched.value,
                    remaining: Some(remaining),
                }))
            }
            Self::Foreign(cache) => {
                let py = cache.py();
                let default = [(intern!(py, "default"), py.Ellipsis())].into_py_dict(py)?;
                let key = PyTuple::new(py, [key.object(py)])?;
                let value = raw::call(&cache.getattr(intern!(py, "get"))?, &key, Some(&default))?;
                Ok((!value.is(py.Ellipsis())).then_some(Found {
                    value,
                    remaining: None,
                }))
            }
        }
    }

    fn set(&self, key: &Key, value: &Bound<'py, PyAny>, at_most: Option<Timeout>) -> PyResult<()> {
        match self {
            Self::Memory(memory) => {
                let Some(key) = memory.key(key)? else {
                    return Ok(());
                };
                let cache = memory.cache.get();
                let own = memory.timeout.unwrap_or_else(|| cache.default_timeout());
                let timeout = at_most.map_or(own, |most| own.min(most));
                let prepared = cache.prepare(value, timeout)?;
                let write = memory.write.get();
                if matches!(write, Write::Always) {
                    *memory.last.borrow_mut() = Some(Last::Set(key.clone(), prepared.clone()));
                }
                let held = cache.store(key, prepared, write);
                *memory.held.borrow_mut() = held;
            }
            Self::Foreign(cache) => {
                let py = cache.py();
                let args = PyTuple::new(py, [key.object(py), value])?;
                raw::call(&cache.getattr(intern!(py, "set"))?, &args, None)?;
            }
        }
        Ok(())
    }

    fn delete(&self, key: &Key) -> PyResult<()> {
        match self {
            Self::Memory(memory) => {
                if let Some(key) = memory.key(key)? {
                    memory.cache.get().forget(&key);
                    *memory.last.borrow_mut() = Some(Last::Delete(key));
                }
            }
            Self::Foreign(cache) => {
                let py = cache.py();
                let args = PyTuple::new(py, [key.object(py)])?;
                raw::call(&cache.getattr(intern!(py, "delete"))?, &args, None)?;
            }
        }
        Ok(())
    }

    fn settle(&self) {
        let Self::Memory(memory) = self else { return };
        let last = memory.last.borrow_mut().take();
        match last {
            Some(Last::Delete(key)) => memory.cache.get().forget_again(&key),
            Some(Last::Set(key, prepared)) => {
                memory.cache.get().store(key, prepared, Write::Again);
            }
            None => {}
        }
    }
}

/// A memory tier, and when it was asked; None for any other tier.
type AskedTier = Option<(Py<MemoryCache>, Generation)>;

/// The tiers that were asked, by their places, and when.
#[derive(Default)]
pub(super) struct Asked(SmallVec<[AskedTier; 1]>);

impl Asked {
    fn of(tier: &AnyTier<'_>) -> Self {
        Self(smallvec![tier.asked()])
    }

    /// Tiers that are not asked, but to be written only if nothing is cleared from now on.
    pub(super) fn now(cache: &Bound<'_, PyAny>) -> PyResult<Self> {
        if !TIERED_CACHE.holds_for(cache) {
            return Ok(Self::of(&AnyTier::of(cache.clone())?));
        }
        let caches = cache.getattr(intern!(cache.py(), "caches"))?;
        // Anything but a list or a tuple might tell that it was looked at.
        if !caches.is_exact_instance_of::<PyList>() && !caches.is_exact_instance_of::<PyTuple>() {
            return Ok(Self::default());
        }
        let asked = caches
            .try_iter()?
            .map(|tier| Ok(AnyTier::of(tier?)?.asked()));
        Ok(Self(asked.collect::<PyResult<_>>()?))
    }

    /// For the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let mut caches = self.0.iter().flatten();
        caches.try_for_each(|(cache, _)| visit.call(cache))
    }
}

/// What a cache has for a key.
pub(super) enum Answer<'py> {
    /// A value, and what the first tier holds of it, if it was there.
    Value(Bound<'py, PyAny>, Option<Held<Object>>),
    Nothing(Asked),
}

/// The value under `key` in the first tier of a cache that has it, promoted to those before.
///
/// `known` is what the first tier's prefix function said, if it was asked already.
pub(super) fn get<'py>(
    cache: &Bound<'py, PyAny>,
    key: &Key,
    known: Option<PrefixText<'py>>,
) -> PyResult<Answer<'py>> {
    let told = |tier: AnyTier<'py>, known| {
        if let AnyTier::Memory(memory) = &tier {
            *memory.known.borrow_mut() = known;
        }
        tier
    };
    if !TIERED_CACHE.holds_for(cache) {
        let tier = told(AnyTier::of(cache.clone())?, known);
        return Ok(match tier.get(key)? {
            Some(found) => Answer::Value(found.value, tier.held().map(|(_, held)| held)),
            None => Answer::Nothing(Asked::of(&tier)),
        });
    }
    let mut missed = Vec::new();
    let mut known = Some(known);
    let tiers = in_order(cache)?.map(|tier| Ok(told(tier?, known.take().flatten())));
    let Some(hit) = stack::get(tiers, key, &mut missed)? else {
        return Ok(Answer::Nothing(Asked(
            missed.iter().map(AnyTier::asked).collect(),
        )));
    };
    if logging::debug_enabled(cache.py())? {
        log_hit(&missed, &hit.tier)?;
    }
    let held = if missed.is_empty() {
        hit.tier.held().map(|(_, held)| held)
    } else {
        None
    };
    Ok(Answer::Value(hit.found.value, held))
}

/// Set `key` in every tier of a cache; in those that were asked, only if it was not cleared since.
/// If `first` is all there is to the cache, what it holds then.
pub(super) fn set<'py>(
    cache: &Bound<'py, PyAny>,
    key: &Key,
    value: &Bound<'py, PyAny>,
    asked: &Asked,
    write: fn(Generation) -> Write,
    first: Option<&Py<MemoryCache>>,
) -> PyResult<Option<Held<Object>>> {
    let as_asked = |(place, tier): (usize, PyResult<AnyTier<'py>>)| {
        let tier = tier?;
        if let Some(asked) = asked.0.get(place) {
            tier.set_since(asked, write);
        }
        Ok(tier)
    };
    if TIERED_CACHE.holds_for(cache) {
        stack::set(in_order(cache)?.enumerate().map(as_asked), key, value)?;
        return Ok(None);
    }
    let tier = as_asked((0, AnyTier::of(cache.clone())))?;
    tier.set(key, value, None)?;
    let held = tier.held();
    Ok(held.and_then(|(cache, held)| first?.is(cache).then_some(held)))
}

fn log_hit<'py>(missed: &[AnyTier<'py>], hit: &AnyTier<'py>) -> PyResult<()> {
    let py = hit.object().py();
    let class_name = |tier: &AnyTier<'py>| {
        let class = tier.object().getattr(intern!(py, "__class__"))?;
        class.getattr(intern!(py, "__name__"))
    };
    let missed = missed
        .iter()
        .map(class_name)
        .collect::<PyResult<Vec<_>>>()?;
    logging::debug(py, "missed caches: {}", PyList::new(py, missed)?.as_any())?;
    logging::debug(py, "hit cache: {}", &class_name(hit)?)
}

fn in_order<'py>(
    cache: &Bound<'py, PyAny>,
) -> PyResult<impl Iterator<Item = PyResult<AnyTier<'py>>> + use<'py>> {
    let caches = cache.getattr(intern!(cache.py(), "caches"))?;
    Ok(caches.try_iter()?.map(|tier| AnyTier::of(tier?)))
}

/// `TieredCache.get`, for whatever has `caches`.
#[pyfunction]
#[pyo3(name = "_get")]
pub(super) fn get_in_order<'py>(
    cache: &Bound<'py, PyAny>,
    key: &Bound<'_, PyAny>,
    default: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let key = Key::from_object(key);
    let mut missed = Vec::new();
    let Some(hit) = stack::get(in_order(cache)?, &key, &mut missed)? else {
        return Ok(default);
    };
    if logging::debug_enabled(cache.py())? {
        log_hit(&missed, &hit.tier)?;
    }
    Ok(hit.found.value)
}

/// `TieredCache.set`.
#[pyfunction]
#[pyo3(name = "_set")]
pub(super) fn set_in_order(
    cache: &Bound<'_, PyAny>,
    key: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
) -> PyResult<()> {
    stack::set(in_order(cache)?, &Key::from_object(key), value)
}

/// `TieredCache.delete`.
#[pyfunction]
#[pyo3(name = "_delete")]
pub(super) fn delete_in_order(cache: &Bound<'_, PyAny>, key: &Bound<'_, PyAny>) -> PyResult<()> {
    stack::delete(in_order(cache)?, &Key::from_object(key))
}

/// The memory tier that a cache asks first.
pub(super) struct FirstMemory {
    pub(super) cache: Py<MemoryCache>,
    /// A function whose text goes before the key.
    pub(super) prefix: Option<Py<PyAny>>,
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
            is_watched &= seal.watch(object);
            words.class_of(object);
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
        let AnyTier::Memory(memory) = AnyTier::of(tier.clone())? else {
            return Ok(None);
        };
        if !tier.is(&memory.cache) {
            note(&CACHE_WITH_PRESETS, &tier, &mut words);
        }
        note(&MEMORY_CACHE, &memory.cache, &mut words);
        Ok(Some(Self {
            cache: memory.cache.unbind(),
            prefix: memory.prefix.map(Bound::unbind),
            tiers,
            through,
            words,
            is_watched,
        }))
    }

    /// Whether values of the one are values of the other.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let address = |prefix: &Option<Py<PyAny>>| prefix.as_ref().map(Py::as_ptr);
        self.cache.is(&other.cache) && address(&self.prefix) == address(&other.prefix)
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
