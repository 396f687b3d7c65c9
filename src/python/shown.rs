//! What a message shows of an object that was given: whatever it is, not too much of it.

use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;

/// Characters beyond which a representation is cut.
const LONGEST: usize = 200;

/// An object's representation, cut if it is long, or its class if it has none.
pub(super) fn shown(object: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = match object.repr() {
        Ok(text) => text,
        // An int of more digits than CPython writes, or a class with an error in its __repr__.
        Err(error) if error.is_instance_of::<PyException>(object.py()) => {
            return Ok(format!(
                "<unprintable {} object>",
                object.get_type().name()?
            ));
        }
        Err(error) => return Err(error),
    };
    let text = text.to_string_lossy();
    Ok(match text.char_indices().nth(LONGEST) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}...", text.split_at(end).0),
    })
}

/// The error about what is of another type than is accepted.
pub(super) fn wrong_type(name: &str, accepted: &str, given: &Bound<'_, PyAny>) -> PyErr {
    let told = given.get_type().name().and_then(|of| {
        Ok(PyTypeError::new_err(format!(
            "{name} is {accepted}, not {of}: {}",
            shown(given)?
        )))
    });
    told.unwrap_or_else(|error| error)
}

/// `shown` for messages made in Python.
#[pyfunction]
#[pyo3(name = "_shown", signature = (given, /))]
pub(super) fn shown_to_python(given: &Bound<'_, PyAny>) -> PyResult<String> {
    shown(given)
}
