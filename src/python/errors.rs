//! Which Python exception an error of the core becomes.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::raw::intern;
use crate::error::Error;
use crate::tier::server::{Failure, FailureKind};

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
        let is_refusal = matches!(failure.kind, FailureKind::LogIn | FailureKind::Refused);
        let error = CacheUnavailableError::new_err(failure.text);
        if is_refusal {
            // Whoever asked for it is attached.
            let told = Python::attach(|py| error.value(py).setattr(intern!(py, "refused"), true));
            return told.err().unwrap_or(error);
        }
        error
    }
}
