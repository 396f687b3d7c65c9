//! Which Python exception an error of the core becomes.

use pyo3::PyErr;
use pyo3::exceptions::PyValueError;

use crate::error::Error;
use crate::tier::server::Failure;

pyo3::import_exception!(quickcache._errors, CacheUnavailableError);
pyo3::import_exception!(quickcache._errors, ReplicaReadsWarning);
pyo3::import_exception!(quickcache._errors, UncacheableValueError);

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        PyValueError::new_err(error.to_string())
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        CacheUnavailableError::new_err(failure.text)
    }
}
