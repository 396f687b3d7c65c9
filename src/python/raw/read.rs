//! Values read straight from the objects that hold them: 1 to 3 ns where a call takes 3 to 9.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyInt, PyString};

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
            return Some((1 - (tag & SIGN) as i64) * i64::from(digit));
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

/// Find out how this CPython marks ASCII: the bits have moved from version to version.
pub(in crate::python) fn learn_texts(py: Python<'_>) {
    let state = |text: &str| state(&PyString::new(py, text));
    let (ascii, latin) = (state("quick") & state("caches"), state("qu\u{ef}ck"));
    let bit = ascii & !latin;
    if bit.count_ones() == 1 {
        ASCII.store(bit, Ordering::Relaxed);
        let probe = PyString::new(py, "where its bytes lie");
        if ascii_text(&probe) != Some(b"where its bytes lie".as_slice()) {
            ASCII.store(0, Ordering::Relaxed);
        }
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
