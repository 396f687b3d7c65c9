//! Values read straight from the objects that hold them: 1 to 3 ns where a call takes 3 to 9.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt, PyList, PyString, PyTuple, PyType};

/// An integer of 64 bits; None if it has no place in them.
#[inline]
pub(in crate::python) fn integer(value: &Bound<'_, PyInt>) -> Option<i64> {
    #[cfg(all(Py_3_12, not(Py_3_16)))]
    {
        /// `PyLongObject` since CPython 3.12, up to its first digit.
        #[repr(C)]
        struct Long {
            base: ffi::PyObject,
            tag: usize,
            digit: u32,
        }
        const SIGN: usize = 3;
        const ONE_DIGIT: usize = 2 << 3;
        // SAFETY: a live int; its first digit is there even for 0.
        let (tag, digit) = unsafe {
            let long = value.as_ptr().cast::<Long>();
            ((*long).tag, (*long).digit)
        };
        if tag < ONE_DIGIT {
            // the sign is 0 for positive, 1 for zero, 2 for negative
            return Some((1 - (tag & SIGN).cast_signed() as i64) * i64::from(digit));
        }
    }
    let mut overflow = 0;
    // SAFETY: a live int, for which the call raises nothing.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(value.as_ptr(), &raw mut overflow) };
    (overflow == 0).then_some(number)
}

/// The float's bits.
#[inline]
pub(in crate::python) fn float_bits(value: &Bound<'_, PyFloat>) -> u64 {
    // SAFETY: a live float.
    unsafe { ffi::PyFloat_AS_DOUBLE(value.as_ptr()) }.to_bits()
}

/// The bit of a text's state that says it is ASCII; 0 until it is known, and if it is not.
static ASCII: AtomicU32 = AtomicU32::new(0);

/// Find out how this CPython marks ASCII: the bit has moved from version to version. Those of the state
/// that mean nothing may have any value.
pub(in crate::python) fn learn_texts(py: Python<'_>) {
    const BEFORE_3_14: u32 = 1 << 6;
    const SINCE_3_14: u32 = 1 << 20;
    let states = |letter: char| -> Vec<u32> {
        let texts = (2..34).map(|length| letter.to_string().repeat(length));
        texts.map(|text| state(&PyString::new(py, &text))).collect()
    };
    let (ascii, latin, wide) = (states('a'), states('\u{ef}'), states('\u{20ac}'));
    let marks = |bit: &u32| {
        ascii.iter().all(|state| state & bit != 0)
            && latin.iter().chain(&wide).all(|state| state & bit == 0)
    };
    let bit = [BEFORE_3_14, SINCE_3_14]
        .into_iter()
        .find(marks)
        .unwrap_or(0);
    ASCII.store(bit, Ordering::Relaxed);
    let probe = "where its bytes lie";
    if ascii_text(&PyString::new(py, probe)) != Some(probe.as_bytes()) {
        ASCII.store(0, Ordering::Relaxed);
    }
}

#[inline]
fn state(text: &Bound<'_, PyString>) -> u32 {
    // SAFETY: a live str, which begins with a PyASCIIObject.
    unsafe { (*text.as_ptr().cast::<ffi::PyASCIIObject>()).state }
}

/// The bytes of a text of exact type str that is ASCII; None if it is not, or nobody knows.
#[inline]
pub(in crate::python) fn ascii_text<'a>(text: &'a Bound<'_, PyString>) -> Option<&'a [u8]> {
    if state(text) & ASCII.load(Ordering::Relaxed) == 0 {
        return None;
    }
    // SAFETY: ASCII texts are compact: the bytes follow the head, as many as its length says. A str
    // never changes, and it lives as long as the reference.
    unsafe {
        let head = text.as_ptr().cast::<ffi::PyASCIIObject>();
        let length = usize::try_from((*head).length).ok()?;
        Some(std::slice::from_raw_parts(head.add(1).cast::<u8>(), length))
    }
}

/// The items of a tuple, for as long as it is borrowed.
#[inline]
pub(in crate::python) fn items<'a, 'py>(
    tuple: Borrowed<'a, 'py, PyTuple>,
) -> &'a [Bound<'py, PyAny>] {
    // SAFETY: a live tuple of that length, which never changes; `Bound` is a transparent pointer, and
    // these are never dropped.
    unsafe {
        let items = (*tuple.as_ptr().cast::<ffi::PyTupleObject>())
            .ob_item
            .as_ptr();
        std::slice::from_raw_parts(items.cast(), tuple.len())
    }
}

/// Whether a list has exactly these objects in it.
#[inline]
pub(in crate::python) fn has_in_it(list: &Bound<'_, PyList>, objects: &[Py<PyAny>]) -> bool {
    if cfg!(Py_GIL_DISABLED) {
        let items = list.iter().map(|item| item.as_ptr());
        return items.eq(objects.iter().map(Py::as_ptr));
    }
    list.len() == objects.len()
        && objects.iter().enumerate().all(|(place, object)| {
            // SAFETY: a live list of that length, read while attached; the item is only compared.
            unsafe { ffi::PyList_GET_ITEM(list.as_ptr(), place.cast_signed()) == object.as_ptr() }
        })
}

/// Whether the object is of the class at an address, in this version.
#[inline]
pub(in crate::python) fn is_of_class(object: &Bound<'_, PyAny>, class: usize, tag: u32) -> bool {
    // SAFETY: a live object has a live class; its fields are only compared.
    unsafe {
        let own = ffi::Py_TYPE(object.as_ptr());
        own.addr() == class && (*own).tp_version_tag == tag
    }
}

/// Whether no Python runs when this attribute is read from an object of the class: it lies in the
/// object itself.
pub(in crate::python) fn has_plain_attribute(
    class: &Bound<'_, PyType>,
    name: &Bound<'_, PyString>,
) -> bool {
    // SAFETY: a live class; the field is only compared.
    let getter = unsafe { (*class.as_type_ptr()).tp_getattro };
    let is_generic =
        getter.map(|get| get as usize) == Some(ffi::PyObject_GenericGetAttr as *const () as usize);
    is_generic
        && match class.getattr_opt(name) {
            Ok(None) => true,
            // SAFETY: a live object, and a type of CPython's own: that of slots.
            Ok(Some(found)) => unsafe {
                ffi::Py_IS_TYPE(found.as_ptr(), &raw mut ffi::PyMemberDescr_Type) != 0
            },
            Err(_) => false,
        }
}

/// An attribute of an object of whose class `has_plain_attribute` is true; None if it has none.
#[inline]
pub(in crate::python) fn attribute<'py>(
    object: &Bound<'py, PyAny>,
    name: &Py<PyString>,
) -> Option<Bound<'py, PyAny>> {
    // SAFETY: live objects; a new reference, or null with an exception set.
    unsafe {
        let value = ffi::PyObject_GenericGetAttr(object.as_ptr(), name.as_ptr());
        if value.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        Some(Bound::from_owned_ptr(object.py(), value))
    }
}

/// Where attributes lie in objects of some classes since CPython 3.13: behind the object, in an order
/// that is its class's. The four bytes before them say how they are used.
#[cfg(all(Py_3_13, not(Py_3_16), not(Py_GIL_DISABLED)))]
mod inline {
    use std::ptr::NonNull;

    use pyo3::ffi;
    use pyo3::prelude::*;

    /// `PyDictValues`, up to the first of its values.
    #[repr(C)]
    struct Values {
        capacity: u8,
        size: u8,
        embedded: u8,
        valid: u8,
        first: [Option<NonNull<ffi::PyObject>>; 0],
    }

    /// `Py_TPFLAGS_INLINE_VALUES`
    const INLINE: std::ffi::c_ulong = 1 << 2;

    /// Where an attribute lies that has this value, counted in bytes from the object on, and where its
    /// class has them begin. None if that is not certain.
    pub(in crate::python) fn place(
        object: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
    ) -> Option<(u32, u32)> {
        // SAFETY: a live object and its class; values of such classes follow the object, as many as are
        // said, and are only compared.
        unsafe {
            let class = ffi::Py_TYPE(object.as_ptr());
            if (*class).tp_flags & INLINE == 0 || (*class).tp_itemsize != 0 {
                return None;
            }
            let begin = u32::try_from((*class).tp_basicsize).ok()?;
            let all = object.as_ptr().byte_add(begin as usize).cast::<Values>();
            if (*all).valid != 1 {
                return None;
            }
            let values: &[Option<NonNull<ffi::PyObject>>] = std::slice::from_raw_parts(
                (&raw const (*all).first).cast(),
                (*all).capacity.into(),
            );
            let mut found = values
                .iter()
                .enumerate()
                .filter(|(_, held)| **held == NonNull::new(value.as_ptr()));
            // Another attribute with the same value, and nobody knows which is which.
            let (Some((place, _)), None) = (found.next(), found.next()) else {
                return None;
            };
            let place = size_of::<Values>() + place * size_of::<usize>();
            Some((begin, begin + u32::try_from(place).ok()?))
        }
    }

    /// What lies there, in an object of the same class in the same version.
    #[inline]
    pub(in crate::python) fn value<'py>(
        object: &Bound<'py, PyAny>,
        (begin, place): (u32, u32),
    ) -> Option<Bound<'py, PyAny>> {
        // SAFETY: as above: the order of a class's values stays what it was.
        unsafe {
            let all = object.as_ptr().byte_add(begin as usize).cast::<Values>();
            if (*all).valid != 1 {
                return None;
            }
            let value = *object
                .as_ptr()
                .byte_add(place as usize)
                .cast::<Option<NonNull<ffi::PyObject>>>();
            Some(Bound::from_borrowed_ptr(object.py(), value?.as_ptr()))
        }
    }
}

#[cfg(all(Py_3_13, not(Py_3_16), not(Py_GIL_DISABLED)))]
pub(in crate::python) use inline::{place, value};

/// Where an attribute lies that has this value: nobody knows.
#[cfg(not(all(Py_3_13, not(Py_3_16), not(Py_GIL_DISABLED))))]
pub(in crate::python) fn place(
    _object: &Bound<'_, PyAny>,
    _value: &Bound<'_, PyAny>,
) -> Option<(u32, u32)> {
    None
}

/// What lies there.
#[cfg(not(all(Py_3_13, not(Py_3_16), not(Py_GIL_DISABLED))))]
pub(in crate::python) fn value<'py>(
    _object: &Bound<'py, PyAny>,
    _place: (u32, u32),
) -> Option<Bound<'py, PyAny>> {
    None
}
