//! Django's way to a cache of ours: under keys with a prefix and a version before them.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use pyo3::exceptions::{PyAttributeError, PyRuntimeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString, PyTuple};
use smallvec::SmallVec;

use super::guard::{MEMORY_CACHE, REDIS_CACHE};
use super::memory_cache::MemoryCache;
use super::raw::attached::Attached;
use super::raw::intern;
use super::redis_cache::RedisCache;
use super::{key, tiered};
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
    /// Whether the class makes and validates keys as Django's does.
    is_plain: AtomicBool,
    keys: Attached<Arc<Keys>>,
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

type Text = SmallVec<[u8; 128]>;

#[pymethods]
impl Backend {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            cache: OnceLock::new(),
            usual: OnceLock::new(),
            is_plain: AtomicBool::new(false),
            keys: Attached::new(Arc::default()),
        }
    }

    /// Said once, when all else is set up.
    fn _open(
        &self,
        py: Python<'_>,
        cache: Py<PyAny>,
        usual: Py<PyAny>,
        is_plain: bool,
    ) -> PyResult<()> {
        let is_first = self.cache.set(cache).is_ok() && self.usual.set(usual).is_ok();
        if !is_first {
            return Err(PyRuntimeError::new_err("the backend is open already"));
        }
        self.is_plain.store(is_plain, Relaxed);
        self.change(py, |_| ())
    }

    #[getter]
    fn _store(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.opened(py)?.clone().unbind())
    }

    #[getter]
    fn key_prefix(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        part(py, "key_prefix", self.keys(py)?.prefix.as_ref())
    }

    #[setter]
    fn set_key_prefix(&self, py: Python<'_>, prefix: Py<PyAny>) -> PyResult<()> {
        self.change(py, |keys| keys.prefix = Some(prefix))
    }

    #[getter]
    fn version(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        part(py, "version", self.keys(py)?.version.as_ref())
    }

    #[setter]
    fn set_version(&self, py: Python<'_>, version: Py<PyAny>) -> PyResult<()> {
        self.change(py, |keys| keys.version = Some(version))
    }

    #[getter]
    fn key_func(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        part(py, "key_func", self.keys(py)?.function.as_ref())
    }

    #[setter]
    fn set_key_func(&self, py: Python<'_>, function: Py<PyAny>) -> PyResult<()> {
        self.change(py, |keys| keys.function = Some(function))
    }

    #[pyo3(signature = (key, version = None))]
    fn make_and_validate_key<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyAny>,
        version: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        if let Some(text) = slf.get().usual_key(py, key, version) {
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
        let cache = slf.get().opened(py)?;
        let usual = slf.get().usual_key(py, key, version);
        let (text, made) = match usual {
            Some(text) => (text, None),
            None => asked_for(slf, key, version)?,
        };
        let found = if MEMORY_CACHE.holds_for(cache) {
            let cache = cache.cast::<MemoryCache>()?.get();
            let found = cache.fetch(py, &PackedKey::pack(&text))?;
            found.map(|found| found.value)
        } else if REDIS_CACHE.holds_for(cache) {
            let cache = cache.cast::<RedisCache>()?.get();
            let found = cache.fetch(py, &cache.full(&text), false)?;
            found.map(|found| found.value)
        } else {
            let made = match made {
                Some(made) => made,
                None => PyString::from_bytes(py, &text)?.into_any(),
            };
            let default = default.unwrap_or_else(|| py.None().into_bound(py));
            return tiered::get_in_order(cache, &made, default).map(Some);
        };
        Ok(found.or(default))
    }

    #[allow(clippy::needless_pass_by_value)] // what PyO3 asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.cache.get())?;
        visit.call(self.usual.get())?;
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

    fn change(&self, py: Python<'_>, change: impl FnOnce(&mut Keys)) -> PyResult<()> {
        let old = self.keys(py)?;
        let copy = |part: &Option<Py<PyAny>>| part.as_ref().map(|part| part.clone_ref(py));
        let mut keys = Keys {
            prefix: copy(&old.prefix),
            version: copy(&old.version),
            function: copy(&old.function),
            head: None,
        };
        change(&mut keys);
        keys.head = self.head(py, &keys);
        let keys = Arc::new(keys);
        let _old = self.keys.with(py, |place| std::mem::replace(place, keys));
        Ok(())
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

    /// The key in full, in UTF-8; None for one of which others have a say, or Django has something to say.
    fn usual_key(
        &self,
        py: Python<'_>,
        key: &Bound<'_, PyAny>,
        version: Option<&Bound<'_, PyAny>>,
    ) -> Option<Text> {
        if version.is_some() || !self.is_plain.load(Relaxed) {
            return None;
        }
        // With lone surrogates it has no UTF-8.
        let key = key.cast_exact::<PyString>().ok()?.to_str().ok()?;
        let head = |keys: &mut Arc<Keys>| {
            let head = keys.head.as_deref()?;
            let mut text = Text::with_capacity(head.len() + key.len());
            text.extend_from_slice(head);
            Some(text)
        };
        let mut text = self.keys.with(py, head).flatten()?;
        text.extend_from_slice(key.as_bytes());
        let is_short = text.len() <= LONGEST;
        (is_short && is_printable(key.as_bytes())).then_some(text)
    }
}

/// The key as the class makes it, in UTF-8 and as it is.
fn asked_for<'py>(
    backend: &Bound<'py, Backend>,
    key: &Bound<'py, PyAny>,
    version: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Text, Option<Bound<'py, PyAny>>)> {
    let py = backend.py();
    let options = PyDict::new(py);
    options.set_item(intern!(py, "version"), version)?;
    let name = intern!(py, "make_and_validate_key");
    let made = backend.call_method(name, (key,), Some(&options))?;
    Ok((key::with_text(&made, Text::from_slice)?, Some(made)))
}

fn part(py: Python<'_>, name: &str, part: Option<&Py<PyAny>>) -> PyResult<Py<PyAny>> {
    let part = part.map(|part| part.clone_ref(py));
    part.ok_or_else(|| PyAttributeError::new_err(name.to_owned()))
}

/// Whether Django finds nothing amiss in these characters: no spaces and no control characters.
fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte > 32 && *byte != 127)
}
