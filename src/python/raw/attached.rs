//! A lock for threads that are attached to the interpreter, which in most builds are one at a time.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;

/// A value that attached threads use by turns.
///
/// Whoever uses it runs no Python under it. So with a GIL nobody ever waits, and the flag is a plain
/// one; without, it is a spin lock.
pub(in crate::python) struct Attached<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through `with` and `try_with`, by one thread at a time.
unsafe impl<T: Send> Sync for Attached<T> {}

struct Hold<'a>(&'a AtomicBool);

impl Drop for Hold<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<T> Attached<T> {
    pub(in crate::python) fn new(value: T) -> Self {
        Self {
            held: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    #[inline]
    #[cfg(not(Py_GIL_DISABLED))]
    fn try_hold(&self) -> Option<Hold<'_>> {
        // Two steps are enough: no other thread is attached between them.
        if self.held.load(Ordering::Relaxed) {
            return None;
        }
        self.held.store(true, Ordering::Relaxed);
        Some(Hold(&self.held))
    }

    #[inline]
    #[cfg(Py_GIL_DISABLED)]
    fn try_hold(&self) -> Option<Hold<'_>> {
        let was_held = self.held.swap(true, Ordering::Acquire);
        (!was_held).then_some(Hold(&self.held))
    }

    /// Use the value. `use_it` must run no Python. None if it is in use by this very thread, which
    /// is a bug.
    #[inline(always)]
    #[allow(clippy::inline_always)] // two steps around what is inlined itself
    pub(in crate::python) fn with<R>(
        &self,
        _py: Python<'_>,
        use_it: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        #[cfg(not(Py_GIL_DISABLED))]
        let hold = self.try_hold();
        #[cfg(Py_GIL_DISABLED)]
        let hold = loop {
            match self.try_hold() {
                Some(hold) => break Some(hold),
                None => std::thread::yield_now(),
            }
        };
        let _hold = hold?;
        // SAFETY: held, and only one can be at a time.
        Some(use_it(unsafe { &mut *self.value.get() }))
    }

    /// The same for the garbage collector and for tiers, whose threads are attached without a
    /// `Python` to show for it.
    pub(in crate::python) fn try_with<R>(&self, use_it: impl FnOnce(&mut T) -> R) -> Option<R> {
        let _hold = self.try_hold()?;
        // SAFETY: held, and only one can be at a time.
        Some(use_it(unsafe { &mut *self.value.get() }))
    }
}
