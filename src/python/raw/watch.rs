//! Dicts and classes whose changes are noticed: CPython tells a callback of each change of a watched one.

#[cfg(all(Py_3_12, not(Py_GIL_DISABLED)))]
use std::sync::atomic::AtomicI32;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

/// Moves with each change of whatever is watched.
static CHANGES: AtomicU32 = AtomicU32::new(0);
/// Moves with each change of one of the logger's dicts.
static LOGGER_CHANGES: AtomicU32 = AtomicU32::new(0);
static LOGGER_DICTS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
static LOGGER_CLASS: AtomicUsize = AtomicUsize::new(0);

/// How many changes there have been.
#[inline]
pub(in crate::python) fn changes() -> u32 {
    CHANGES.load(Ordering::Acquire)
}

/// How many changes of the logger there have been.
#[inline]
pub(in crate::python) fn logger_changes() -> u32 {
    LOGGER_CHANGES.load(Ordering::Acquire)
}

/// Have changes of a class and its bases counted, from a version that it has. False where that cannot
/// be had.
pub(in crate::python) fn watch_class(class: &Bound<'_, PyType>) -> bool {
    imp::watch_class(class)
}

/// Have changes of the logger's class counted, and counted apart. False where that cannot be had.
pub(in crate::python) fn watch_logger_class(class: &Bound<'_, PyType>) -> bool {
    LOGGER_CLASS.store(class.as_ptr().addr(), Ordering::Relaxed);
    imp::watch_class(class)
}

/// Have changes of a dict counted. False where that cannot be had.
pub(in crate::python) fn watch(dict: &Bound<'_, PyDict>) -> bool {
    imp::watch(dict)
}

/// Have changes of one of the logger's two dicts counted, and counted apart. False where that cannot be had.
pub(in crate::python) fn watch_logger(place: usize, dict: &Bound<'_, PyDict>) -> bool {
    LOGGER_DICTS[place].store(dict.as_ptr().addr(), Ordering::Relaxed);
    imp::watch(dict)
}

#[cfg(all(Py_3_12, not(Py_GIL_DISABLED)))]
mod imp {
    use std::ffi::c_int;

    use pyo3::ffi;

    use super::{
        AtomicI32, Bound, CHANGES, LOGGER_CHANGES, LOGGER_CLASS, LOGGER_DICTS, Ordering, PyDict,
        PyType, Python,
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

    pub(super) fn watch_class(class: &Bound<'_, PyType>) -> bool {
        static WATCHER: AtomicI32 = AtomicI32::new(NOT_ASKED);
        // SAFETY: attached; the callback is never unloaded, and touches an atomic alone.
        let watcher = watcher(class.py(), &WATCHER, || unsafe {
            PyType_AddWatcher(count_class)
        });
        // SAFETY: attached, a live class and a watcher of our own.
        watcher.is_some_and(|watcher| unsafe { PyType_Watch(watcher, class.as_ptr()) } == 0)
    }

    pub(super) fn watch(dict: &Bound<'_, PyDict>) -> bool {
        static WATCHER: AtomicI32 = AtomicI32::new(NOT_ASKED);
        // SAFETY: attached; the callback is never unloaded, and touches atomics alone.
        let watcher = watcher(dict.py(), &WATCHER, || unsafe { PyDict_AddWatcher(count) });
        // SAFETY: attached, a live dict and a watcher of our own.
        watcher.is_some_and(|watcher| unsafe { ffi::PyDict_Watch(watcher, dict.as_ptr()) } == 0)
    }
}

#[cfg(not(all(Py_3_12, not(Py_GIL_DISABLED))))]
mod imp {
    use super::{Bound, PyDict, PyType};

    pub(super) fn watch_class(_class: &Bound<'_, PyType>) -> bool {
        false
    }

    pub(super) fn watch(_dict: &Bound<'_, PyDict>) -> bool {
        false
    }
}
