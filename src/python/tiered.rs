//! Tiers of either kind: ours, asked without entering Python, and any object with their methods.

use std::cell::{Cell, RefCell};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use smallvec::{SmallVec, smallvec};

use super::asked::{Asked, AskedKey, AskedTier};
use super::foreign::Foreign;
use super::guard::{CACHE_WITH_PRESETS, MEMORY_CACHE, REDIS_CACHE, Seal, TIERED_CACHE};
use super::key::{self, Key};
use super::memory_cache::{MemoryCache, Prepared};
use super::raw::intern;
use super::raw::object::Object;
use super::raw::words::Words;
use super::redis_cache::RedisCache;
use super::remote::{Claimed, Claiming, How, Remote};
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
pub(super) struct AnyTier<'py> {
    /// What the caller was given: the cache, or presets around it.
    object: Bound<'py, PyAny>,
    kind: Kind<'py>,
}

enum Kind<'py> {
    /// Our memory tier.
    Memory(Memory<'py>),
    /// Our tier on a server.
    Remote(Remote<'py>),
    /// Anything else.
    Foreign(Foreign<'py>),
}

struct Memory<'py> {
    cache: Bound<'py, MemoryCache>,
    /// The life to set values with, if not the cache's own.
    timeout: Option<Timeout>,
    /// A function whose text goes before the key.
    prefix: Option<Bound<'py, PyAny>>,
    /// On what condition values are set.
    write: Cell<Write>,
    /// When this tier was first asked: what is promoted to it must be no older.
    asked: Generation,
    /// The key it was asked for, where the prefix function has its say.
    asked_for: Cell<AskedKey>,
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
    pub(super) fn of(object: Bound<'py, PyAny>) -> PyResult<Self> {
        let kind = if MEMORY_CACHE.holds_for(&object) {
            let cache = object.cast::<MemoryCache>()?.clone();
            Kind::Memory(Memory::new(cache, None, None))
        } else if REDIS_CACHE.holds_for(&object) {
            let cache = object.cast::<RedisCache>()?.clone();
            Kind::Remote(Remote::new(cache, None, None))
        } else if CACHE_WITH_PRESETS.holds_for(&object) {
            let fields = object.cast::<PyTuple>()?;
            let (cache, timeout, prefix) = (
                fields.get_item(0)?,
                fields.get_item(1)?,
                fields.get_item(2)?,
            );
            let prefix = if prefix.is_truthy()? {
                Some(prefix)
            } else {
                None
            };
            // A timeout we cannot read is for the method to refuse, at the call that passes it on.
            match timeout::extract(&timeout) {
                Ok(timeout) if MEMORY_CACHE.holds_for(&cache) => {
                    let cache = cache.cast_into::<MemoryCache>()?;
                    Kind::Memory(Memory::new(cache, Some(timeout), prefix))
                }
                Ok(timeout) if REDIS_CACHE.holds_for(&cache) => {
                    let cache = cache.cast_into::<RedisCache>()?;
                    Kind::Remote(Remote::new(cache, Some(timeout), prefix))
                }
                _ => Kind::Foreign(Foreign::with_presets(cache, timeout, prefix)),
            }
        } else {
            Kind::Foreign(Foreign::new(object.clone()))
        };
        Ok(Self { object, kind })
    }

    /// Set values only if nothing was cleared since the same tier was asked.
    fn set_since(&self, asked: &AskedTier, write: fn(Generation) -> Write) {
        match (&self.kind, &asked.cache) {
            (Kind::Memory(memory), Some(cache)) if memory.cache.is(cache) => {
                memory.write.set(write(asked.generation));
            }
            (Kind::Remote(remote), None) => remote.set_since(write(asked.generation)),
            (Kind::Foreign(foreign), None) => foreign.write.set(write(asked.generation)),
            _ => {}
        }
    }

    /// What was found or kept, in which cache, where there can be copies of it.
    fn held(&self) -> Option<(&Py<MemoryCache>, Held<Object>)> {
        match &self.kind {
            Kind::Memory(memory) => Some((memory.cache.as_unbound(), memory.held.take()?)),
            Kind::Remote(_) | Kind::Foreign(_) => None,
        }
    }

    /// What is to be noted of it before anything is asked.
    pub(super) fn noted(&self) -> AskedTier {
        match &self.kind {
            Kind::Memory(memory) => AskedTier {
                cache: Some(memory.cache.clone().unbind()),
                is_remote: false,
                generation: memory.asked,
                key: memory.asked_for.take(),
            },
            Kind::Remote(remote) => AskedTier {
                cache: None,
                is_remote: true,
                generation: remote.asked,
                key: remote.asked_for.take(),
            },
            Kind::Foreign(foreign) => AskedTier {
                cache: None,
                is_remote: false,
                generation: foreign.asked,
                key: AskedKey::Plain,
            },
        }
    }

    /// What it is asked for where `key` is wanted; None where a prefix function has its say.
    pub(super) fn would_ask_for(&self, key: &Key) -> PyResult<Option<AskedKey>> {
        match &self.kind {
            Kind::Memory(memory) => Ok(memory.prefix.is_none().then_some(AskedKey::Plain)),
            Kind::Remote(remote) => Ok((!remote.has_prefix()).then_some(AskedKey::Plain)),
            Kind::Foreign(foreign) if foreign.has_prefix() => Ok(None),
            Kind::Foreign(foreign) => foreign.asked_for(key).map(Some),
        }
    }

    /// The same after it was asked for `key`.
    fn asked(&self, key: &Key) -> PyResult<AskedTier> {
        let noted = self.noted();
        Ok(match &self.kind {
            Kind::Memory(_) | Kind::Remote(_) => noted,
            Kind::Foreign(foreign) => AskedTier {
                key: foreign.asked_for(key)?,
                ..noted
            },
        })
    }
}

impl<'py> Memory<'py> {
    fn new(
        cache: Bound<'py, MemoryCache>,
        timeout: Option<Timeout>,
        prefix: Option<Bound<'py, PyAny>>,
    ) -> Self {
        Self {
            asked: cache.get().generation(),
            cache,
            timeout,
            prefix,
            write: Cell::new(Write::Always),
            asked_for: Cell::default(),
            last: RefCell::new(None),
            known: RefCell::new(None),
            held: RefCell::new(None),
        }
    }

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

pub(super) fn is_force_skip(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    let class = raw::imported(py, "quickcache._tiers", "ForceSkipCache")?;
    Ok(error.matches(py, class)?)
}

impl<'py> Tier<Key, Bound<'py, PyAny>> for AnyTier<'py> {
    type Error = PyErr;

    fn get(&self, key: &Key) -> PyResult<Option<Found<Bound<'py, PyAny>>>> {
        match &self.kind {
            Kind::Memory(memory) => {
                memory.write.set(Write::Fill(memory.asked));
                let Some(key) = memory.key(key)? else {
                    memory.asked_for.set(AskedKey::Skipped);
                    return Ok(None);
                };
                if memory.prefix.is_some() {
                    memory.asked_for.set(AskedKey::Other(key.clone()));
                }
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
            Kind::Remote(remote) => remote.get(key),
            Kind::Foreign(foreign) => {
                let value = foreign.get(key)?;
                Ok((!value.is(value.py().Ellipsis())).then_some(Found {
                    value,
                    remaining: None,
                }))
            }
        }
    }

    fn set(&self, key: &Key, value: &Bound<'py, PyAny>, at_most: Option<Timeout>) -> PyResult<()> {
        match &self.kind {
            Kind::Memory(memory) => {
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
            Kind::Remote(remote) => remote.set(key, value, at_most)?,
            Kind::Foreign(foreign) => foreign.set(key, value)?,
        }
        Ok(())
    }

    fn delete(&self, key: &Key) -> PyResult<()> {
        match &self.kind {
            Kind::Memory(memory) => {
                if let Some(key) = memory.key(key)? {
                    memory.cache.get().forget(&key);
                    *memory.last.borrow_mut() = Some(Last::Delete(key));
                }
            }
            Kind::Remote(remote) => remote.delete(key)?,
            Kind::Foreign(foreign) => foreign.delete(key)?,
        }
        Ok(())
    }

    fn was_overtaken(&self) -> bool {
        match &self.kind {
            Kind::Memory(_) => false,
            Kind::Remote(remote) => remote.was_overtaken.get(),
            Kind::Foreign(foreign) => foreign.was_overtaken.get(),
        }
    }

    fn settle(&self) {
        let Kind::Memory(memory) = &self.kind else {
            return;
        };
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
        if let Kind::Memory(memory) = &tier.kind {
            *memory.known.borrow_mut() = known;
        }
        tier
    };
    if !TIERED_CACHE.holds_for(cache) {
        let tier = told(AnyTier::of(cache.clone())?, known);
        return Ok(match tier.get(key)? {
            Some(found) => Answer::Value(found.value, tier.held().map(|(_, held)| held)),
            None => Answer::Nothing(Asked(smallvec![tier.asked(key)?])),
        });
    }
    let mut missed = Vec::new();
    let mut known = Some(known);
    let tiers = in_order(cache)?.map(|tier| Ok(told(tier?, known.take().flatten())));
    let Some(hit) = stack::get(tiers, key, &mut missed)? else {
        let asked = missed.iter().map(|tier| tier.asked(key));
        return Ok(Answer::Nothing(Asked(asked.collect::<PyResult<_>>()?)));
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

/// The rights to store what is computed, by the tiers' places.
#[derive(Default)]
pub(super) struct Claims {
    granted: SmallVec<[(usize, Claimed); 1]>,
    /// Whether a tier granted none although it answered: what is computed is for nobody else.
    pub(super) are_apart: bool,
}

impl Claims {
    /// Give them back.
    pub(super) fn release(self, py: Python<'_>) {
        for (_, claimed) in self.granted {
            claimed.release(py);
        }
    }

    /// For the garbage collector.
    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.granted
            .iter()
            .try_for_each(|(_, claimed)| claimed.traverse(visit))
    }
}

/// What there is to do about a missing value.
pub(super) enum Claim<'py> {
    /// Nothing: another process has computed it. What the first tier holds of it, if it was promoted there.
    Value(Bound<'py, PyAny>),
    /// Compute it.
    Compute(Claims),
}

/// Take the rights to compute the value under `key` in the tiers that were asked for it.
pub(super) fn claim<'py>(
    cache: &Bound<'py, PyAny>,
    key: &Key,
    asked: &Asked,
    write: fn(Generation) -> Write,
    how: How,
) -> PyResult<Claim<'py>> {
    let mut claims = Claims::default();
    let mut above = Vec::new();
    for (place, tier) in all(cache)?.enumerate() {
        let tier = tier?;
        if let Some(asked) = asked.0.get(place) {
            tier.set_since(asked, write);
        }
        if let Kind::Remote(remote) = &tier.kind {
            match remote.claim(key, how)? {
                Claiming::Compute(claim) => {
                    claims.granted.extend(claim.map(|claim| (place, claim)));
                }
                Claiming::ComputeApart => claims.are_apart = true,
                Claiming::Value(found) => {
                    stack::promote(&above, key, &found)?;
                    return Ok(Claim::Value(found.value));
                }
            }
        }
        above.push(tier);
    }
    Ok(Claim::Compute(claims))
}

/// The tiers of a cache, or that one itself.
fn all<'py>(
    cache: &Bound<'py, PyAny>,
) -> PyResult<impl Iterator<Item = PyResult<AnyTier<'py>>> + use<'py>> {
    let several = TIERED_CACHE.holds_for(cache);
    let tiers = several.then(|| in_order(cache)).transpose()?;
    let single = (!several).then(|| AnyTier::of(cache.clone()));
    Ok(tiers.into_iter().flatten().chain(single))
}

/// What became of a value that was computed.
pub(super) enum Kept {
    /// It is kept, as far as can be told. If `first` is all there is to the cache, what that holds.
    As(Option<Held<Object>>),
    /// A server refused it: the key was cleared meanwhile, by whichever process.
    Overtaken,
}

/// Set `key` in every tier of a cache; in those that were asked, only if it was not cleared since.
pub(super) fn set<'py>(
    cache: &Bound<'py, PyAny>,
    key: &Key,
    value: &Bound<'py, PyAny>,
    asked: &Asked,
    claims: Claims,
    write: fn(Generation) -> Write,
    first: Option<&Py<MemoryCache>>,
) -> PyResult<Kept> {
    let replaces = asked
        .0
        .first()
        .is_some_and(|tier| write(tier.generation).replaces());
    let mut claims = claims.granted.into_iter().peekable();
    let mut as_asked = |(place, tier): (usize, PyResult<AnyTier<'py>>)| {
        let tier = tier?;
        if let Some(asked) = asked.0.get(place) {
            tier.set_since(asked, write);
        }
        if let (Kind::Remote(remote), Some((_, claim))) =
            (&tier.kind, claims.next_if(|(claimed, _)| *claimed == place))
        {
            remote.claim.replace(Some(claim));
        }
        Ok(tier)
    };
    if TIERED_CACHE.holds_for(cache) {
        let tiers = in_order(cache)?.enumerate().map(as_asked);
        if asked.has_remote() && asked.are_ours() {
            let tiers = tiers.collect::<PyResult<Vec<_>>>()?;
            if stack::fill(&tiers, key, value, replaces)? {
                return Ok(Kept::Overtaken);
            }
        } else {
            stack::set(tiers, key, value)?;
        }
        return Ok(Kept::As(None));
    }
    let tier = as_asked((0, AnyTier::of(cache.clone())))?;
    tier.set(key, value, None)?;
    if let Kind::Remote(remote) = &tier.kind
        && remote.was_overtaken.get()
    {
        return Ok(Kept::Overtaken);
    }
    let held = tier.held();
    let held = held.and_then(|(cache, held)| first?.is(cache).then_some(held));
    Ok(Kept::As(held))
}

fn log_hit<'py>(missed: &[AnyTier<'py>], hit: &AnyTier<'py>) -> PyResult<()> {
    let py = hit.object.py();
    let class_name = |tier: &AnyTier<'py>| {
        let class = tier.object.getattr(intern!(py, "__class__"))?;
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
    let tiers = caches.try_iter()?.enumerate();
    Ok(tiers.map(|(place, tier)| {
        let tier = AnyTier::of(tier?)?;
        if let Kind::Remote(remote) = &tier.kind {
            remote.is_below.set(place > 0);
        }
        Ok(tier)
    }))
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
        let Kind::Memory(memory) = AnyTier::of(tier.clone())?.kind else {
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
