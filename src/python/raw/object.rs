//! References that tiers hold: let go in some thread's midst, where a destructor may run.

use std::hint::black_box;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use pyo3::ffi;
use pyo3::prelude::*;

use super::Stay;

/// What a reference leads to, in the low bits of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::python) enum Kind {
    /// The object itself.
    Shared = 0,
    /// A private copy of one plain container with nothing to be copied in it.
    Flat = 1,
    /// The recipe of a copy of plain containers, each of which stands in one place only.
    Tree = 2,
    /// A private copy of plain containers, some of which stand in several places, or in themselves.
    Graph = 3,
    /// The value's pickle.
    Pickled = 4,
}

const KIND: usize = 0b111;

/// An object held by a tier, and what kind of copy it is, in one word.
pub(in crate::python) struct Object(NonNull<ffi::PyObject>);

// SAFETY: a reference to an object; counted only while attached, and let go as PyO3's `Py` would be.
unsafe impl Send for Object {}
// SAFETY: as above; sharing it reads an address.
unsafe impl Sync for Object {}

impl Object {
    #[inline]
    pub(in crate::python) fn new(object: Bound<'_, PyAny>, kind: Kind) -> Self {
        let object = object.into_ptr();
        // SAFETY: not null. Objects are allocated at multiples of 8 at least, so the bits are free.
        Self(unsafe { NonNull::new_unchecked(object.map_addr(|address| address | kind as usize)) })
    }

    /// A new reference to an object.
    pub(in crate::python) fn of(object: &Bound<'_, PyAny>) -> Self {
        Self::new(object.clone(), Kind::Shared)
    }

    /// Whether it is this very object, of the kind `Shared`.
    #[inline]
    pub(in crate::python) fn is<T>(&self, object: &Bound<'_, T>) -> bool {
        self.0.as_ptr() == object.as_ptr()
    }

    /// Whether it is the same object, kept in the same way.
    pub(in crate::python) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    #[inline]
    fn as_ptr(&self) -> *mut ffi::PyObject {
        self.0.as_ptr().map_addr(|address| address & !KIND)
    }

    #[inline]
    pub(in crate::python) fn kind(&self) -> Kind {
        match self.0.addr().get() & KIND {
            0 => Kind::Shared,
            1 => Kind::Flat,
            2 => Kind::Tree,
            3 => Kind::Graph,
            _ => Kind::Pickled,
        }
    }

    /// The object, with this one's reference to it.
    #[inline]
    pub(in crate::python) fn into_bound(self, py: Python<'_>) -> Bound<'_, PyAny> {
        let this = ManuallyDrop::new(self);
        // SAFETY: the reference is this one's own and not used again.
        unsafe { Bound::from_owned_ptr(py, this.as_ptr()) }
    }

    /// This reference as a word, to be made one again by `from_word`.
    #[inline]
    pub(super) fn into_word(self) -> *mut ffi::PyObject {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// The reference again.
    ///
    /// # Safety
    ///
    /// Of a word that `into_word` gave, once.
    pub(super) unsafe fn from_word(word: *mut ffi::PyObject) -> Self {
        // SAFETY: not null.
        Self(unsafe { NonNull::new_unchecked(word) })
    }

    /// This one's reference. To be used once at the most.
    unsafe fn owned(&self) -> Py<PyAny> {
        // SAFETY: a live object, of which a reference is held; no count is changed here.
        unsafe { Bound::from_owned_ptr(Python::assume_attached(), self.as_ptr()).unbind() }
    }

    /// The object, as the garbage collector asks for it.
    pub(in crate::python) fn visited(&self) -> ManuallyDrop<Py<PyAny>> {
        // SAFETY: attached or stopped by the collector; no reference is taken, nor ever let go.
        ManuallyDrop::new(unsafe { self.owned() })
    }
}

impl Clone for Object {
    #[inline]
    fn clone(&self) -> Self {
        // Not `Python::attach`, which may run destructors: objects are cloned under the slab's lock.
        // SAFETY: tiers are used by threads that were handed a `Python`.
        unsafe { ffi::Py_INCREF(self.as_ptr()) };
        Self(self.0)
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        type Release = unsafe extern "C-unwind" fn(*mut ffi::PyObject);
        // SAFETY: may be asked in any thread.
        if unsafe { ffi::PyGILState_Check() } == 0 {
            // SAFETY: a reference of its own, not used again. PyO3 lets it go when a thread is
            // attached next.
            drop(unsafe { self.owned() });
            return;
        }
        let release = black_box(ffi::Py_DecRef as *const ());
        // SAFETY: the same function; hidden from the compiler, as in `call`.
        let release = unsafe { std::mem::transmute::<*const (), Release>(release) };
        let stay = Stay;
        // SAFETY: attached, and the reference is this object's own and not used again.
        unsafe { release(self.as_ptr()) };
        std::mem::forget(stay);
    }
}

const _: () = assert!(size_of::<Option<Object>>() == 8);
