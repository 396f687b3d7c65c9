//! The way into a decorated function: a vectorcall of ours before the interpreter's own.
//!
//! `PyFunction_SetVectorcall` (public since CPython 3.12) has a plain Python function called through
//! a C function. Ours asks the function's `Shortcut`; where that has no value, it calls the function
//! and keeps what it returns. Where it cannot tell, it goes on to the vectorcall that was there
//! before, which runs the body in Python. CPython 3.11 inlines the body instead and would never ask us.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyFunction;

/// Have calls of `function`, whose one closure cell holds a `Shortcut`, try that first.
#[cfg(not(all(Py_3_12, not(Py_GIL_DISABLED))))]
pub(in crate::python) fn install(_function: &Bound<'_, PyFunction>) {
    let _ = ffi::Py_IsInitialized;
}

#[cfg(all(Py_3_12, not(Py_GIL_DISABLED)))]
pub(in crate::python) use with_gil::install;

#[cfg(all(Py_3_12, not(Py_GIL_DISABLED)))]
mod with_gil {
    use std::hint::black_box;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::ptr::null_mut;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicPtr, Ordering};

    use super::{Borrowed, Bound, PyFunction, Python, ffi};
    use crate::python::gap::Gap;
    use crate::python::raw::object::{Kind, Object};
    use crate::python::raw::vector::Vector;
    use crate::python::raw::{Stay, check_stack};
    use crate::python::shortcut::{Answer, Shortcut, read};
    use pyo3::prelude::*;

    unsafe extern "C" {
        fn PyFunction_SetVectorcall(function: *mut ffi::PyObject, call: ffi::vectorcallfunc);
    }

    /// The interpreter's own vectorcall of Python functions: one for all of them.
    static BODY: OnceLock<ffi::vectorcallfunc> = OnceLock::new();

    /// The class of shortcuts.
    static SHORTCUT: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(null_mut());

    /// Have calls of `function`, whose one closure cell holds a `Shortcut`, try that first.
    pub(in crate::python) fn install(function: &Bound<'_, PyFunction>) {
        let class = function.py().get_type::<Shortcut>();
        SHORTCUT.store(class.as_type_ptr(), Ordering::Relaxed);
        let raw = function.as_ptr().cast::<ffi::PyFunctionObject>();
        // SAFETY: a live function object.
        let Some(body) = (unsafe { (*raw).vectorcall }) else {
            return;
        };
        // Another's vectorcall (a debugger's, say) is left alone.
        if *BODY.get_or_init(|| body) as usize == body as usize {
            // SAFETY: a live function object, and a function of this module, which is never unloaded.
            unsafe { PyFunction_SetVectorcall(function.as_ptr(), enter) };
        }
    }

    /// The shortcut that a function was installed with, if it is there as it was.
    ///
    /// A closure may be emptied by the garbage collector or by hand, and its code replaced.
    #[inline]
    unsafe fn shortcut_of<'a>(
        py: Python<'_>,
        function: *mut ffi::PyObject,
    ) -> Option<Borrowed<'a, '_, Shortcut>> {
        // SAFETY: `function` is a live function object, or nobody could call it. Its closure is null
        // or a tuple of cells, a cell's content null or a live object; all of it is read while
        // attached, and the caller takes a reference before anything can change it.
        let held = unsafe {
            let function = function.cast::<ffi::PyFunctionObject>();
            let closure = (*function).func_closure;
            if closure.is_null() || ffi::PyTuple_GET_SIZE(closure) != 1 {
                return None;
            }
            let cell = ffi::PyTuple_GET_ITEM(closure, 0);
            let held = (*cell.cast::<ffi::PyCellObject>()).ob_ref;
            if held.is_null() {
                return None;
            }
            Borrowed::from_ptr(py, held)
        };
        // SAFETY: a live object; the field is only compared.
        if unsafe { ffi::Py_TYPE(held.as_ptr()) } != SHORTCUT.load(Ordering::Relaxed) {
            return None;
        }
        // SAFETY: its class was just looked at.
        let shortcut = unsafe { held.cast_unchecked::<Shortcut>() };
        // SAFETY: as above.
        let code = unsafe { (*function.cast::<ffi::PyFunctionObject>()).func_code };
        shortcut.get().is_for(code).then_some(shortcut)
    }

    /// What CPython calls for a decorated function.
    unsafe extern "C" fn enter(
        function: *mut ffi::PyObject,
        args: *const *mut ffi::PyObject,
        nargsf: usize,
        names: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: CPython calls this attached.
        let py = unsafe { Python::assume_attached() };
        // SAFETY: the function called is live for the time of the call.
        let Some(shortcut) = (unsafe { shortcut_of(py, function) }) else {
            // SAFETY: as CPython called us.
            return unsafe { go_on(function, args, nargsf, names) };
        };
        // Each of the two saves the registers that it needs, which here none has to.
        // SAFETY: as CPython called us.
        unsafe {
            if shortcut.get().takes_clock() {
                by_clock(function, args, nargsf, names, shortcut.as_ptr())
            } else {
                again(function, args, nargsf, names, shortcut.as_ptr())
            }
        }
    }

    /// A call that was looked at before, whose shortcut is known.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a few moves
    unsafe fn seen<'a, 'py>(
        args: *const *mut ffi::PyObject,
        nargsf: usize,
        names: *mut ffi::PyObject,
        shortcut: *mut ffi::PyObject,
    ) -> (Python<'py>, Vector<'a, 'py>, Borrowed<'a, 'py, Shortcut>) {
        // SAFETY: as in `enter`, which found the shortcut.
        unsafe {
            let py = Python::assume_attached();
            let known = Borrowed::from_ptr(py, shortcut).cast_unchecked::<Shortcut>();
            (py, Vector::new(py, args, nargsf, names), known)
        }
    }

    /// Answer with what was found; what is copied for each caller, apart.
    #[inline(always)]
    #[allow(clippy::inline_always)] // of each hit
    unsafe fn hand_out(
        py: Python<'_>,
        object: Object,
        function: *mut ffi::PyObject,
        args: *const *mut ffi::PyObject,
        nargsf: usize,
        names: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        if object.kind() == Kind::Shared {
            return object.into_bound(py).into_ptr();
        }
        // SAFETY: as CPython called us.
        unsafe { copy(function, args, nargsf, names, object.into_word()) }
    }

    /// A new reference, or null with the exception set.
    fn answered(py: Python<'_>, found: PyResult<Bound<'_, PyAny>>) -> *mut ffi::PyObject {
        found.map_or_else(
            |error| {
                error.restore(py);
                null_mut()
            },
            Bound::into_ptr,
        )
    }

    /// A way to look: answers with what it finds, or has the next one look.
    macro_rules! way {
        ($(#[$doc:meta])* $name:ident by $hit:ident or $next:ident) => {
            $(#[$doc])*
            #[inline(never)]
            unsafe extern "C" fn $name(
                function: *mut ffi::PyObject,
                args: *const *mut ffi::PyObject,
                nargsf: usize,
                names: *mut ffi::PyObject,
                shortcut: *mut ffi::PyObject,
            ) -> *mut ffi::PyObject {
                // SAFETY: as in `enter`, where the shortcut was just looked at.
                let (py, call, known) = unsafe { seen(args, nargsf, names, shortcut) };
                match known.get().$hit(py, &call) {
                    // SAFETY: as CPython called us.
                    Some(object) => unsafe { hand_out(py, object, function, args, nargsf, names) },
                    // Apart, so that a hit needs little of the stack and of the registers.
                    // SAFETY: as CPython called us.
                    None => unsafe { $next(function, args, nargsf, names, shortcut) },
                }
            }
        };
    }

    way!(
        /// A call with the last one's arguments.
        again by hit_again or look
    );
    way!(
        /// A call with other arguments than the last one, in most cases of one short value.
        look by hit_of_one or look_closer
    );
    way!(
        /// A call of either kind, whose value is likely to have a deadline.
        by_clock by hit_by_clock or look_closer
    );

    /// A hit of what is copied for each caller.
    #[inline(never)]
    unsafe extern "C" fn copy(
        function: *mut ffi::PyObject,
        args: *const *mut ffi::PyObject,
        nargsf: usize,
        names: *mut ffi::PyObject,
        word: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: as in `enter`, where the word was just given.
        let (py, object) = unsafe { (Python::assume_attached(), Object::from_word(word)) };
        if let Some(found) = read(object, py) {
            return answered(py, found);
        }
        // SAFETY: as CPython called us.
        unsafe { go_on(function, args, nargsf, names) }
    }

    /// A call of any arguments.
    #[inline(never)]
    unsafe extern "C" fn look_closer(
        function: *mut ffi::PyObject,
        args: *const *mut ffi::PyObject,
        nargsf: usize,
        names: *mut ffi::PyObject,
        shortcut: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: as in `enter`, where the shortcut was just looked at.
        let (py, call, known) = unsafe { seen(args, nargsf, names, shortcut) };
        if let Some(value) = hit(py, known, &call) {
            return value;
        }
        // Nothing is left on the stack of what it took to look.
        // SAFETY: as CPython called us.
        unsafe { go_on(function, args, nargsf, names) }
    }

    #[inline(never)]
    fn hit(
        py: Python<'_>,
        shortcut: Borrowed<'_, '_, Shortcut>,
        call: &Vector<'_, '_>,
    ) -> Option<*mut ffi::PyObject> {
        let look = || shortcut.get().near_hit(py, &call.arguments());
        // After a panic the tiers are asked.
        let found = catch_unwind(AssertUnwindSafe(look)).unwrap_or_default()?;
        Some(answered(py, found))
    }

    /// What is left to do for a call that Rust has seen.
    enum Next {
        /// Hand this to the caller: a value, or null with an exception set.
        Return(*mut ffi::PyObject),
        /// Fill this gap. Boxed, for the sake of the stack while the function runs.
        Fill(Box<Gap>),
        /// Run the body, which sees for itself.
        Run,
    }

    /// A call that the front has nothing for.
    #[inline(never)]
    unsafe extern "C" fn go_on(
        function: *mut ffi::PyObject,
        args: *const *mut ffi::PyObject,
        nargsf: usize,
        names: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // PyO3 is to know that the thread is attached, or it would put off the end of each reference.
        // SAFETY: as CPython called us.
        let next = Python::try_attach(|py| unsafe { next(py, function, args, nargsf, names) });
        match next {
            Some(Next::Return(value)) => value,
            Some(Next::Fill(gap)) => {
                let function = gap.function.as_ptr();
                // SAFETY: as CPython called us; the gap keeps the function alive.
                let value =
                    unsafe { call(ffi::PyObject_Vectorcall, function, args, nargsf, names) };
                // The gap ends in there as well.
                let kept = Python::try_attach(move |py| {
                    // SAFETY: a new reference, or null with an exception set.
                    let value = unsafe { Bound::from_owned_ptr_or_opt(py, value) };
                    match value {
                        Some(value) => keep(gap, value),
                        None => abandon(py, gap),
                    }
                });
                kept.unwrap_or(value)
            }
            Some(Next::Run) | None => match BODY.get() {
                // SAFETY: as CPython called us.
                Some(body) => unsafe { call(*body, function, args, nargsf, names) },
                None => null_mut(),
            },
        }
    }

    /// The function has raised: null, with its exception set.
    #[inline(never)]
    fn abandon(py: Python<'_>, gap: Box<Gap>) -> *mut ffi::PyObject {
        let error = PyErr::take(py);
        gap.abandon(py);
        if let Some(error) = error {
            error.restore(py);
        }
        null_mut()
    }

    /// Keep what a function returned; a new reference to it, or null with an exception set.
    #[inline(never)]
    fn keep(gap: Box<Gap>, value: Bound<'_, PyAny>) -> *mut ffi::PyObject {
        let kept = catch_unwind(AssertUnwindSafe(|| gap.keep(&value))).unwrap_or_else(|_| {
            log::error!(target: "quickcache", "keeping a value panicked; it is not kept");
            Ok(())
        });
        answered(value.py(), kept.map(|()| value))
    }

    #[inline(never)]
    unsafe fn next(
        py: Python<'_>,
        function: *mut ffi::PyObject,
        args: *const *mut ffi::PyObject,
        nargsf: usize,
        names: *mut ffi::PyObject,
    ) -> Next {
        // SAFETY: as in `enter`.
        let Some(shortcut) = (unsafe { shortcut_of(py, function) }) else {
            return Next::Run;
        };
        // SAFETY: as in `enter`.
        let arguments = unsafe { Vector::new(py, args, nargsf, names) }.arguments();
        if let Err(error) = check_stack() {
            return Next::Return(answered(py, Err(error)));
        }
        // Held from here on: what runs next may empty the cell.
        let shortcut = shortcut.to_owned();
        if !shortcut.get().begin() {
            return Next::Run;
        }
        let found = Shortcut::find(&shortcut, &arguments);
        shortcut.get().end();
        match found.and_then(|found| Shortcut::board(&shortcut, found)) {
            Ok(Answer::Value(value)) => Next::Return(value.into_ptr()),
            Ok(Answer::Gap(gap)) => Next::Fill(gap),
            Err(error) => Next::Return(answered(py, Err(error))),
        }
    }

    /// Make a call in which the thread may be ended: see `raw::call`.
    #[inline(never)]
    unsafe fn call(
        way: ffi::vectorcallfunc,
        function: *mut ffi::PyObject,
        args: *const *mut ffi::PyObject,
        nargsf: usize,
        names: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        type Call = unsafe extern "C-unwind" fn(
            *mut ffi::PyObject,
            *const *mut ffi::PyObject,
            usize,
            *mut ffi::PyObject,
        ) -> *mut ffi::PyObject;
        let way = black_box(way as *const ());
        // SAFETY: the same function; hidden from the compiler, as in `raw::call`.
        let way = unsafe { std::mem::transmute::<*const (), Call>(way) };
        let stay = Stay;
        // SAFETY: as CPython called `enter`.
        let value = unsafe { way(function, args, nargsf, names) };
        std::mem::forget(stay);
        value
    }
}
