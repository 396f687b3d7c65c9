//! Tiers of either kind: ours, asked without entering Python, and any object with their methods.

use std::cell::Cell;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyList, PyTuple};

use super::guard::{CACHE_WITH_PRESETS, MEMORY_CACHE, TIERED_CACHE};
use super::key::Key;
use super::logging;
use super::memory_cache::MemoryCache;
use super::timeout;
use crate::clock::Timeout;
use crate::flow::generation::Generation;
use crate::tier::memory::Write;
use crate::tier::stack;
use crate::tier::{Found, Tier};

/// One tier for the time of one operation.
enum AnyTier<'py> {
    /// Our memory tier, alone or with presets around it.
    Memory {
        /// What the caller was given: the cache or the presets.
        object: Bound<'py, PyAny>,
        cache: Bound<'py, MemoryCache>,
        /// The life to set values with, if not the cache's own.
        timeout: Option<Timeout>,
        /// A function whose text goes before the key.
        prefix: Option<Bound<'py, PyAny>>,
        /// The key's generation when it was found missing: what is stored next must be no older.
        missed: Cell<Option<Generation>>,
    },
    /// Anything else: called as the original calls it.
    Foreign(Bound<'py, PyAny>),
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
        Self::Memory {
            object,
            cache,
            timeout,
            prefix,
            missed: Cell::new(None),
        }
    }

    fn object(&self) -> &Bound<'py, PyAny> {
        match self {
            Self::Memory { object, .. } | Self::Foreign(object) => object,
        }
    }

    /// Take over what the same tier knew when it missed the key.
    fn remember(&self, earlier: &Self) {
        if let (
            Self::Memory { cache, missed, .. },
            Self::Memory {
                cache: same,
                missed: then,
                ..
            },
        ) = (self, earlier)
            && cache.is(same)
        {
            missed.set(then.get());
        }
    }
}

/// The key with the prefix function's text before it; None if that says to skip this cache.
fn prefixed<'py>(prefix: &Bound<'py, PyAny>, key: &Key<'py>) -> PyResult<Option<Key<'py>>> {
    match prefix.call0() {
        Ok(text) => Ok(Some(Key::from_object(text.add(key.object())?))),
        Err(error) if is_force_skip(prefix.py(), &error)? => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_force_skip(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    use pyo3::sync::PyOnceLock;
    use pyo3::types::PyType;
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    Ok(error.matches(py, CLASS.import(py, "quickcache._tiers", "ForceSkipCache")?)?)
}

/// Run `operation` with the key that a memory tier is asked for.
macro_rules! with_key {
    ($prefix:expr, $key:expr, $skipped:expr, |$packed:ident| $operation:expr) => {{
        let prefixed = match $prefix {
            None => None,
            Some(prefix) => match prefixed(prefix, $key)? {
                None => return Ok($skipped),
                prefixed => prefixed,
            },
        };
        let $packed = prefixed.as_ref().unwrap_or($key).packed()?;
        $operation
    }};
}

impl<'py> Tier<Key<'py>, Bound<'py, PyAny>> for AnyTier<'py> {
    type Error = PyErr;

    fn get(&self, key: &Key<'py>) -> PyResult<Option<Found<Bound<'py, PyAny>>>> {
        match self {
            Self::Memory {
                cache,
                prefix,
                missed,
                ..
            } => with_key!(prefix, key, None, |packed| {
                let py = cache.py();
                let cache = cache.get();
                let found = cache
                    .fetch(py, packed)?
                    .filter(|(value, _)| !value.is(py.Ellipsis()))
                    .map(|(value, remaining)| Found { value, remaining });
                if found.is_none() {
                    // before anything is read or computed to fill the gap
                    missed.set(Some(cache.generation(packed)));
                }
                Ok(found)
            }),
            Self::Foreign(cache) => {
                let py = cache.py();
                let default = [(intern!(py, "default"), py.Ellipsis())].into_py_dict(py)?;
                let value =
                    cache.call_method(intern!(py, "get"), (key.object(),), Some(&default))?;
                Ok((!value.is(py.Ellipsis())).then_some(Found {
                    value,
                    remaining: None,
                }))
            }
        }
    }

    fn set(
        &self,
        key: &Key<'py>,
        value: &Bound<'py, PyAny>,
        at_most: Option<Timeout>,
    ) -> PyResult<()> {
        match self {
            Self::Memory {
                cache,
                timeout,
                prefix,
                missed,
                ..
            } => with_key!(prefix, key, (), |packed| {
                let cache = cache.get();
                let own = timeout.unwrap_or_else(|| cache.default_timeout());
                let timeout = at_most.map_or(own, |most| own.min(most));
                let write = missed.take().map_or(Write::Always, Write::IfUnchanged);
                cache.store(packed.clone(), value, timeout, write)
            }),
            Self::Foreign(cache) => {
                cache.call_method1(intern!(cache.py(), "set"), (key.object(), value))?;
                Ok(())
            }
        }
    }

    fn delete(&self, key: &Key<'py>) -> PyResult<()> {
        match self {
            Self::Memory { cache, prefix, .. } => with_key!(prefix, key, (), |packed| {
                cache.get().forget(packed);
                Ok(())
            }),
            Self::Foreign(cache) => {
                cache.call_method1(intern!(cache.py(), "delete"), (key.object(),))?;
                Ok(())
            }
        }
    }
}

/// The tiers that a cache consists of, for the time of one call.
///
/// Like the original, it goes through a TieredCache's `caches` anew for each operation.
pub(super) struct Tiers<'py> {
    /// The tiers that were asked and had nothing, with the generations they had then.
    missed: Vec<AnyTier<'py>>,
}

impl<'py> Tiers<'py> {
    pub(super) fn new() -> Self {
        Self { missed: Vec::new() }
    }

    /// The value under `key` in the first tier that has it, promoted to those before.
    pub(super) fn get(
        &mut self,
        cache: &Bound<'py, PyAny>,
        key: &Key<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if TIERED_CACHE.holds_for(cache) {
            return self.get_in_order(cache, key);
        }
        let tier = AnyTier::of(cache.clone());
        let hit = stack::get([tier], key, &mut self.missed)?;
        Ok(hit.map(|hit| hit.found.value))
    }

    /// The same for the tiers in an object's `caches`.
    fn get_in_order(
        &mut self,
        cache: &Bound<'py, PyAny>,
        key: &Key<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(hit) = stack::get(in_order(cache)?, key, &mut self.missed)? else {
            return Ok(None);
        };
        if logging::debug_enabled(cache.py())? {
            self.log_hit(&hit.tier)?;
        }
        Ok(Some(hit.found.value))
    }

    /// Set `key` in every tier; those that missed it only if it was not cleared since.
    pub(super) fn set(
        &self,
        cache: &Bound<'py, PyAny>,
        key: &Key<'py>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let as_missed = |(place, tier): (usize, PyResult<AnyTier<'py>>)| {
            let tier = tier?;
            if let Some(missed) = self.missed.get(place) {
                tier.remember(missed);
            }
            Ok(tier)
        };
        if TIERED_CACHE.holds_for(cache) {
            stack::set(in_order(cache)?.enumerate().map(as_missed), key, value)
        } else {
            stack::set(
                [AnyTier::of(cache.clone())]
                    .into_iter()
                    .enumerate()
                    .map(as_missed),
                key,
                value,
            )
        }
    }

    fn log_hit(&self, hit: &AnyTier<'py>) -> PyResult<()> {
        let py = hit.object().py();
        let class_name = |tier: &AnyTier<'py>| {
            let class = tier.object().getattr(intern!(py, "__class__"))?;
            class.getattr(intern!(py, "__name__"))
        };
        let missed = self
            .missed
            .iter()
            .map(class_name)
            .collect::<PyResult<Vec<_>>>()?;
        logging::debug(py, "missed caches: {}", PyList::new(py, missed)?.as_any())?;
        logging::debug(py, "hit cache: {}", &class_name(hit)?)
    }
}

fn in_order<'py>(
    cache: &Bound<'py, PyAny>,
) -> PyResult<impl Iterator<Item = PyResult<AnyTier<'py>>> + use<'py>> {
    let caches = cache.getattr(intern!(cache.py(), "caches"))?;
    Ok(caches.try_iter()?.map(|tier| AnyTier::of(tier?)))
}

/// The part of TieredCache that runs in Rust.
#[pyclass(module = "quickcache._native", frozen, subclass, weakref)]
pub(super) struct TieredCache;

#[pymethods]
impl TieredCache {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, pyo3::types::PyDict>>) -> Self {
        Self
    }

    #[pyo3(signature = (key, default = None))]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        key: Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let value = Tiers::new().get_in_order(slf, &Key::from_object(key))?;
        Ok(value.or(default))
    }

    fn set<'py>(
        slf: &Bound<'py, Self>,
        key: Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        stack::set(in_order(slf)?, &Key::from_object(key), value)
    }

    fn delete<'py>(slf: &Bound<'py, Self>, key: Bound<'py, PyAny>) -> PyResult<()> {
        stack::delete(in_order(slf)?, &Key::from_object(key))
    }
}
