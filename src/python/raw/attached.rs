//! A lock for threads that are attached to the interpreter, which in most builds are one at a time.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
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

// SAFETY: the value is reached only through `Hold`, by one thread at a time.
unsafe impl<T: Send> Sync for Attached<T> {}

/// The value while it is in use.
pub(in crate::python) struct Hold<'a, T>(&'a Attached<T>);

impl<T> Drop for Hold<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::Release);
    }
}

impl<T> Deref for Hold<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: held, and only one can be at a time.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Hold<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Attached<T> {
    pub(in crate::python) const fn new(value: T) -> Self {
        Self {
            held: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    #[inline]
    #[cfg(not(Py_GIL_DISABLED))]
    fn try_hold(&self) -> Option<Hold<'_, T>> {
        // Two steps are enough: no other thread is attached between them.
        if self.held.load(Ordering::Relaxed) {
            return None;
        }
        self.held.store(true, Ordering::Relaxed);
        Some(Hold(self))
    }

    #[inline]
    #[cfg(Py_GIL_DISABLED)]
    fn try_hold(&self) -> Option<Hold<'_, T>> {
        let was_held = self.held.swap(true, Ordering::Acquire);
        (!was_held).then_some(Hold(self))
    }

    /// Take hold of the value. Whoever holds it must run no Python. None if it is in use by this very
    /// thread, which is a bug.
    #[inline(always)]
    #[allow(clippy::inline_always)] // two steps
    pub(in crate::python) fn hold(&self, _py: Python<'_>) -> Option<Hold<'_, T>> {
        #[cfg(not(Py_GIL_DISABLED))]
        return self.try_hold();
        #[cfg(Py_GIL_DISABLED)]
        loop {
            match self.try_hold() {
                Some(hold) => return Some(hold),
                None => std::thread::yield_now(),
            }
        }
    }

    /// The same for the time of a closure.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as above
    pub(in crate::python) fn with<R>(
        &self,
        py: Python<'_>,
        use_it: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        self.hold(py).map(|mut value| use_it(&mut value))
    }

    /// The same for the garbage collector and for tiers, whose threads are attached without a
    /// `Python` to show for it.
    pub(in crate::python) fn try_with<R>(&self, use_it: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.try_hold().map(|mut value| use_it(&mut value))
    }
}
