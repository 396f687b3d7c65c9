//! One tier of either kind: ours, asked without entering Python, or any object with their methods. And the tiers of a
//! cache, in order.

use std::rc::Rc;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use smallvec::{SmallVec, smallvec};

use super::alias::Aliased;
use super::asked::{AskedKey, AskedTier};
use super::backend::{Backend, Store};
use super::foreign::Foreign;
use super::guard::{CACHE_WITH_PRESETS, MEMORY_CACHE, REDIS_CACHE, TIERED_CACHE};
use super::key::Key;
use super::memory::{Memory, Operation};
use super::memory_cache::MemoryCache;
use super::naming::{Named, Naming};
use super::raw::intern;
use super::raw::object::Object;
use super::redis_cache::RedisCache;
use super::remote::Remote;
use super::timeout;
use crate::clock::Timeout;
use crate::flow::front::Held;
use crate::flow::generation::Generation;
use crate::key::packed::PackedKey;
use crate::tier::memory::Write;
use crate::tier::{Found, Tier};

/// One tier for the time of one operation.
pub(super) struct AnyTier<'py> {
    /// What the caller was given: the cache, or presets around it.
    pub(super) object: Bound<'py, PyAny>,
    pub(super) kind: Kind<'py>,
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
    pub(super) fn set_since(&self, asked: &AskedTier, write: fn(Generation) -> Write) {
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
    pub(super) fn held(&self) -> Option<(&Py<MemoryCache>, Held<Object>)> {
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
    pub(super) fn asked(&self, key: &Key) -> PyResult<AskedTier> {
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

/// Tiers, each looked at when its turn comes. Not on the stack: a value that is read may call the very function that it
/// is for, and Python finds out too late when a level of that takes more than 16 KB.
type InOrder<'py> = Box<dyn Iterator<Item = PyResult<AnyTier<'py>>> + 'py>;

/// The tier that a cache is, if it is one alone.
pub(super) fn single<'py>(cache: &Bound<'py, PyAny>) -> PyResult<Option<AnyTier<'py>>> {
    if TIERED_CACHE.holds_for(cache) {
        return Ok(None);
    }
    let mut tiers = AnyTier::all_of(cache.clone())?;
    Ok(tiers.pop().filter(|_| tiers.is_empty()))
}

/// The tiers of a cache, or what it is itself.
pub(super) fn in_order<'py>(cache: &Bound<'py, PyAny>) -> PyResult<InOrder<'py>> {
    if TIERED_CACHE.holds_for(cache) {
        return in_caches(cache);
    }
    let itself = AnyTier::all_of(cache.clone())?;
    Ok(ranked(cache, itself.into_iter().map(Ok)))
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
pub(super) fn in_caches<'py>(cache: &Bound<'py, PyAny>) -> PyResult<InOrder<'py>> {
    let caches = cache.getattr(intern!(cache.py(), "caches"))?;
    let tiers = caches.try_iter()?.flat_map(|object| {
        let tiers = object.and_then(AnyTier::all_of);
        let each: SmallVec<[PyResult<AnyTier<'py>>; 1]> = match tiers {
            Ok(tiers) => tiers.into_iter().map(Ok).collect(),
            Err(error) => smallvec![Err(error)],
        };
        each
    });
    Ok(ranked(cache, tiers))
}

/// Tiers that know their places among the others of an operation.
fn ranked<'py>(
    cache: &Bound<'py, PyAny>,
    tiers: impl Iterator<Item = PyResult<AnyTier<'py>>> + 'py,
) -> InOrder<'py> {
    let operation = Operation::of(cache);
    Box::new(tiers.enumerate().map(move |(place, tier)| {
        let mut tier = tier?;
        match &mut tier.kind {
            Kind::Remote(remote) => {
                remote.is_below.set(place > 0);
                remote.operation = Some(Rc::clone(&operation));
            }
            Kind::Memory(memory) => memory.operation = Some((Rc::clone(&operation), place)),
            Kind::Foreign(_) => {}
        }
        Ok(tier)
    }))
}
