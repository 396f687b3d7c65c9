//! How much memory values take, as an estimate.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyTuple};

use super::immutable::{Addresses, is_container};
use super::raw;
use super::raw::intern;

/// An estimate of an object's own memory in bytes, without what it refers to.
pub(super) fn size_of(value: &Bound<'_, PyAny>) -> PyResult<usize> {
    if value.is_none() || value.is_exact_instance_of::<PyBool>() {
        return Ok(0);
    }
    if value.is_exact_instance_of::<PyInt>() || value.is_exact_instance_of::<PyFloat>() {
        return Ok(28);
    }
    let py = value.py();
    let size = raw::method(&value.get_type(), intern!(py, "__sizeof__"), &[value]);
    let size = size.and_then(|size| size.extract());
    match size {
        // A class may say anything of its size, and what it says is only an estimate.
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(64),
        // Ctrl-C is none of its business.
        size => size,
    }
}

/// An estimate of the memory of a value and of all that stands in it, where that can be seen: plain
/// containers are looked into, each once.
pub(super) fn size_of_whole(value: &Bound<'_, PyAny>) -> PyResult<usize> {
    if !is_container(value) && !value.is_exact_instance_of::<PyFrozenSet>() {
        return size_of(value);
    }
    let mut size = 0_usize;
    let mut seen = Addresses::default();
    let mut left = vec![value.clone()];
    while let Some(value) = left.pop() {
        let is_frozen = value.is_exact_instance_of::<PyFrozenSet>();
        if (is_frozen || is_container(&value)) && !seen.insert(value.as_ptr().addr()) {
            continue;
        }
        size = size.saturating_add(size_of(&value)?);
        if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            left.extend_from_slice(tuple.as_slice());
        } else if let Ok(list) = value.cast_exact::<PyList>() {
            left.extend(list.iter());
        } else if let Ok(dict) = value.cast_exact::<PyDict>() {
            for (key, item) in dict.iter() {
                left.extend([key, item]);
            }
        } else if let Ok(set) = value.cast_exact::<PySet>() {
            left.extend(set.iter());
        } else if let Ok(set) = value.cast_exact::<PyFrozenSet>() {
            left.extend(set.iter());
        }
    }
    Ok(size)
}
