//! Whether a class is still as it was made: what lets Rust stand in for its methods.
//!
//! Tests patch methods of these classes, and users subclass them. So before Rust answers in place
//! of a method, the class must look that method up as it did when it was sealed. The type's version
//! tag makes this one comparison; CPython gives a type a new tag whenever it or a base is changed,
//! and no tag (0) once it has run out of them: then the methods are looked up each time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use super::memory_cache::MemoryCache;
use super::raw;
use super::raw::intern;
use super::raw::words::Words;
use super::redis_cache::RedisCache;

/// The methods of some classes as they were when the classes were made.
pub(super) struct Seal {
    pub(super) names: &'static [&'static str],
    /// Whether instances have a `__dict__`, in which something may lie before the methods.
    has_dict: bool,
    originals: OnceLock<(Py<PyType>, Vec<Py<PyAny>>)>,
    /// The tag under which the sealed class itself was last found unchanged.
    tag: AtomicU32,
}

impl Seal {
    const fn new(names: &'static [&'static str], has_dict: bool) -> Self {
        Self {
            names,
            has_dict,
            originals: OnceLock::new(),
            tag: AtomicU32::new(0),
        }
    }

    pub(super) fn close(&self, class: &Bound<'_, PyType>) -> PyResult<()> {
        let methods = self
            .names
            .iter()
            .map(|name| Ok(class.getattr(*name)?.unbind()));
        let methods = methods.collect::<PyResult<_>>()?;
        // Sealed twice (a module reloaded): the later class counts no more than a subclass.
        let _ = self.originals.set((class.clone().unbind(), methods));
        Ok(())
    }

    /// Whether `object` is of the sealed class itself, and neither has been changed.
    pub(super) fn holds_for(&self, object: &Bound<'_, PyAny>) -> bool {
        let class = &object.get_type();
        let Some((sealed, _)) = self.originals.get() else {
            return false;
        };
        class.is(sealed) && self.is_unchanged(class) && self.is_not_shadowed(object)
    }

    /// Whether `class`, the sealed one or another, has the methods of the sealed one.
    pub(super) fn holds_for_class(&self, class: &Bound<'_, PyType>) -> bool {
        match self.originals.get() {
            Some((sealed, _)) if class.is(sealed) => self.is_unchanged(class),
            _ => self.has_original_methods(class),
        }
    }

    /// Have changes of the sealed class noticed, and of an object's own attributes. False where that
    /// cannot be had.
    pub(super) fn watch(&self, object: &Bound<'_, PyAny>, words: &mut Words) -> bool {
        let class = self
            .originals
            .get()
            .map(|(class, _)| class.bind(object.py()));
        class.is_some_and(|class| watch_class(class, words))
            && (!self.has_dict || watch_attributes(object, words))
    }

    fn is_unchanged(&self, class: &Bound<'_, PyType>) -> bool {
        let tag = raw::version_tag(class);
        if tag != 0 && tag == self.tag.load(Ordering::Relaxed) {
            return true;
        }
        let holds = self.has_original_methods(class);
        // Looking up gives a type its tag where it had none; the same before and after: nothing changed between.
        if holds && tag != 0 && tag == raw::version_tag(class) {
            self.tag.store(tag, Ordering::Relaxed);
        }
        holds
    }

    fn has_original_methods(&self, class: &Bound<'_, PyType>) -> bool {
        let Some((_, originals)) = self.originals.get() else {
            return false;
        };
        self.names
            .iter()
            .zip(originals)
            .all(|(name, original)| class.getattr(*name).is_ok_and(|method| method.is(original)))
    }

    /// Whether the object itself has nothing by the names of the sealed methods.
    pub(super) fn is_not_shadowed(&self, object: &Bound<'_, PyAny>) -> bool {
        if !self.has_dict {
            return true;
        }
        let Ok(Some(own)) = object.getattr_opt(intern!(object.py(), "__dict__")) else {
            return true;
        };
        let Ok(own) = own.cast_into::<PyDict>() else {
            return false;
        };
        own.is_empty()
            || self
                .names
                .iter()
                .all(|name| matches!(own.contains(name), Ok(false)))
    }
}

/// Have changes of a class noticed. False where that cannot be had, or no more: a class that was
/// changed too often has no version left, and no watcher is told of its changes.
pub(super) fn watch_class(class: &Bound<'_, PyType>, words: &mut Words) -> bool {
    raw::version_tag(class) != 0 && raw::watch::watch_class(class, words)
}

/// Have changes of an object's own attributes noticed. False where that cannot be had.
pub(super) fn watch_attributes(object: &Bound<'_, PyAny>, words: &mut Words) -> bool {
    raw::ordinary_dict(object)
        .is_some_and(|dict| raw::watch::watch_attributes(object, &dict, words))
}

/// `MemoryCache`.
pub(super) static MEMORY_CACHE: Seal = Seal::new(&["get", "set", "delete"], false);
/// `RedisCache`.
pub(super) static REDIS_CACHE: Seal = Seal::new(&["get", "set", "delete"], false);
/// `TieredCache`.
pub(super) static TIERED_CACHE: Seal = Seal::new(&["get", "set", "delete"], true);
/// `CacheWithPresets`.
pub(super) static CACHE_WITH_PRESETS: Seal = Seal::new(
    &[
        "get",
        "set",
        "delete",
        "prefixed_key",
        "cache",
        "timeout",
        "prefix_function",
    ],
    true,
);
/// What the backends for Django inherit: what makes their keys.
pub(super) static DJANGO_KEYS: Seal =
    Seal::new(&["make_key", "validate_key", "make_and_validate_key"], true);
/// The same, and what decorated functions ask of them.
pub(super) static DJANGO_BACKEND: Seal = Seal::new(
    &[
        "get",
        "set",
        "delete",
        "make_key",
        "validate_key",
        "make_and_validate_key",
    ],
    true,
);
/// `QuickCacheHelper`: what a call goes through.
pub(super) static HELPER_CALL: Seal =
    Seal::new(&["__call__", "skip", "call", "get_cache_key"], true);
/// `QuickCacheHelper`: what a key is made by.
pub(super) static HELPER_KEYS: Seal = Seal::new(&["_serialize_for_key", "_hash"], true);

/// Called by the Python half for each class it has just made: from now on, changes are noticed.
#[pyfunction]
#[pyo3(name = "_seal")]
pub(super) fn seal(class: &Bound<'_, PyType>) -> PyResult<()> {
    match &*class.name()?.to_string_lossy() {
        "TieredCache" => TIERED_CACHE.close(class),
        "CacheWithPresets" => CACHE_WITH_PRESETS.close(class),
        "QuickCacheHelper" => HELPER_CALL
            .close(class)
            .and_then(|()| HELPER_KEYS.close(class)),
        _ => Ok(()),
    }
}

/// Seal the classes that are made in Rust.
pub(super) fn seal_natives(py: Python<'_>) -> PyResult<()> {
    MEMORY_CACHE.close(&py.get_type::<MemoryCache>())?;
    REDIS_CACHE.close(&py.get_type::<RedisCache>())
}
