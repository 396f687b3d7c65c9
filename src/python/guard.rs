//! Whether a class is still as it was made: what lets Rust stand in for its methods.
//!
//! Tests patch methods of these classes, and users subclass them. So before Rust answers in place
//! of a method, the class must look that method up as it did when it was sealed. The type's version
//! tag makes this one comparison; CPython gives a type a new tag whenever it or a base is changed,
//! and no tag (0) once it has run out of them: then the methods are looked up each time.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::memory_cache::MemoryCache;
use super::raw;

/// The methods of some classes as they were when the classes were made.
pub(super) struct Seal {
    names: &'static [&'static str],
    originals: PyOnceLock<(Py<PyType>, Vec<Py<PyAny>>)>,
    /// The tag under which the sealed class itself was last found unchanged.
    tag: AtomicU32,
}

impl Seal {
    const fn new(names: &'static [&'static str]) -> Self {
        Self {
            names,
            originals: PyOnceLock::new(),
            tag: AtomicU32::new(0),
        }
    }

    fn close(&self, class: &Bound<'_, PyType>) -> PyResult<()> {
        let methods = self
            .names
            .iter()
            .map(|name| Ok(class.getattr(*name)?.unbind()));
        let methods = methods.collect::<PyResult<_>>()?;
        // Sealed twice (a module reloaded): the later class counts no more than a subclass.
        let _ = self
            .originals
            .set(class.py(), (class.clone().unbind(), methods));
        Ok(())
    }

    /// Whether `class` is the sealed class itself, and unchanged.
    pub(super) fn holds_for(&self, class: &Bound<'_, PyType>) -> bool {
        let py = class.py();
        let Some((sealed, _)) = self.originals.get(py) else {
            return false;
        };
        if !class.is(sealed) {
            return false;
        }
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

    /// Whether `class`, the sealed one or a subclass, has the methods of the sealed one.
    pub(super) fn has_original_methods(&self, class: &Bound<'_, PyType>) -> bool {
        let Some((_, originals)) = self.originals.get(class.py()) else {
            return false;
        };
        self.names
            .iter()
            .zip(originals)
            .all(|(name, original)| class.getattr(*name).is_ok_and(|method| method.is(original)))
    }

    /// The names of the sealed methods.
    pub(super) fn names(&self) -> &'static [&'static str] {
        self.names
    }
}

/// `MemoryCache`.
pub(super) static MEMORY_CACHE: Seal = Seal::new(&["get", "set", "delete"]);
/// `TieredCache`.
pub(super) static TIERED_CACHE: Seal = Seal::new(&["get", "set", "delete"]);
/// `CacheWithPresets`.
pub(super) static CACHE_WITH_PRESETS: Seal = Seal::new(&[
    "get",
    "set",
    "delete",
    "prefixed_key",
    "cache",
    "timeout",
    "prefix_function",
]);
/// `QuickCacheHelper`: what a call goes through.
pub(super) static HELPER_CALL: Seal = Seal::new(&["_call_openly", "skip", "call", "get_cache_key"]);
/// `QuickCacheHelper`: what a key is made by.
pub(super) static HELPER_KEYS: Seal =
    Seal::new(&["_serialize_for_key", "_hash", "_code_of", "_key_of"]);

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
    MEMORY_CACHE.close(&py.get_type::<MemoryCache>())
}
