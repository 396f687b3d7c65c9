//! The few calls of CPython's C interface that PyO3 has no safe form of.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::mem::ManuallyDrop;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyString, PyTuple, PyType};

/// The number of the interpreter that runs this thread: a process may have several.
pub(super) fn interpreter(_py: Python<'_>) -> i64 {
    // SAFETY: attached, so that there is a current interpreter.
    unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) }
}

/// The type's version: changes when the type or a base is changed; 0 where it has none.
pub(super) fn version_tag(ty: &Bound<'_, PyType>) -> u32 {
    // SAFETY: a live type object; the field is read while attached, which is when types change.
    unsafe { (*ty.as_type_ptr()).tp_version_tag }
}

/// Whether the function's code is still this object.
pub(super) fn has_code(function: &Bound<'_, PyFunction>, code: &Py<PyAny>) -> bool {
    // SAFETY: a live function object; the borrowed result is only compared.
    let current = unsafe { ffi::PyFunction_GetCode(function.as_ptr()) };
    current == code.as_ptr()
}

/// `object.__setattr__`; None deletes.
pub(super) fn set_attribute(
    object: &Bound<'_, PyAny>,
    name: &Bound<'_, PyString>,
    value: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let value = value.map_or(std::ptr::null_mut(), Bound::as_ptr);
    // SAFETY: live objects; a null value deletes, as documented.
    let code = unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), value) };
    if code == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(object.py()))
    }
}

/// Call a Python object, in which the thread may be ended.
///
/// Up to CPython 3.13, a daemon thread that wants to go on while the interpreter shuts down is ended
/// by `pthread_exit`, which unwinds its stack; Rust would take that for a foreign exception and abort
/// the process. So the calls in which a thread is likely to wait are made by a function that unwinding
/// may enter, and stops there, and the thread with it, until the process is gone.
pub(super) fn call<'py>(
    callable: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    type Call = unsafe extern "C-unwind" fn(
        *mut ffi::PyObject,
        *mut ffi::PyObject,
        *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
    let call = black_box(ffi::PyObject_Call as *const ());
    // SAFETY: the same function; hidden from the compiler, which takes it for one that never unwinds.
    let call = unsafe { std::mem::transmute::<*const (), Call>(call) };
    let kwargs = kwargs.map_or(std::ptr::null_mut(), Bound::as_ptr);
    let result = {
        let stay = Stay;
        // SAFETY: live objects of the types that are asked for; null says that there are no keywords.
        let result = unsafe { call(callable.as_ptr(), args.as_ptr(), kwargs) };
        std::mem::forget(stay);
        result
    };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(callable.py(), result) }
}

/// A module's attribute, imported in a way that the thread may be ended in: see `call`.
pub(super) fn imported<'py>(
    py: Python<'py>,
    module: &str,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    type Import = unsafe extern "C-unwind" fn(*mut ffi::PyObject) -> *mut ffi::PyObject;
    let import = black_box(ffi::PyImport_Import as *const ());
    // SAFETY: the same function; hidden from the compiler, as in `call`.
    let import = unsafe { std::mem::transmute::<*const (), Import>(import) };
    let module = PyString::new(py, module);
    let stay = Stay;
    // SAFETY: a live str.
    let imported = unsafe { import(module.as_ptr()) };
    std::mem::forget(stay);
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, imported) }?.getattr(name)
}

/// Ends no thread, but keeps it where it is.
struct Stay;

impl Drop for Stay {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}

/// An object held by a tier, which is let go in some thread's midst, and may have a destructor.
pub(super) struct Object(ManuallyDrop<Py<PyAny>>);

impl Object {
    pub(super) fn new(object: Bound<'_, PyAny>) -> Self {
        Self(ManuallyDrop::new(object.unbind()))
    }

    pub(super) fn as_py(&self) -> &Py<PyAny> {
        &self.0
    }
}

impl Clone for Object {
    fn clone(&self) -> Self {
        // Not `Python::attach`, which may run destructors: objects are cloned under the slab's lock.
        // SAFETY: tiers are used by threads that were handed a `Python`.
        let py = unsafe { Python::assume_attached() };
        Self(ManuallyDrop::new(self.0.clone_ref(py)))
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        type Release = unsafe extern "C-unwind" fn(*mut ffi::PyObject);
        // SAFETY: may be asked in any thread.
        if unsafe { ffi::PyGILState_Check() } == 0 {
            // SAFETY: not used again. PyO3 lets it go when a thread is attached next.
            unsafe { ManuallyDrop::drop(&mut self.0) };
            return;
        }
        let release = black_box(ffi::Py_DecRef as *const ());
        // SAFETY: the same function; hidden from the compiler, as in `call`.
        let release = unsafe { std::mem::transmute::<*const (), Release>(release) };
        let stay = Stay;
        // SAFETY: attached, and the reference is this object's own and not used again.
        unsafe { release(self.0.as_ptr()) };
        std::mem::forget(stay);
    }
}
