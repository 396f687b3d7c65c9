//! An argument that may be left out, where None means something else.

use std::convert::Infallible;

use pyo3::prelude::*;

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
