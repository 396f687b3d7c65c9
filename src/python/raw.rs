//! The few calls of CPython's C interface that PyO3 has no safe form of.
#![allow(unsafe_code)]

use pyo3::exceptions::PyRecursionError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyFunction, PyString, PyType};

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

/// The most containers within one another that this extension walks through: far below what the
/// smallest usual stack has room for.
const DEEPEST: usize = 1_000;

/// Run `step` one level deeper; RecursionError when the value is too deep or the stack is used up.
pub(super) fn deeper<T>(
    py: Python<'_>,
    depth: usize,
    step: impl FnOnce(usize) -> PyResult<T>,
) -> PyResult<T> {
    if depth >= DEEPEST {
        return Err(PyRecursionError::new_err(
            "maximum recursion depth exceeded: a value's containers are nested too deeply, or contain themselves",
        ));
    }
    // SAFETY: attached; balanced by the leave below, unless it fails, when it must not be.
    if unsafe {
        ffi::Py_EnterRecursiveCall(c" while walking through a value for the cache".as_ptr())
    } != 0
    {
        return Err(PyErr::fetch(py));
    }
    let result = step(depth + 1);
    // SAFETY: attached, and entered above.
    unsafe { ffi::Py_LeaveRecursiveCall() };
    result
}
