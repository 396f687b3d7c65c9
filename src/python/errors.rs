//! Which Python exception an error of the core becomes.

use pyo3::PyErr;
use pyo3::exceptions::PyValueError;

use crate::error::Error;

pyo3::import_exception!(quickcache._errors, UncacheableValueError);

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        PyValueError::new_err(error.to_string())
    }
}
