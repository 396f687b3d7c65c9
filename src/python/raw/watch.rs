//! Dicts whose changes are noticed: CPython tells a callback of each change of a watched dict.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Moves with each change of a dict that is watched by `watch`.
static CHANGES: AtomicU32 = AtomicU32::new(0);
/// Moves with each change of one of the logger's dicts.
static LOGGER_CHANGES: AtomicU32 = AtomicU32::new(0);
static LOGGER_DICTS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

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

/// Have changes of a dict counted. False where that cannot be had.
pub(in crate::python) fn watch(dict: &Bound<'_, PyDict>) -> bool {
    imp::watch(dict)
}

/// Have changes of one of the logger's two dicts counted apart. False where that cannot be had.
pub(in crate::python) fn watch_logger(place: usize, dict: &Bound<'_, PyDict>) -> bool {
    LOGGER_DICTS[place].store(dict.as_ptr().addr(), Ordering::Relaxed);
    imp::watch(dict)
}

#[cfg(all(Py_3_12, not(Py_GIL_DISABLED)))]
mod imp {
    use std::ffi::c_int;

    use pyo3::ffi;

    use super::{AtomicI32, Bound, CHANGES, LOGGER_CHANGES, LOGGER_DICTS, Ordering, PyDict};

    type Callback = extern "C" fn(
        event: c_int,
        dict: *mut ffi::PyObject,
        key: *mut ffi::PyObject,
        value: *mut ffi::PyObject,
    ) -> c_int;

    unsafe extern "C" {
        fn PyDict_AddWatcher(callback: Callback) -> c_int;
    }

    const NOT_ASKED: c_int = -2;
    static WATCHER: AtomicI32 = AtomicI32::new(NOT_ASKED);

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
        let changes = if is_logger { &LOGGER_CHANGES } else { &CHANGES };
        changes.fetch_add(1, Ordering::AcqRel);
        0
    }

    pub(super) fn watch(dict: &Bound<'_, PyDict>) -> bool {
        if WATCHER.load(Ordering::Relaxed) == NOT_ASKED {
            // SAFETY: attached; the callback is never unloaded, and touches atomics alone.
            let watcher = unsafe { PyDict_AddWatcher(count) };
            WATCHER.store(watcher.max(-1), Ordering::Relaxed);
            if watcher < 0 {
                // All eight are taken.
                let _taken = pyo3::PyErr::take(dict.py());
            }
        }
        let watcher = WATCHER.load(Ordering::Relaxed);
        // SAFETY: attached, a live dict and a watcher of our own.
        watcher >= 0 && unsafe { ffi::PyDict_Watch(watcher, dict.as_ptr()) } == 0
    }
}

#[cfg(not(all(Py_3_12, not(Py_GIL_DISABLED))))]
mod imp {
    use super::{Bound, PyDict};

    pub(super) fn watch(_dict: &Bound<'_, PyDict>) -> bool {
        false
    }
}
