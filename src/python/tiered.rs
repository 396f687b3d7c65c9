//! Tiers of either kind: ours, asked without entering Python, and any object with their methods.

use std::rc::Rc;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use smallvec::{SmallVec, smallvec};

use super::alias::Aliased;
use super::asked::{Asked, AskedKey, AskedTier};
use super::backend::{Backend, Store};
use super::foreign::Foreign;
use super::guard::{CACHE_WITH_PRESETS, MEMORY_CACHE, REDIS_CACHE, TIERED_CACHE};
use super::key::Key;
use super::logging;
use super::memory::{Memory, Operation};
use super::memory_cache::MemoryCache;
use super::naming::{Named, Naming, PrefixText};
use super::raw::intern;
use super::raw::object::Object;
use super::redis_cache::RedisCache;
use super::remote::{Claimed, Claiming, How, Remote};
use super::timeout;
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

pub(super) enum Kind<'py> {
    /// Our memory tier.
    Memory(Memory<'py>),
    /// Our tier on a server.
    Remote(Remote<'py>),
    /// Anything else.
    Foreign(Foreign<'py>),
}

impl<'py> Kind<'py> {
    /// What a cache of ours is, itself or behind a backend of Django's. None for any other.
    fn of_ours(
        cache: &Bound<'py, PyAny>,
        life: Option<Timeout>,
        prefix: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<SmallVec<[Self; 1]>>> {
        let py = cache.py();
        let memory = |cache: &Bound<'py, PyAny>, life, django: Option<&Aliased<'py>>| {
            let naming = Naming::new(prefix.cloned(), django.cloned());
            let cache = cache.cast::<MemoryCache>()?.clone();
            Ok::<_, PyErr>(Self::Memory(Memory::new(cache, life, naming)))
        };
        let remote = |cache: &Bound<'py, PyAny>, life, django: Option<&Aliased<'py>>| {
            let naming = Naming::new(prefix.cloned(), django.cloned());
            let cache = cache.cast::<RedisCache>()?.clone();
            Ok::<_, PyErr>(Self::Remote(Remote::new(cache, life, naming)))
        };
        if MEMORY_CACHE.holds_for(cache) {
            return Ok(Some(smallvec![memory(cache, life, None)?]));
        }
        if REDIS_CACHE.holds_for(cache) {
            return Ok(Some(smallvec![remote(cache, life, None)?]));
        }
        let Some(django) = Aliased::of(cache)? else {
            return Ok(None);
        };
        let life = match life {
            Some(life) => life,
            None => timeout::extract(&django.default_timeout()?)?,
        };
        let behind = Some(&django);
        Ok(match django.store() {
            Some(Store::Memory(cache)) if MEMORY_CACHE.holds_for(cache.bind(py)) => {
                Some(smallvec![memory(cache.bind(py), Some(life), behind)?])
            }
            Some(Store::Redis(cache)) if REDIS_CACHE.holds_for(cache.bind(py)) => {
                Some(smallvec![remote(cache.bind(py), Some(life), behind)?])
            }
            Some(Store::Tiers(upper, most, lower, coherence))
                if MEMORY_CACHE.holds_for(upper.bind(py))
                    && REDIS_CACHE.holds_for(lower.bind(py)) =>
            {
                let mut upper = memory(upper.bind(py), Some(life.min(*most)), behind)?;
                if let Self::Memory(upper) = &mut upper {
                    upper.coherence = Some(coherence.clone_ref(py));
                }
                Some(smallvec![
                    upper,
                    remote(lower.bind(py), Some(life), behind)?,
                ])
            }
            _ => None,
        })
    }
}

/// The tiers that an object is: one, but for a backend of Django's that is several.
type Tiers<'py> = SmallVec<[AnyTier<'py>; 1]>;

impl<'py> AnyTier<'py> {
    fn all_of(object: Bound<'py, PyAny>) -> PyResult<Tiers<'py>> {
        let presets = CACHE_WITH_PRESETS.holds_for(&object);
        let (cache, timeout, prefix) = if presets {
            let fields = object.cast::<PyTuple>()?;
            let prefix = fields.get_item(2)?;
            let prefix = prefix.is_truthy()?.then_some(prefix);
            (fields.get_item(0)?, Some(fields.get_item(1)?), prefix)
        } else {
            (object.clone(), None, None)
        };
        // A timeout we cannot read is for the method to refuse, at the call that passes it on.
        let life = timeout.as_ref().map(timeout::extract).transpose();
        if let Ok(life) = life
            && let Some(kinds) = Kind::of_ours(&cache, life, prefix.as_ref())?
        {
            let of_kind = |kind| Self {
                object: object.clone(),
                kind,
            };
            return Ok(kinds.into_iter().map(of_kind).collect());
        }
        let foreign = match timeout {
            None => Foreign::new(cache),
            Some(timeout) => Foreign::with_presets(cache, timeout, prefix),
        };
        let kind = Kind::Foreign(foreign);
        Ok(smallvec![Self { object, kind }])
    }

    /// The memory tier that an object is, or that it asks first; and how keys for it are made.
    pub(super) fn memory_of(
        object: Bound<'py, PyAny>,
    ) -> PyResult<Option<(Bound<'py, MemoryCache>, Naming<'py>)>> {
        let first = Self::all_of(object)?.into_iter().next();
        Ok(match first.map(|first| first.kind) {
            Some(Kind::Memory(memory)) => Some((memory.cache, memory.naming)),
            _ => None,
        })
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
                generation: memory.asked.get(),
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
            Kind::Memory(Memory { naming, .. }) | Kind::Remote(Remote { naming, .. }) => {
                if naming.prefix.is_some() {
                    return Ok(None);
                }
                Ok(Some(match naming.of(self.object.py(), key)? {
                    Named::Other(text) => AskedKey::Other(PackedKey::pack(&text)),
                    Named::Plain | Named::Skipped => AskedKey::Plain,
                }))
            }
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

impl<'py> Tier<Key, Bound<'py, PyAny>> for AnyTier<'py> {
    type Error = PyErr;

    fn get(&self, key: &Key) -> PyResult<Option<Found<Bound<'py, PyAny>>>> {
        match &self.kind {
            Kind::Memory(memory) => memory.get(key),
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
            Kind::Memory(memory) => memory.set(key, value, at_most)?,
            Kind::Remote(remote) => remote.set(key, value, at_most)?,
            Kind::Foreign(foreign) => foreign.set(key, value)?,
        }
        Ok(())
    }

    fn delete(&self, key: &Key) -> PyResult<()> {
        match &self.kind {
            Kind::Memory(memory) => memory.delete(key)?,
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
        if let Kind::Memory(memory) = &self.kind {
            memory.settle();
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
    let mut missed = Vec::new();
    let mut known = Some(known);
    let tiers = in_order(cache)?.inspect(|tier| {
        if let (Ok(tier), Some(Some(known))) = (tier, known.take())
            && let Kind::Memory(memory) = &tier.kind
        {
            *memory.naming.known.borrow_mut() = Some(known);
        }
    });
    let Some(hit) = stack::get(tiers, key, &mut missed)? else {
        let asked = missed.iter().map(|tier| tier.asked(key));
        return Ok(Answer::Nothing(Asked(asked.collect::<PyResult<_>>()?)));
    };
    if logging::debug_enabled(cache.py())? && TIERED_CACHE.holds_for(cache) {
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
    /// Whether a tier did not answer that memory is to be kept true to: what is computed is for nobody who comes
    /// after this.
    pub(super) are_unwatched: bool,
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
    for (place, tier) in in_order(cache)?.enumerate() {
        let tier = tier?;
        if let Some(asked) = asked.0.get(place) {
            tier.set_since(asked, write);
        }
        if let Kind::Remote(remote) = &tier.kind {
            match remote.claim(key, how)? {
                Claiming::Compute(claim) => {
                    claims.are_unwatched |= claim.is_none()
                        && remote.cache.get().has_leases()
                        && is_kept_true(&above, key)?;
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

/// Whether memory among these tiers is kept true.
fn is_kept_true(tiers: &[AnyTier<'_>], key: &Key) -> PyResult<bool> {
    for tier in tiers {
        if let Kind::Memory(memory) = &tier.kind
            && memory.linked(key)?.is_some()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What became of a value that was computed.
pub(super) enum Kept {
    /// It is kept, as far as can be told. If `first` is all there is to the cache, what that holds.
    As(Option<Held<Object>>),
    /// A server refused it: the key was cleared meanwhile, by whichever process. Or it did not say, and memory is
    /// to be kept true to it.
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
    let Some(tier) = single(cache)? else {
        let tiers = in_order(cache)?.enumerate().map(as_asked);
        if asked.are_ours() {
            let tiers = tiers.collect::<PyResult<Vec<_>>>()?;
            let is_refused = stack::fill(&tiers, key, value, replaces)?;
            let is_unanswered = |tier: &AnyTier<'_>| match &tier.kind {
                Kind::Remote(remote) => remote.was_unanswered.get(),
                _ => false,
            };
            if is_refused || tiers.iter().any(is_unanswered) && is_kept_true(&tiers, key)? {
                return Ok(Kept::Overtaken);
            }
        } else {
            stack::set(tiers, key, value)?;
        }
        return Ok(Kept::As(None));
    };
    let tier = as_asked((0, Ok(tier)))?;
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

/// The tier that a cache is, if it is one alone.
fn single<'py>(cache: &Bound<'py, PyAny>) -> PyResult<Option<AnyTier<'py>>> {
    if TIERED_CACHE.holds_for(cache) {
        return Ok(None);
    }
    let mut tiers = AnyTier::all_of(cache.clone())?;
    Ok(tiers.pop().filter(|_| tiers.is_empty()))
}

/// The tiers of a cache, or what it is itself.
pub(super) fn in_order<'py>(
    cache: &Bound<'py, PyAny>,
) -> PyResult<impl Iterator<Item = PyResult<AnyTier<'py>>> + use<'py>> {
    let several = TIERED_CACHE.holds_for(cache);
    let caches = several.then(|| in_caches(cache)).transpose()?;
    let itself = (!several).then(|| AnyTier::all_of(cache.clone()));
    let itself = itself.transpose()?.into_iter().flatten().map(Ok);
    let operation = Operation::of(cache);
    let ranked = move |(place, tier)| ranked(&operation, place, tier);
    Ok(caches
        .into_iter()
        .flatten()
        .chain(itself.enumerate().map(ranked)))
}

/// The tiers of a cache, if nobody notices that they are looked at before they are asked.
pub(super) fn look_ahead<'py>(cache: &Bound<'py, PyAny>) -> PyResult<Option<Vec<Kind<'py>>>> {
    let caches = cache.getattr_opt(intern!(cache.py(), "caches"))?;
    let Some(caches) = caches.filter(|_| !cache.is_instance_of::<Backend>()) else {
        let tiers = AnyTier::all_of(cache.clone())?;
        return Ok(Some(tiers.into_iter().map(|tier| tier.kind).collect()));
    };
    if !caches.is_exact_instance_of::<PyList>() && !caches.is_exact_instance_of::<PyTuple>() {
        return Ok(None);
    }
    let mut tiers = Vec::with_capacity(caches.len()?);
    for object in caches.try_iter()? {
        tiers.extend(AnyTier::all_of(object?)?.into_iter().map(|tier| tier.kind));
    }
    Ok(Some(tiers))
}

/// The tiers in `caches`, of whatever has these.
fn in_caches<'py>(
    cache: &Bound<'py, PyAny>,
) -> PyResult<impl Iterator<Item = PyResult<AnyTier<'py>>> + use<'py>> {
    let caches = cache.getattr(intern!(cache.py(), "caches"))?;
    let tiers = caches.try_iter()?.flat_map(|object| {
        let tiers = object.and_then(AnyTier::all_of);
        let each: SmallVec<[PyResult<AnyTier<'py>>; 1]> = match tiers {
            Ok(tiers) => tiers.into_iter().map(Ok).collect(),
            Err(error) => smallvec![Err(error)],
        };
        each
    });
    let operation = Operation::of(cache);
    Ok(tiers
        .enumerate()
        .map(move |(place, tier)| ranked(&operation, place, tier)))
}

/// A tier that knows its place among the others of an operation.
fn ranked<'py>(
    operation: &Rc<Operation<'py>>,
    place: usize,
    tier: PyResult<AnyTier<'py>>,
) -> PyResult<AnyTier<'py>> {
    let mut tier = tier?;
    match &mut tier.kind {
        Kind::Remote(remote) => {
            remote.is_below.set(place > 0);
            remote.operation = Some(Rc::clone(operation));
        }
        Kind::Memory(memory) => memory.operation = Some((Rc::clone(operation), place)),
        Kind::Foreign(_) => {}
    }
    Ok(tier)
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
    let Some(hit) = stack::get(in_caches(cache)?, &key, &mut missed)? else {
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
    stack::set(in_caches(cache)?, &Key::from_object(key), value)
}

/// `TieredCache.delete`.
#[pyfunction]
#[pyo3(name = "_delete")]
pub(super) fn delete_in_order(cache: &Bound<'_, PyAny>, key: &Bound<'_, PyAny>) -> PyResult<()> {
    stack::delete(in_caches(cache)?, &Key::from_object(key))
}
