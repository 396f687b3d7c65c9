//! A call's arguments as CPython hands them to a vectorcall, and those of an earlier call to compare with.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use smallvec::SmallVec;

use super::object::Object;
use crate::python::arguments::{Arguments, Keywords};

/// The arguments of one call: those given by place, then those given by name.
#[derive(Clone, Copy)]
pub(in crate::python) struct Vector<'a, 'py> {
    all: *const Bound<'py, PyAny>,
    positional: usize,
    names: Option<Borrowed<'a, 'py, PyTuple>>,
}

impl<'a, 'py> Vector<'a, 'py> {
    /// The arguments of a vectorcall.
    ///
    /// # Safety
    ///
    /// As CPython calls a `vectorcallfunc`; none of it outlives the call.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a few moves
    pub(in crate::python) unsafe fn new(
        py: Python<'py>,
        args: *const *mut ffi::PyObject,
        nargsf: usize,
        names: *mut ffi::PyObject,
    ) -> Self {
        Self {
            // `Bound` is a transparent pointer to a live object; none of these is ever dropped.
            all: args.cast(),
            positional: nargsf & !(1 << (usize::BITS - 1)),
            // SAFETY: null or a live tuple.
            names: unsafe {
                Borrowed::from_ptr_or_opt(py, names).map(|names| names.cast_unchecked())
            },
        }
    }

    /// Arguments that are all given by place.
    #[cfg(not(Py_3_12))]
    pub(in crate::python) fn of(arguments: &Arguments<'a, 'py>) -> Option<Self> {
        let positional = arguments.positional();
        matches!(arguments.keywords(), Keywords::None).then(|| Self {
            all: positional.as_ptr(),
            positional: positional.len(),
            names: None,
        })
    }

    /// The argument, if there is one, by place.
    #[inline(always)]
    #[allow(clippy::inline_always)] // two comparisons
    pub(in crate::python) fn only(&self) -> Option<&'a Bound<'py, PyAny>> {
        // SAFETY: a live object for the time of the call.
        (self.positional == 1 && self.names.is_none()).then(|| unsafe { &*self.all })
    }

    /// The same in the form of all calls.
    #[inline]
    pub(in crate::python) fn arguments(&self) -> Arguments<'a, 'py> {
        // SAFETY: live objects for the time of the call, as many as are said.
        unsafe {
            let keywords = match self.names {
                None => Keywords::None,
                Some(names) => {
                    let values = self.all.add(self.positional);
                    Keywords::Vector(names, std::slice::from_raw_parts(values, names.len()))
                }
            };
            let positional = if self.positional == 0 {
                &[]
            } else {
                std::slice::from_raw_parts(self.all, self.positional)
            };
            Arguments::new(positional, keywords)
        }
    }
}

/// Some of the arguments of an earlier call.
pub(in crate::python) struct Recorded {
    positional: usize,
    names: Option<Object>,
    /// By their places among all arguments, each of them less than their number.
    values: SmallVec<[(usize, Object); 5]>,
}

impl Recorded {
    /// Those at some places. None if there are fewer arguments.
    pub(in crate::python) fn of(arguments: &Arguments<'_, '_>, places: &[usize]) -> Option<Self> {
        let (names, by_name) = match arguments.keywords() {
            Keywords::None => (None, &[][..]),
            Keywords::Vector(names, values) => (Some(Object::of(names.as_any())), values),
            Keywords::Dict(_) => return None,
        };
        let positional = arguments.positional();
        let values = places.iter().map(|&place| {
            let value = match place.checked_sub(positional.len()) {
                None => positional.get(place),
                Some(place) => by_name.get(place),
            };
            Some((place, Object::of(value?)))
        });
        Some(Self {
            positional: positional.len(),
            names,
            values: values.collect::<Option<_>>()?,
        })
    }

    /// Whether a call is of the same shape and has the same objects at these places.
    #[inline(always)]
    #[allow(clippy::inline_always)] // of each hit
    pub(in crate::python) fn is_of(&self, call: &Vector<'_, '_>) -> bool {
        let are_same = match (&self.names, call.names) {
            (None, None) => true,
            (Some(known), Some(names)) => known.is(&names),
            _ => false,
        };
        are_same
            && self.positional == call.positional
            && self.values.iter().all(|(place, object)| {
                // SAFETY: a call of this shape has as many arguments, all of them live.
                object.is(unsafe { &*call.all.add(*place) })
            })
    }
}
