//! An argument that may be left out, where None means something else.

use std::convert::Infallible;

use pyo3::prelude::*;
use pyo3::types::PyBool;

use super::shown::wrong_type;

/// What was given for it.
pub(super) enum Argument<'py> {
    /// Nothing, or Ellipsis.
    Default,
    /// This.
    Given(Bound<'py, PyAny>),
}

impl<'py> FromPyObject<'_, 'py> for Argument<'py> {
    type Error = Infallible;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> Result<Self, Infallible> {
        if given.is(given.py().Ellipsis()) {
            Ok(Self::Default)
        } else {
            Ok(Self::Given(given.to_owned()))
        }
    }
}

/// True or False, and nothing that is taken for one of them.
pub(super) fn flag(name: &str, given: &Bound<'_, PyAny>) -> PyResult<bool> {
    match given.cast::<PyBool>() {
        Ok(flag) => Ok(flag.is_true()),
        Err(_) => Err(wrong_type(name, "True or False", given)),
    }
}

impl<'py> Argument<'py> {
    /// What `read` makes of it, or else the default.
    pub(super) fn or<T>(
        self,
        default: T,
        read: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
    ) -> PyResult<T> {
        match self {
            Self::Default => Ok(default),
            Self::Given(given) => read(&given),
        }
    }
}
