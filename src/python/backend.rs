//! Django's way to a cache of ours: under keys with a prefix and a version before them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use pyo3::exceptions::{PyAttributeError, PyRuntimeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString, PyTuple};

use super::alias::Apart;
use super::coherence::Coherence;
use super::guard::{DJANGO_BACKEND, DJANGO_KEYS};
use super::memory_cache::MemoryCache;
use super::naming::Text;
use super::raw::attached::Attached;
use super::raw::{self, intern, watch};
use super::redis_cache::RedisCache;
use super::{key, tiered, timeout};
use crate::clock::Timeout;
use crate::key::packed::PackedKey;

/// The longest key of which Django says nothing, in characters.
const LONGEST: usize = 250;

/// What Django's backends are made of: the way from a key of theirs to a cache of ours.
///
/// A backend inherits from this and from Django's `BaseCache`, in this order. The attributes that keys are made
/// of are kept here, so that what goes before a key is made once.
#[pyclass(
    module = "quickcache._native",
    name = "_Backend",
    frozen,
    subclass,
    weakref
)]
pub(super) struct Backend {
    cache: OnceLock<Py<PyAny>>,
    /// Django's own function for keys.
    usual: OnceLock<Py<PyAny>>,
    /// The version under which the class was last seen to make keys as Django's does; 0 for none.
    class_tag: AtomicU32,
    keys: Attached<Arc<Keys>>,
    /// The cache by what it is, if it can be asked without this; and what went before each key at first.
    store: OnceLock<Option<Store>>,
    first_head: OnceLock<Option<Box<[u8]>>>,
    /// What says that it was changed since; and whether by methods of its own.
    apart: Attached<Option<Apart>>,
    is_shadowed: AtomicBool,
}

/// The cache behind a backend.
pub(super) enum Store {
    Memory(Py<MemoryCache>),
    Redis(Py<RedisCache>),
    /// A memory that keeps values for so long at most, before a server.
    Tiers(Py<MemoryCache>, Timeout, Py<RedisCache>, Py<Coherence>),
}

/// What keys are made of.
#[derive(Default)]
struct Keys {
    prefix: Option<Py<PyAny>>,
    version: Option<Py<PyAny>>,
    function: Option<Py<PyAny>>,
    /// What goes before each key, if nothing but text has a say in it.
    head: Option<Box<[u8]>>,
}

#[pymethods]
impl Backend {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            cache: OnceLock::new(),
            usual: OnceLock::new(),
            class_tag: AtomicU32::new(0),
            keys: Attached::new(Arc::default()),
            store: OnceLock::new(),
            first_head: OnceLock::new(),
            apart: Attached::new(None),
            is_shadowed: AtomicBool::new(false),
        }
    }

    /// Said once, when all else is set up.
    fn _open(slf: &Bound<'_, Self>, cache: &Bound<'_, PyAny>, usual: Py<PyAny>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let store = Store::of(cache)?;
        let is_first =
            this.cache.set(cache.clone().unbind()).is_ok() && this.usual.set(usual).is_ok();
        if !is_first {
            return Err(PyRuntimeError::new_err("the backend is open already"));
        }
        Self::change(slf, |_| ())?;
        let _first = this.store.set(store);
        let _first = this.first_head.set(this.keys(py)?.head.clone());
        Ok(())
    }

    /// Whether keys are made here alone, of a text and nothing else.
    #[getter]
    fn _has_usual_keys(slf: &Bound<'_, Self>) -> bool {
        Self::makes_usual_keys(slf) && slf.get().head_now(slf.py()).is_some()
    }

    /// Look at itself again, after any change of its attributes.
    fn _look(slf: &Bound<'_, Self>) -> PyResult<()> {
        let this = slf.get();
        let Some(first_head) = this.first_head.get() else {
            return Ok(());
        };
        let is_shadowed = !DJANGO_BACKEND.is_not_shadowed(slf.as_any());
        this.is_shadowed.store(is_shadowed, Relaxed);
        let is_apart = is_shadowed || this.keys(slf.py())?.head != *first_head;
        let apart = is_apart.then(|| Apart::from(slf)).transpose()?.flatten();
        let _old = this
            .apart
            .with(slf.py(), |place| std::mem::replace(place, apart));
        watch::note_change();
        Ok(())
    }

    #[getter]
    fn _store(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.opened(py)?.clone().unbind())
    }

    /// Whether values are stored under leases, as those of a RedisCache may be.
    #[getter]
    fn leases(&self) -> bool {
        match self.store() {
            Some(Store::Redis(cache) | Store::Tiers(_, _, cache, _)) => cache.get().has_leases(),
            Some(Store::Memory(_)) | None => false,
        }
    }

    #[getter]
    fn key_prefix(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        part(py, "key_prefix", self.keys(py)?.prefix.as_ref())
    }

    /// As `mock.patch` does, before it sets what was there.
    #[deleter]
    fn delete_key_prefix(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::change(slf, |keys| keys.prefix = None)
    }

    #[setter]
    fn set_key_prefix(slf: &Bound<'_, Self>, prefix: Py<PyAny>) -> PyResult<()> {
        Self::change(slf, |keys| keys.prefix = Some(prefix))
    }

    #[getter]
    fn version(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        part(py, "version", self.keys(py)?.version.as_ref())
    }

    /// As `mock.patch` does, before it sets what was there.
    #[deleter]
    fn delete_version(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::change(slf, |keys| keys.version = None)
    }

    #[setter]
    fn set_version(slf: &Bound<'_, Self>, version: Py<PyAny>) -> PyResult<()> {
        Self::change(slf, |keys| keys.version = Some(version))
    }

    #[getter]
    fn key_func(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        part(py, "key_func", self.keys(py)?.function.as_ref())
    }

    /// As `mock.patch` does, before it sets what was there.
    #[deleter]
    fn delete_key_func(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::change(slf, |keys| keys.function = None)
    }

    #[setter]
    fn set_key_func(slf: &Bound<'_, Self>, function: Py<PyAny>) -> PyResult<()> {
        Self::change(slf, |keys| keys.function = Some(function))
    }

    #[pyo3(signature = (key, version = None))]
    fn make_and_validate_key<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        version: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let mut text = Text::new();
        if Self::write_usual(slf, key, version, &mut text) {
            return Ok(PyString::from_bytes(py, &text)?.into_any());
        }
        let options = PyDict::new(py);
        options.set_item(intern!(py, "version"), version)?;
        let made = slf.call_method(intern!(py, "make_key"), (key,), Some(&options))?;
        slf.call_method1(intern!(py, "validate_key"), (&made,))?;
        Ok(made)
    }

    #[pyo3(signature = (key, default = None, version = None))]
    fn get<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
        version: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let mut text = Text::new();
        let mut made = None;
        if !Self::write_usual(slf, key, version, &mut text) {
            made = Some(asked_for(slf, key, version, &mut text)?);
        }
        let found = match slf.get().store() {
            Some(Store::Memory(cache)) => {
                let found = cache.get().fetch(py, &PackedKey::pack(&text))?;
                found.map(|found| found.value)
            }
            Some(Store::Redis(cache)) => {
                let cache = cache.get();
                let found = cache.fetch(py, &cache.full(&text), false)?;
                found.map(|found| found.value)
            }
            Some(Store::Tiers(..)) | None => {
                let made = match made {
                    Some(made) => made,
                    None => PyString::from_bytes(py, &text)?.into_any(),
                };
                let default = default.unwrap_or_else(|| py.None().into_bound(py));
                let cache = slf.get().opened(py)?;
                return tiered::get_in_order(cache, &made, default).map(Some);
            }
        };
        Ok(found.or(default))
    }

    #[allow(clippy::needless_pass_by_value)] // what PyO3 asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.cache.get())?;
        visit.call(self.usual.get())?;
        match self.store() {
            Some(Store::Memory(cache)) => visit.call(cache)?,
            Some(Store::Redis(cache)) => visit.call(cache)?,
            Some(Store::Tiers(upper, _, lower, _)) => {
                visit.call(upper)?;
                visit.call(lower)?;
            }
            None => {}
        }
        let visited = self.keys.try_with(|keys| {
            visit.call(&keys.prefix)?;
            visit.call(&keys.version)?;
            visit.call(&keys.function)
        });
        debug_assert!(
            visited.is_some(),
            "a lock was held during garbage collection"
        );
        visited.unwrap_or(Ok(()))
    }
}

impl Backend {
    /// The cache of ours.
    fn opened<'a, 'py>(&'a self, py: Python<'py>) -> PyResult<&'a Bound<'py, PyAny>> {
        let cache = self.cache.get().map(|cache| cache.bind(py));
        cache.ok_or_else(|| {
            PyRuntimeError::new_err(
                "the backend is not open yet: call __init__ of the class it inherits from",
            )
        })
    }

    fn keys(&self, py: Python<'_>) -> PyResult<Arc<Keys>> {
        let keys = self.keys.with(py, |keys| Arc::clone(keys));
        keys.ok_or_else(|| PyRuntimeError::new_err("the backend's keys are in use"))
    }

    fn change(slf: &Bound<'_, Self>, change: impl FnOnce(&mut Keys)) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        let old = this.keys(py)?;
        let copy = |part: &Option<Py<PyAny>>| part.as_ref().map(|part| part.clone_ref(py));
        let mut keys = Keys {
            prefix: copy(&old.prefix),
            version: copy(&old.version),
            function: copy(&old.function),
            head: None,
        };
        change(&mut keys);
        keys.head = this.head(py, &keys);
        let keys = Arc::new(keys);
        let _old = this.keys.with(py, |place| std::mem::replace(place, keys));
        Self::_look(slf)
    }

    /// What goes before each key, if that is plain text.
    fn head(&self, py: Python<'_>, keys: &Keys) -> Option<Box<[u8]>> {
        if !keys.function.as_ref()?.is(self.usual.get()?) {
            return None;
        }
        let prefix = keys.prefix.as_ref()?.bind(py);
        let prefix = prefix.cast_exact::<PyString>().ok()?.to_str().ok()?;
        let version = keys.version.as_ref()?.bind(py).cast_exact::<PyInt>().ok()?;
        let version: i64 = version.extract().ok()?;
        let head = format!("{prefix}:{version}:").into_bytes();
        is_printable(&head).then(|| head.into_boxed_slice())
    }

    /// Write the key in full, in UTF-8. False for one of which others have a say, or Django has something to say.
    #[inline]
    fn write_usual(
        slf: &Bound<'_, Self>,
        key: &Bound<'_, PyAny>,
        version: Option<&Bound<'_, PyAny>>,
        text: &mut Text,
    ) -> bool {
        if version.is_some() {
            return false;
        }
        // With lone surrogates it has no UTF-8.
        key.cast_exact::<PyString>().is_ok_and(|key| {
            key.to_str()
                .is_ok_and(|key| Self::write_usual_text(slf, key.as_bytes(), text))
        })
    }

    /// Whether neither the backend nor its class has a way of its own to make keys, or has it patched.
    #[inline]
    fn makes_usual_keys(slf: &Bound<'_, Self>) -> bool {
        let this = slf.get();
        if this.is_shadowed.load(Relaxed) {
            return false;
        }
        let class = slf.get_type();
        let tag = raw::version_tag(&class);
        if tag != 0 && tag == this.class_tag.load(Relaxed) {
            return true;
        }
        let makes = DJANGO_KEYS.holds_for_class(&class);
        if makes && tag == raw::version_tag(&class) {
            this.class_tag.store(tag, Relaxed);
        }
        makes
    }

    /// The same for a text.
    #[inline]
    pub(super) fn write_usual_text(slf: &Bound<'_, Self>, key: &[u8], text: &mut Text) -> bool {
        if !Self::makes_usual_keys(slf) {
            return false;
        }
        let (this, py) = (slf.get(), slf.py());
        let has_head = this.keys.with(py, |keys| {
            let head = keys.head.as_deref()?;
            text.extend_from_slice(head);
            Some(())
        });
        if has_head.flatten().is_none() || text.len() + key.len() > LONGEST || !is_printable(key) {
            return false;
        }
        text.extend_from_slice(key);
        true
    }

    /// Where the cache lies.
    pub(super) fn address(&self) -> usize {
        self.cache.get().map_or(0, |cache| cache.as_ptr().addr())
    }

    /// What goes before each key, if nothing but text has a say in it.
    pub(super) fn head_now(&self, py: Python<'_>) -> Option<Box<[u8]>> {
        self.keys.with(py, |keys| keys.head.clone()).flatten()
    }

    /// The cache, if this is nothing but a way to it.
    pub(super) fn store(&self) -> Option<&Store> {
        self.store.get()?.as_ref()
    }

    /// Whether neither it nor its class was changed.
    pub(super) fn is_as_made(&self, object: &Bound<'_, Self>) -> bool {
        self.apart.with(object.py(), |apart| apart.is_none()) == Some(true)
            && DJANGO_BACKEND.holds_for_class(&object.get_type())
    }
}

impl Store {
    fn of(cache: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        if let Ok(memory) = cache.cast::<MemoryCache>() {
            return Ok(Some(Self::Memory(memory.clone().unbind())));
        }
        if let Ok(redis) = cache.cast::<RedisCache>() {
            return Ok(Some(Self::Redis(redis.clone().unbind())));
        }
        let Some(parts) = cache.getattr_opt(intern!(cache.py(), "parts"))? else {
            return Ok(None);
        };
        let (memory, life, redis, coherence): (_, Bound<'_, PyAny>, _, _) = parts.extract()?;
        let life = timeout::extract(&life)?;
        Ok(Some(Self::Tiers(memory, life, redis, coherence)))
    }
}

/// The key as the class makes it; its text is written, in UTF-8.
fn asked_for<'py>(
    backend: &Bound<'py, Backend>,
    key: &Bound<'py, PyAny>,
    version: Option<&Bound<'py, PyAny>>,
    text: &mut Text,
) -> PyResult<Bound<'py, PyAny>> {
    let py = backend.py();
    let options = PyDict::new(py);
    options.set_item(intern!(py, "version"), version)?;
    let name = intern!(py, "make_and_validate_key");
    let made = backend.call_method(name, (key,), Some(&options))?;
    *text = key::with_text(&made, Text::from_slice)?;
    Ok(made)
}

fn part(py: Python<'_>, name: &str, part: Option<&Py<PyAny>>) -> PyResult<Py<PyAny>> {
    let part = part.map(|part| part.clone_ref(py));
    part.ok_or_else(|| PyAttributeError::new_err(name.to_owned()))
}

/// Whether Django finds nothing amiss in these characters: no spaces and no control characters.
fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte > 32 && *byte != 127)
}
