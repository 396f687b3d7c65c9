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
use crate::tier::stack::{self, Hit};
use crate::tier::{Found, Tier};

/// One tier for the time of one operation.
pub(super) enum AnyTier<'py> {
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
        let class = object.get_type();
        if MEMORY_CACHE.holds_for(&class) {
            let cache = object.cast::<MemoryCache>()?.clone();
            return Ok(Self::memory(object, cache, None, None));
        }
        if CACHE_WITH_PRESETS.holds_for(&class) {
            let fields = object.cast::<PyTuple>()?;
            let (cache, timeout, prefix) = (
                fields.get_item(0)?,
                fields.get_item(1)?,
                fields.get_item(2)?,
            );
            // A timeout we cannot read is for the method to refuse, at the call that passes it on.
            if MEMORY_CACHE.holds_for(&cache.get_type())
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
                missed.set(Some(cache.generation(packed)));
                Ok(cache
                    .fetch(py, packed)?
                    .filter(|(value, _)| !value.is(py.Ellipsis()))
                    .map(|(value, remaining)| Found { value, remaining }))
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
pub(super) struct Tiers<'py> {
    tiers: Vec<AnyTier<'py>>,
    /// Whether they are a TieredCache's, which says in the log where it found a value.
    says_where: bool,
}

impl<'py> Tiers<'py> {
    /// The tiers of a TieredCache, or the cache alone.
    pub(super) fn of(cache: &Bound<'py, PyAny>) -> PyResult<Self> {
        if TIERED_CACHE.holds_for(&cache.get_type()) {
            return Self::in_order(cache);
        }
        Ok(Self {
            tiers: vec![AnyTier::of(cache.clone())?],
            says_where: false,
        })
    }

    /// The tiers in an object's `caches`.
    fn in_order(cache: &Bound<'py, PyAny>) -> PyResult<Self> {
        let caches = cache.getattr(intern!(cache.py(), "caches"))?;
        let tiers = caches.try_iter()?.map(|tier| AnyTier::of(tier?));
        Ok(Self {
            tiers: tiers.collect::<PyResult<_>>()?,
            says_where: true,
        })
    }

    /// The value under `key` in the first tier that has it, promoted to those before.
    pub(super) fn get(&self, key: &Key<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(Hit { found, tier }) = stack::get(&self.tiers, key)? else {
            return Ok(None);
        };
        if self.says_where && logging::debug_enabled(found.value.py())? {
            self.log_hit(tier)?;
        }
        Ok(Some(found.value))
    }

    /// Set `key` in every tier.
    pub(super) fn set(&self, key: &Key<'py>, value: &Bound<'py, PyAny>) -> PyResult<()> {
        stack::set(&self.tiers, key, value)
    }

    /// Forget `key` in every tier.
    fn delete(&self, key: &Key<'py>) -> PyResult<()> {
        stack::delete(&self.tiers, key)
    }

    fn log_hit(&self, hit: usize) -> PyResult<()> {
        let py = self.tiers[hit].object().py();
        let class_name = |tier: &AnyTier<'_>| -> PyResult<String> {
            tier.object()
                .getattr(intern!(py, "__class__"))?
                .getattr(intern!(py, "__name__"))?
                .extract()
        };
        let missed = self.tiers[..hit].iter().map(class_name);
        let missed = PyList::new(py, missed.collect::<PyResult<Vec<_>>>()?)?;
        logging::debug(py, &format!("missed caches: {missed}"))?;
        logging::debug(py, &format!("hit cache: {}", class_name(&self.tiers[hit])?))
    }
}

/// The part of TieredCache that runs in Rust.
#[pyclass(module = "quickcache._native", frozen, subclass, weakref)]
pub(super) struct TieredBase;

#[pymethods]
impl TieredBase {
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
        let value = Tiers::in_order(slf)?.get(&Key::from_object(key))?;
        Ok(value.or(default))
    }

    fn set<'py>(
        slf: &Bound<'py, Self>,
        key: Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        Tiers::in_order(slf)?.set(&Key::from_object(key), value)
    }

    fn delete<'py>(slf: &Bound<'py, Self>, key: Bound<'py, PyAny>) -> PyResult<()> {
        Tiers::in_order(slf)?.delete(&Key::from_object(key))
    }
}
