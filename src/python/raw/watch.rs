//! Dicts and classes whose changes are noticed.
//!
//! CPython tells a callback of each change of a watched one, so that one number says whether there was
//! any. CPython 3.11 tells nobody, but gives each dict and each class a version that is compared
//! instead. Where neither can be had, as without a GIL, whoever wants to know must look.

#[cfg(all(Py_3_12, not(Py_GIL_DISABLED)))]
use std::sync::atomic::AtomicI32;
#[cfg(Py_3_12)]
use std::sync::atomic::AtomicU32;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use super::words::Words;

/// Moves with each change of whatever is watched.
#[cfg(Py_3_12)]
static CHANGES: AtomicU32 = AtomicU32::new(0);
/// Moves with each change of one of the logger's dicts.
#[cfg(Py_3_12)]
static LOGGER_CHANGES: AtomicU32 = AtomicU32::new(0);
/// Moves with each change that is told of.
#[cfg(not(Py_3_12))]
static TOLD: AtomicUsize = AtomicUsize::new(0);
static LOGGER_DICTS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
static LOGGER_CLASS: AtomicUsize = AtomicUsize::new(0);

/// A number that is the same again only if nothing that is counted has changed, nor the logger; None
/// where that is not known.
#[inline]
pub(in crate::python) fn changes(py: Python<'_>) -> Option<u64> {
    imp::changes(py)
}

/// Count a change of something that whoever changes it tells of.
pub(in crate::python) fn note_change() {
    #[cfg(Py_3_12)]
    CHANGES.fetch_add(1, Ordering::AcqRel);
    #[cfg(not(Py_3_12))]
    TOLD.fetch_add(1, Ordering::AcqRel);
}

/// A number that is the same again only if the logger is as it was; None where that is not known.
#[inline]
pub(in crate::python) fn logger_changes(py: Python<'_>) -> Option<u64> {
    imp::logger_changes(py)
}

/// Have changes of a class and its bases noticed, from a version that it has: counted, or to be seen in
/// `words`, which were noted of something that keeps it alive. False where that cannot be had.
pub(in crate::python) fn watch_class(class: &Bound<'_, PyType>, words: &mut Words) -> bool {
    imp::watch_class(class, words)
}

/// Have changes of the logger's class counted, and counted apart. False where that cannot be had.
pub(in crate::python) fn watch_logger_class(class: &Bound<'_, PyType>) -> bool {
    LOGGER_CLASS.store(class.as_ptr().addr(), Ordering::Relaxed);
    imp::watch_class(class, &mut Words::default())
}

/// Have changes of an object's attributes noticed, which all lie in this dict: counted, or to be seen
/// in `words`. False where that cannot be had.
pub(in crate::python) fn watch_attributes(
    object: &Bound<'_, PyAny>,
    dict: &Bound<'_, PyDict>,
    words: &mut Words,
) -> bool {
    imp::watch_attributes(object, dict, words)
}

/// Have changes of one of the logger's two dicts, which are never freed, counted, and counted apart.
/// False where that cannot be had.
pub(in crate::python) fn watch_logger(place: usize, dict: &Bound<'_, PyDict>) -> bool {
    LOGGER_DICTS[place].store(dict.as_ptr().addr(), Ordering::Relaxed);
    imp::watch_logger(dict)
}

#[cfg(all(Py_3_12, not(Py_GIL_DISABLED)))]
mod imp {
    use std::ffi::c_int;

    use pyo3::ffi;

    use super::{
        AtomicI32, Bound, CHANGES, LOGGER_CHANGES, LOGGER_CLASS, LOGGER_DICTS, Ordering, PyAny,
        PyDict, PyType, Python, Words,
    };

    type Callback = extern "C" fn(
        event: c_int,
        dict: *mut ffi::PyObject,
        key: *mut ffi::PyObject,
        value: *mut ffi::PyObject,
    ) -> c_int;

    unsafe extern "C" {
        fn PyDict_AddWatcher(callback: Callback) -> c_int;
        fn PyType_AddWatcher(
            callback: extern "C" fn(class: *mut ffi::PyTypeObject) -> c_int,
        ) -> c_int;
        fn PyType_Watch(watcher: c_int, class: *mut ffi::PyObject) -> c_int;
    }

    const NOT_ASKED: c_int = -2;

    extern "C" fn count(
        _event: c_int,
        dict: *mut ffi::PyObject,
        _key: *mut ffi::PyObject,
        _value: *mut ffi::PyObject,
    ) -> c_int {
        let address = dict.addr();
        let is_logger = LOGGER_DICTS
            .iter()
            .any(|known| known.load(Ordering::Relaxed) == address);
        if is_logger {
            LOGGER_CHANGES.fetch_add(1, Ordering::AcqRel);
        }
        CHANGES.fetch_add(1, Ordering::AcqRel);
        0
    }

    extern "C" fn count_class(class: *mut ffi::PyTypeObject) -> c_int {
        if LOGGER_CLASS.load(Ordering::Relaxed) == class.addr() {
            LOGGER_CHANGES.fetch_add(1, Ordering::AcqRel);
        }
        CHANGES.fetch_add(1, Ordering::AcqRel);
        0
    }

    /// The number of a watcher, added when first asked for; None where all eight are taken.
    fn watcher(py: Python<'_>, number: &AtomicI32, add: impl FnOnce() -> c_int) -> Option<c_int> {
        if number.load(Ordering::Relaxed) == NOT_ASKED {
            let added = add();
            number.store(added.max(-1), Ordering::Relaxed);
            if added < 0 {
                let _taken = pyo3::PyErr::take(py);
            }
        }
        let number = number.load(Ordering::Relaxed);
        (number >= 0).then_some(number)
    }

    #[inline]
    #[allow(clippy::unnecessary_wraps)] // not everywhere
    pub(super) fn changes(_py: Python<'_>) -> Option<u64> {
        Some(CHANGES.load(Ordering::Acquire).into())
    }

    #[inline]
    #[allow(clippy::unnecessary_wraps)] // not everywhere
    pub(super) fn logger_changes(_py: Python<'_>) -> Option<u64> {
        Some(LOGGER_CHANGES.load(Ordering::Acquire).into())
    }

    pub(super) fn watch_class(class: &Bound<'_, PyType>, _words: &mut Words) -> bool {
        static WATCHER: AtomicI32 = AtomicI32::new(NOT_ASKED);
        // SAFETY: attached; the callback is never unloaded, and touches an atomic alone.
        let watcher = watcher(class.py(), &WATCHER, || unsafe {
            PyType_AddWatcher(count_class)
        });
        // SAFETY: attached, a live class and a watcher of our own.
        watcher.is_some_and(|watcher| unsafe { PyType_Watch(watcher, class.as_ptr()) } == 0)
    }

    pub(super) fn watch_attributes(
        _object: &Bound<'_, PyAny>,
        dict: &Bound<'_, PyDict>,
        _words: &mut Words,
    ) -> bool {
        watch_logger(dict)
    }

    pub(super) fn watch_logger(dict: &Bound<'_, PyDict>) -> bool {
        static WATCHER: AtomicI32 = AtomicI32::new(NOT_ASKED);
        // SAFETY: attached; the callback is never unloaded, and touches atomics alone.
        let watcher = watcher(dict.py(), &WATCHER, || unsafe { PyDict_AddWatcher(count) });
        // SAFETY: attached, a live dict and a watcher of our own.
        watcher.is_some_and(|watcher| unsafe { ffi::PyDict_Watch(watcher, dict.as_ptr()) } == 0)
    }
}

#[cfg(not(Py_3_12))]
mod imp {
    use pyo3::ffi;

    use super::{
        Bound, LOGGER_CLASS, LOGGER_DICTS, Ordering, PyAny, PyDict, PyType, Python, TOLD, Words,
    };

    pub(super) fn watch_class(class: &Bound<'_, PyType>, words: &mut Words) -> bool {
        words.version_of_class(class);
        true
    }

    pub(super) fn watch_attributes(
        object: &Bound<'_, PyAny>,
        dict: &Bound<'_, PyDict>,
        words: &mut Words,
    ) -> bool {
        words.attributes_of(object, dict)
    }

    pub(super) fn watch_logger(_dict: &Bound<'_, PyDict>) -> bool {
        true
    }

    #[inline]
    pub(super) fn changes(py: Python<'_>) -> Option<u64> {
        logger_changes(py).map(|changes| changes + TOLD.load(Ordering::Acquire) as u64)
    }

    /// The sum of versions each of which only grows. A class that was changed has none until it is
    /// next asked for anything.
    #[inline]
    pub(super) fn logger_changes(_py: Python<'_>) -> Option<u64> {
        let class = LOGGER_CLASS.load(Ordering::Relaxed) as *const ffi::PyTypeObject;
        let [own, remembered] = LOGGER_DICTS
            .each_ref()
            .map(|dict| dict.load(Ordering::Relaxed) as *const ffi::PyDictObject);
        if class.is_null() || own.is_null() || remembered.is_null() {
            return None;
        }
        // SAFETY: attached; those who told their addresses keep all three alive.
        let (class, dicts) = unsafe {
            let dicts = (*own).ma_version_tag + (*remembered).ma_version_tag;
            ((*class).tp_version_tag, dicts)
        };
        (class != 0).then(|| dicts + u64::from(class))
    }
}

#[cfg(Py_GIL_DISABLED)]
mod imp {
    use super::{Bound, PyAny, PyDict, PyType, Python, Words};

    pub(super) fn changes(_py: Python<'_>) -> Option<u64> {
        None
    }

    pub(super) fn logger_changes(_py: Python<'_>) -> Option<u64> {
        None
    }

    pub(super) fn watch_class(_class: &Bound<'_, PyType>, _words: &mut Words) -> bool {
        false
    }

    pub(super) fn watch_attributes(
        _object: &Bound<'_, PyAny>,
        _dict: &Bound<'_, PyDict>,
        _words: &mut Words,
    ) -> bool {
        false
    }

    pub(super) fn watch_logger(_dict: &Bound<'_, PyDict>) -> bool {
        false
    }
}
