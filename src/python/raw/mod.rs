//! What of CPython's C interface PyO3 has no safe form of. All of the boundary's `unsafe` is here.
#![allow(unsafe_code)]

pub(super) mod attached;
pub(super) mod entry;
pub(super) mod object;
pub(super) mod read;
pub(super) mod vector;
pub(super) mod watch;
pub(super) mod words;

use std::hint::black_box;
use std::sync::OnceLock;

use pyo3::exceptions::PyRecursionError;
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
#[inline]
pub(super) fn has_code(function: &Bound<'_, PyFunction>, code: &Py<PyAny>) -> bool {
    // SAFETY: a live function object; the field is only compared.
    let current = unsafe { (*function.as_ptr().cast::<ffi::PyFunctionObject>()).func_code };
    current == code.as_ptr()
}

/// The function's defaults for its last positional parameters; None where it has none.
#[inline]
pub(super) fn defaults<'py>(function: &Bound<'py, PyFunction>) -> Option<Bound<'py, PyTuple>> {
    // Without a GIL another thread may replace them meanwhile.
    #[cfg(Py_GIL_DISABLED)]
    let defaults = function
        .getattr(intern!(function.py(), "__defaults__"))
        .ok();
    // SAFETY: a live function object, whose field is null, None or a tuple; a new reference is taken
    // while attached, before anything can change the field.
    #[cfg(not(Py_GIL_DISABLED))]
    let defaults = unsafe {
        let defaults = (*function.as_ptr().cast::<ffi::PyFunctionObject>()).func_defaults;
        Bound::from_borrowed_ptr_or_opt(function.py(), defaults)
    };
    defaults?.cast_into::<PyTuple>().ok()
}

/// How many defaults the function has for its last positional parameters.
#[inline]
pub(super) fn count_of_defaults(function: &Bound<'_, PyFunction>) -> usize {
    if cfg!(Py_GIL_DISABLED) {
        return defaults(function).map_or(0, |defaults| defaults.len());
    }
    // SAFETY: a live function object, whose field is null, None or a tuple; nothing runs between.
    let count = unsafe {
        let defaults = (*function.as_ptr().cast::<ffi::PyFunctionObject>()).func_defaults;
        if defaults.is_null() || ffi::PyTuple_Check(defaults) == 0 {
            0
        } else {
            ffi::PyTuple_GET_SIZE(defaults)
        }
    };
    usize::try_from(count).unwrap_or(0)
}

/// RecursionError if the thread has little of its stack left.
///
/// CPython 3.14 looks at the stack itself. Up to 3.13 it counts, on the understanding that the stack is
/// large: in threads of 512 KB a property that calls a function that asks for the property would crash.
#[inline]
pub(super) fn check_stack() -> PyResult<()> {
    /// What Python may need before it comes here again.
    const LEAST: usize = 64 * 1024;
    if cfg!(Py_3_14) || stacker::remaining_stack().is_none_or(|left| left > LEAST) {
        return Ok(());
    }
    Err(PyRecursionError::new_err(
        "maximum recursion depth exceeded",
    ))
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
    check_stack()?;
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

/// `callable(arg)`, in which the thread may be ended: see `call`.
pub(super) fn call_with_one<'py>(
    callable: &Bound<'py, PyAny>,
    arg: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    type Call =
        unsafe extern "C-unwind" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject;
    check_stack()?;
    let call = black_box(ffi::PyObject_CallOneArg as *const ());
    // SAFETY: the same function; hidden from the compiler, as in `call`.
    let call = unsafe { std::mem::transmute::<*const (), Call>(call) };
    let stay = Stay;
    // SAFETY: live objects.
    let result = unsafe { call(callable.as_ptr(), arg.as_ptr()) };
    std::mem::forget(stay);
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(callable.py(), result) }
}

/// `object.name(*args)`, in which the thread may be ended: see `call`.
pub(super) fn method<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    args: &[&Bound<'py, PyAny>],
) -> PyResult<Bound<'py, PyAny>> {
    let method = attribute(object, name.as_unbound())?;
    call(&method, &PyTuple::new(object.py(), args)?, None)
}

/// `object.name`, in which the thread may be ended: see `call`.
#[inline]
pub(super) fn attribute<'py>(
    object: &Bound<'py, PyAny>,
    name: &Py<PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    type Get =
        unsafe extern "C-unwind" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject;
    check_stack()?;
    let get = black_box(ffi::PyObject_GetAttr as *const ());
    // SAFETY: the same function; hidden from the compiler, as in `call`.
    let get = unsafe { std::mem::transmute::<*const (), Get>(get) };
    let stay = Stay;
    // SAFETY: live objects.
    let value = unsafe { get(object.as_ptr(), name.as_ptr()) };
    std::mem::forget(stay);
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(object.py(), value) }
}

/// What is made once.
///
/// Nobody is in the midst of making it for others: a child forked meanwhile would wait for a thread that
/// it does not have. And the thread stays attached, whereas PyO3's cells detach it the first time, under
/// whatever lock it holds, and have it ended there as the interpreter shuts down.
pub(super) fn once<T>(cell: &OnceLock<T>, build: impl FnOnce() -> PyResult<T>) -> PyResult<&T> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = build()?;
    Ok(cell.get_or_init(|| made))
}

/// A text of the source code as an interned str, made once: `once` instead of PyO3's cell.
macro_rules! intern {
    ($py:expr, $text:literal) => {{
        static TEXT: std::sync::OnceLock<pyo3::Py<pyo3::types::PyString>> =
            std::sync::OnceLock::new();
        $crate::python::raw::interned(&TEXT, $py, $text)
    }};
}
pub(super) use intern;

/// The str in a cell of `intern!`.
#[inline]
pub(super) fn interned<'a, 'py>(
    cell: &'a OnceLock<Py<PyString>>,
    py: Python<'py>,
    text: &str,
) -> &'a Bound<'py, PyString> {
    if let Some(made) = cell.get() {
        return made.bind(py);
    }
    let made = PyString::intern(py, text).unbind();
    cell.get_or_init(|| made).bind(py)
}

/// Run something that is none of Python's without being attached, after which the thread may be ended:
/// see `call`.
pub(super) fn detached<T: Send>(_py: Python<'_>, run: impl Send + FnOnce() -> T) -> T {
    type Restore = unsafe extern "C-unwind" fn(*mut ffi::PyThreadState);
    let restore = black_box(ffi::PyEval_RestoreThread as *const ());
    // SAFETY: the same function; hidden from the compiler, as in `call`.
    let restore = unsafe { std::mem::transmute::<*const (), Restore>(restore) };
    // SAFETY: attached; nothing of Python's can be named in `run`, which is `Send`.
    let state = unsafe { ffi::PyEval_SaveThread() };
    let done = run();
    let stay = Stay;
    // SAFETY: the state of this thread, which was just saved.
    unsafe { restore(state) };
    std::mem::forget(stay);
    done
}

/// The object's own `__dict__`, made if it has yet to be; None for objects that have none.
pub(super) fn own_dict<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyDict>> {
    // SAFETY: a live object; a new reference, or null with an exception set.
    let dict = unsafe {
        Bound::from_owned_ptr_or_err(
            object.py(),
            ffi::PyObject_GenericGetDict(object.as_ptr(), std::ptr::null_mut()),
        )
    };
    dict.ok()?.cast_into_exact::<PyDict>().ok()
}

/// The object's own `__dict__`, in a form in which changes of attributes are changes of the dict.
///
/// Since CPython 3.13 the values of a new object's attributes lie in the object itself, and setting
/// one tells no watcher of the dict. So such a dict is replaced by an ordinary one.
pub(super) fn ordinary_dict<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyDict>> {
    let dict = own_dict(object)?;
    // SAFETY: a live dict; the field is only compared.
    let is_ordinary = unsafe {
        (*dict.as_ptr().cast::<ffi::PyDictObject>())
            .ma_values
            .is_null()
    };
    if is_ordinary {
        return Some(dict);
    }
    let ordinary = PyDict::new(object.py());
    ordinary.update(dict.as_mapping()).ok()?;
    let name = intern!(object.py(), "__dict__");
    // SAFETY: live objects, attached. `PyObject_GenericSetDict` would leave the values in the object.
    let code =
        unsafe { ffi::PyObject_GenericSetAttr(object.as_ptr(), name.as_ptr(), ordinary.as_ptr()) };
    if code != 0 {
        let _refused = PyErr::take(object.py());
        return None;
    }
    Some(ordinary)
}

/// The modules that are loaded, by their names.
pub(super) fn modules(py: Python<'_>) -> Bound<'_, PyDict> {
    // SAFETY: attached; a borrowed dict, of which a reference is taken.
    unsafe { Bound::from_borrowed_ptr(py, ffi::PyImport_GetModuleDict()).cast_into_unchecked() }
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
